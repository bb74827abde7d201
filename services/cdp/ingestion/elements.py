"""Autocapture's `$elements` -> the text of `elements_chain`: target first, joined by `;`. As posthog-js does it."""

import unicodedata
from typing import Any

from services.cdp.ingestion.merging import javascript_string

_MAX_TEXT = 400
_MAX_HREF = 2048


def elements_chain(elements: list[Any]) -> str:
    """Items that are no objects are left out."""
    return ";".join(_element(element) for element in elements if isinstance(element, dict))


def _element(element: dict[str, Any]) -> str:
    classes = _classes(element.get("attr__class"))
    attributes: dict[str, str] = {}
    for name, sent, limit in (("text", "$el_text", _MAX_TEXT), ("href", "attr__href", _MAX_HREF)):
        if element.get(sent):
            attributes[name] = javascript_string(element[sent])[:limit]
    attributes["nth-child"] = str(element.get("nth_child") or 0)
    attributes["nth-of-type"] = str(element.get("nth_of_type") or 0)
    if element.get("attr__id"):
        attributes["attr_id"] = javascript_string(element["attr__id"])
    attributes.update({key: javascript_string(value) for key, value in element.items() if key.startswith("attr__")})
    written = "".join(f'{_quoted(key)}="{_quoted(attributes[key])}"' for key in sorted(attributes, key=_locale_order))
    tag = str(element.get("tag_name") or "")
    return tag + "".join(f".{name.replace(chr(34), '')}" for name in sorted(classes)) + ":" + written


def _classes(value: Any) -> list[str]:
    if isinstance(value, list):
        return [str(name) for name in value if name]
    return str(value).split() if value else []


def _quoted(text: str) -> str:
    return text.replace('"', '\\"')


def _locale_order(key: str) -> tuple[tuple[int, str], ...]:
    """JavaScript's localeCompare on attribute names: `_` before `-`, punctuation before letters, letters caseless."""
    folded = unicodedata.normalize("NFKD", key)
    return (*(("_-".find(c) if c in "_-" else 9, c.lower()) for c in folded), (10, key.swapcase()))
