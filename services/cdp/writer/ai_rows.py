"""A record of clickhouse_ai_events_json -> the columns of a row of `ai_events`. No I/O, no clock."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from libs.kit.contracts.ai_events import LARGE
from libs.kit.contracts.events import StoredEvent, raw_object
from services.cdp.raw_json import Properties, is_null, number_of, object_of, text_of

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
    """The columns, but for bookkeeping. A property that its column cannot hold is NULL there and stays in
    `properties`, a large one as the JSON that was sent. Raises ValueError, as msgspec does, for anything else."""
    event = _stored.decode(value)
    properties = object_of(raw_object(event.properties))
    if properties is None:
        raise ValueError("The properties are no object.")
    rest = properties.copy()
    rest.drop([name for name in LARGE if name in rest])
    return {
        "uuid": str(UUID(event.uuid)),
        "event": event.event,
        "timestamp": event.timestamp,
        "team_id": event.team_id,
        "distinct_id": event.distinct_id,
        "person_id": str(UUID(event.person_id)),
        "properties": _shown(rest.encoded()),
        "trace_id": _text(properties, "trace_id") or "",
        **{name: _text(properties, name) for name in _TEXTS},
        **{name: _count(properties, name) for name in _COUNTS},
        **{name: _number(properties, name) for name in _NUMBERS},
        "is_error": (properties.raw("$ai_is_error") or b"").strip() in (b"true", b'"true"'),
        **{name.removeprefix("$ai_"): _as_sent(properties, name) for name in LARGE},
    }


def is_past(columns: Mapping[str, object], arrived_ms: int, days: int) -> bool:
    """Whether the table would let a row go at once. An import of old events would also touch too many partitions."""
    oldest = datetime.fromtimestamp(arrived_ms / 1000, UTC) - timedelta(days=days)
    return str(columns["timestamp"]) < f"{oldest:%Y-%m-%d}"


def _text(properties: Properties, name: str) -> str | None:
    """A string as it is, anything else as its JSON."""
    raw = properties.raw(f"$ai_{name}")
    if raw is None or is_null(raw):
        return None
    text = text_of(raw)
    return text if text is not None else _shown(raw)


def _number(properties: Properties, name: str) -> float | None:
    try:
        return number_of(properties.raw(f"$ai_{name}"))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _count(properties: Properties, name: str) -> int | None:
    number = _number(properties, name)
    whole = int(number) if number is not None else None
    return whole if whole is not None and whole == number and -_LARGEST <= whole < _LARGEST else None


def _as_sent(properties: Properties, name: str) -> str | None:
    raw = properties.raw(name)
    return None if raw is None or is_null(raw) else _shown(raw)


def _shown(raw: bytes) -> str:
    return raw.decode(errors="replace")
