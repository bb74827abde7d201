"""Records as capture puts them on the log, for tests of what comes behind it."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from libs.kit.eventlog import NewRecord, Record

ARRIVED_MS = 1_790_000_000_000


def captured_value(
    *,
    event: str = "page viewed",
    distinct_id: str = "u1",
    token: str = "phc_one",
    uuid_: str | None = None,
    timestamp: str = "2026-11-05T10:11:12.345Z",
    properties: Mapping[str, Any] | str | None = None,
    as_string: bool = False,
    **more: Any,
) -> bytes:
    """The value of a record. `properties` may be raw JSON text; `more` are outer fields, or `data_` ones."""
    raw = properties if isinstance(properties, str) else json.dumps(properties or {})
    inner = {name.removeprefix("data_"): value for name, value in more.items() if name.startswith("data_")}
    extra = "".join(f",{json.dumps(name)}:{json.dumps(value)}" for name, value in inner.items())
    data = f'{{"event":{json.dumps(event)},"properties":{raw}{extra}}}'
    outer = {
        "uuid": str(uuid.uuid4()) if uuid_ is None else uuid_,
        "distinct_id": distinct_id,
        "ip": "203.0.113.7",
        "now": "2026-11-05T10:11:13Z",
        "token": token,
        "event": event,
        "timestamp": timestamp,
        **{name: value for name, value in more.items() if not name.startswith("data_")},
    }
    return (json.dumps(outer)[:-1] + ',"data":' + (json.dumps(data) if as_string else data) + "}").encode()


def captured_record(
    offset: int = 0, *, partition: int = 0, headers: Mapping[str, bytes] | None = None, **more: Any
) -> Record:
    """A record read from events_plugin_ingestion."""
    value = captured_value(**more)
    return raw_record(value, offset=offset, partition=partition, headers=headers)


def raw_record(
    value: bytes, *, offset: int = 0, partition: int = 0, headers: Mapping[str, bytes] | None = None
) -> Record:
    """A record of any bytes."""
    return Record(
        "events_plugin_ingestion", partition, offset, b"phc_one:u1", value, tuple((headers or {}).items()), ARRIVED_MS
    )


def captured_new(**more: Any) -> NewRecord:
    """A record to produce, keyed as capture keys it."""
    token, distinct_id = more.get("token", "phc_one"), more.get("distinct_id", "u1")
    return NewRecord(f"{token}:{distinct_id}".encode(), captured_value(**more), (("v", b"1"),))
