"""A record of clickhouse_ai_events_json -> the columns of a row of `ai_events`. No I/O, no clock."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from libs.kit.contracts.ai_events import LARGE
from libs.kit.contracts.events import StoredEvent, raw_object
from services.cdp.raw_json import is_null, number_of, object_of, text_of

_stored = msgspec.json.Decoder(StoredEvent)
_LARGEST = 2**63

_TEXTS = (
    "session_id", "parent_id", "span_id", "span_type", "generation_id", "experiment_id", "span_name", "trace_name",
    "prompt_name", "model", "provider", "framework", "error", "error_type", "error_normalized",
)  # fmt: skip
_COUNTS = (
    "total_tokens", "input_tokens", "output_tokens", "text_input_tokens", "text_output_tokens", "image_input_tokens",
    "image_output_tokens", "audio_input_tokens", "audio_output_tokens", "video_input_tokens", "video_output_tokens",
    "reasoning_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "web_search_count",
)  # fmt: skip
_NUMBERS = (
    "input_cost_usd", "output_cost_usd", "total_cost_usd", "request_cost_usd", "web_search_cost_usd", "audio_cost_usd",
    "image_cost_usd", "video_cost_usd", "latency", "time_to_first_token",
)  # fmt: skip


def ai_columns(value: bytes) -> dict[str, object]:
    """The columns, but for bookkeeping and those that the event says nothing of. A property that its column cannot hold
    is NULL there and stays in `properties`, a large one as the JSON that was sent. Raises ValueError, as msgspec does,
    for anything else."""
    event = _stored.decode(value)
    properties = object_of(raw_object(event.properties))
    if properties is None:
        raise ValueError("The properties are no object.")
    columns: dict[str, object] = {
        "uuid": str(UUID(event.uuid)),
        "event": event.event,
        "timestamp": event.timestamp,
        "team_id": event.team_id,
        "distinct_id": event.distinct_id,
        "person_id": str(UUID(event.person_id)),
    }
    for name, raw in properties.items():
        if found := _COLUMNS.get(name):
            column, read = found
            columns[column] = read(bytes(raw))
    properties.drop([name for name in LARGE if name in properties])
    return {**columns, "properties": _shown(properties.encoded())}


def is_past(columns: Mapping[str, object], arrived_ms: int, days: int) -> bool:
    """Whether the table would let a row go at once. An import of old events would also touch too many partitions."""
    oldest = datetime.fromtimestamp(arrived_ms / 1000, UTC) - timedelta(days=days)
    return str(columns["timestamp"]) < f"{oldest:%Y-%m-%d}"


def _text(raw: bytes) -> str | None:
    """A string as it is, anything else as its JSON."""
    text = text_of(raw)
    return text if text is not None else _as_sent(raw)


def _trace(raw: bytes) -> str:
    return _text(raw) or ""


def _number(raw: bytes) -> float | None:
    try:
        return number_of(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _count(raw: bytes) -> int | None:
    number = _number(raw)
    whole = int(number) if number is not None else None
    return whole if whole is not None and whole == number and -_LARGEST <= whole < _LARGEST else None


def _is_true(raw: bytes) -> bool:
    return raw.strip() in (b"true", b'"true"')


def _as_sent(raw: bytes) -> str | None:
    return None if is_null(raw) else _shown(raw)


def _shown(raw: bytes) -> str:
    return raw.decode(errors="replace")


# by property: its column, and how that reads it
_COLUMNS: Mapping[str, tuple[str, Callable[[bytes], object]]] = {
    "$ai_trace_id": ("trace_id", _trace),
    "$ai_is_error": ("is_error", _is_true),
    **{f"$ai_{name}": (name, _text) for name in _TEXTS},
    **{f"$ai_{name}": (name, _count) for name in _COUNTS},
    **{f"$ai_{name}": (name, _number) for name in _NUMBERS},
    **{name: (name.removeprefix("$ai_"), _as_sent) for name in LARGE},
}
