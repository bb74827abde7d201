"""ClickHouse's values as PostHog's API writes them: times in ISO 8601 with their zone; the rest as it is."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

Convert = Callable[[Any], Any]


def converted(rows: Sequence[Sequence[Any]], types: Sequence[str], zone: str) -> list[list[Any]]:
    """The rows of a result. Times come in as ClickHouse's `iso` text."""
    converters = [converter(name, zone) for name in types]
    changing = [(i, convert) for i, convert in enumerate(converters) if convert is not None]
    result = [list(row) for row in rows]
    for row in result:
        for i, convert in changing:
            row[i] = convert(row[i])
    return result


@lru_cache(maxsize=512)
def converter(name: str, zone: str) -> Convert | None:
    """What turns values of a type into the API's; None when they are that already."""
    head, inner = _split(name)
    if head in ("DateTime", "DateTime64"):
        own = [argument.strip().strip("'") for argument in inner if argument.strip().startswith("'")]
        return _time(own[0] if own else zone)
    if head in ("Nullable", "LowCardinality"):
        convert = converter(inner[0], zone)
        return _optional(convert) if convert is not None else None
    if head == "Array":
        return _each(converter(inner[0], zone))
    if head == "Tuple":
        return _tuple([converter(_unnamed(argument), zone) for argument in inner])
    if head == "Map":
        return _map(converter(inner[1], zone))
    return None


def _split(name: str) -> tuple[str, list[str]]:
    head, opened, rest = name.strip().partition("(")
    if not opened:
        return head, []
    arguments, depth, quoted, start = [], 0, False, 0
    body = rest[: rest.rfind(")")]
    for i, char in enumerate(body):
        if char == "'":
            quoted = not quoted
        elif not quoted and char in "()":
            depth += 1 if char == "(" else -1
        elif not quoted and char == "," and depth == 0:
            arguments.append(body[start:i])
            start = i + 1
    return head, [*arguments, body[start:]]


def _unnamed(argument: str) -> str:
    words = argument.strip().split(" ", 1)
    return words[1] if len(words) == 2 and "(" not in words[0] else argument


def _time(zone: str) -> Convert:
    where = ZoneInfo(zone)

    def convert(value: Any) -> Any:
        try:
            moment = datetime.fromisoformat(value)
        except (TypeError, ValueError):
            return value
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        text = moment.astimezone(where).isoformat()
        return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text

    return convert


def _optional(convert: Convert) -> Convert:
    return lambda value: None if value is None else convert(value)


def _each(convert: Convert | None) -> Convert | None:
    if convert is None:
        return None
    return lambda value: [convert(item) for item in value] if isinstance(value, list) else value


def _tuple(converters: list[Convert | None]) -> Convert | None:
    if not any(converters):
        return None

    def convert(value: Any) -> Any:
        if isinstance(value, dict):
            changed = zip(value.items(), converters, strict=True)
            return {name: each(item) if each else item for (name, item), each in changed}
        return [each(item) if each else item for item, each in zip(value, converters, strict=True)]

    return convert


def _map(convert: Convert | None) -> Convert | None:
    if convert is None:
        return None
    return lambda value: {key: convert(item) for key, item in value.items()} if isinstance(value, dict) else value
