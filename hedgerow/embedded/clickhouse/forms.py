"""multipart/form-data fields, which is how long parameters arrive: a URL has a limit."""

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from hedgerow.embedded.clickhouse.errors import BAD_REQUEST, NOT_IMPLEMENTED, refusal


class _Fields:
    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._disposition = b""
        self._data = bytearray()

    def on_part_begin(self) -> None:
        self._disposition = b""
        self._data.clear()

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def on_header_end(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._data += data[start:end]

    def on_part_end(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"filename" in options:
            raise refusal(NOT_IMPLEMENTED, "External tables are not supported")
        name = options.get(b"name", b"").decode("utf-8", "replace")
        self.values[name] = bytes(self._data).decode("utf-8", "surrogateescape")


def parse_multipart(body: bytes, boundary: bytes) -> dict[str, str]:
    """The form's fields. Raises BAD_ARGUMENTS for a broken form."""
    fields = _Fields()
    callbacks = {name: getattr(fields, name) for name in dir(fields) if name.startswith("on_")}
    try:
        parser = MultipartParser(boundary, callbacks)  # type: ignore[arg-type]
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise refusal(BAD_REQUEST, f"Broken form: {error}") from None
    return fields.values
