"""What a browser would send of a form that nobody has touched."""

from html.parser import HTMLParser


def untouched(html: str, form_id: str) -> dict[str, str]:
    """The fields of the form with this id, by name. Buttons send nothing."""
    form = _Form(form_id)
    form.feed(html)
    assert form.found, form_id
    return form.fields


class _Form(HTMLParser):
    def __init__(self, form_id: str):
        super().__init__()
        self.fields: dict[str, str] = {}
        self.found = False
        self._form_id, self._inside, self._select = form_id, False, ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = said.get("id") == self._form_id
            self.found |= self._inside
        elif self._inside and tag == "input":
            self._input(said)
        elif self._inside and tag == "select":
            self._select = said["name"]
        elif (
            self._inside
            and tag == "option"
            and self._select
            and ("selected" in said or self._select not in self.fields)
        ):
            self.fields[self._select] = said["value"]

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "select":
            self._select = ""

    def _input(self, said: dict[str, str]) -> None:
        if said.get("type") not in ("checkbox", "radio"):
            self.fields[said["name"]] = said.get("value", "")
        elif "checked" in said:
            self.fields[said["name"]] = said.get("value", "on")
