"""Properties that events must have, where a project enforces it: what is missing, or of the wrong type. No I/O.

A type is one that a query can read the value as, not the one it was sent with: `"12"` is Numeric.
"""

from collections.abc import Mapping, Sequence

import msgspec

from services.cdp.ingestion.definitions import is_date
from services.cdp.raw_json import Properties, is_null, number_of, text_of

#: Of one event: by property, the types it may have.
Required = Mapping[str, Sequence[str]]
_SHOWN = 200
_EPOCHS = frozenset({9, 10, 13, 14})  # digits of seconds, milliseconds, YYYYMMDDhhmmss; as ClickHouse reads them


def violations(properties: Properties, required: Required) -> list[dict[str, object]]:
    """One for each property that is not as it must be, in PostHog's words; none: the event may be stored."""
    found: list[dict[str, object]] = []
    for name, types in required.items():
        raw = properties.get(name)
        if raw is None or is_null(raw):
            found.append({"property": name, "reason": "missing_required"})
        elif types and not any(_is(raw, kind) for kind in types):
            sent = text_of(raw)
            shown = (sent if sent is not None else bytes(raw).decode(errors="replace"))[:_SHOWN]
            types_and_value = {"expectedTypes": list(types), "actualValue": shown}
            found.append({"property": name, "reason": "type_mismatch", **types_and_value})
    return found


def _is(raw: msgspec.Raw, kind: str) -> bool:
    text = bytes(raw).strip()
    match kind:
        case "Numeric":
            return b"_" not in text and number_of(raw) is not None
        case "Boolean":
            return text in (b"true", b"false", b'"true"', b'"false"')
        case "DateTime":
            return _is_time(text_of(raw) if text[:1] == b'"' else text.decode())
        case "Object":
            return text[:1] in (b"{", b"[")
    return True  # a string, as which everything can be read, or a type that nobody can check


def _is_time(text: str | None) -> bool:
    if text is None:
        return False
    text = text.strip()
    whole = text.partition(".")[0]
    return is_date(text) or (whole.isascii() and whole.isdigit() and len(whole) in _EPOCHS)
