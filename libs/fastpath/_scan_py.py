"""A capture body, read once: checked as JSON, cut into events, and written as records from slices of it.

`scan` takes a whole body (UTF-8 is checked on the way) and gives a `Batch`, or one of three words:

    not_json        not UTF-8, or not JSON. Nothing else accepts it either.
    lone_surrogate  JSON but for escapes that are half of a UTF-16 pair: mend them and scan again.
    unfit           anything else than plain events: no known shape, a field of a wrong type, two spellings of one
                    field, more events than allowed, nesting over 128 levels, or a form too rare to be read here (two
                    batches in one object, a uuid without hyphens, an offset of over 18 digits).

What is unfit is not therefore wrong: whoever decides slowly decides, and words the refusal. So the promise is one-sided
and simple. Whatever is accepted here, the slow way (services/capture) accepts with the same records; and what SDKs
send is accepted here. The same goes for `Batch.records`, which gives None for events it cannot take.

The grammar is RFC 8259's as orjson and msgspec read it: numbers of any size and precision (`1e400` too: they are
copied, never computed with), the eight short escapes and `\\uXXXX`, no control characters in strings, no byte order
mark, blanks are space, tab, line feed, carriage return. Of a key given twice the last counts, but each must be of the
right type. Keys may be spelled with escapes.

Records keep the sender's bytes. `event`, `timestamp` and `token` in a record's `data` are slices too, so an escape
that could be avoided is still there: equal as JSON to what the slow way prints.
"""

import os
import re
from collections.abc import Callable, Set
from datetime import datetime

from libs.fastpath._scan_walk_py import (
    LONE_SURROGATE,
    MAX_DEPTH,
    NOT_JSON,
    PRESENCES,
    UNFIT,
    VALUES,
    Event,
    NotJson,
    Reader,
    Unfit,
    read,
)
from libs.fastpath._scan_writer_py import (
    SKIP_HEATMAP,
    Block,
    Shared,
    added_to,
    block_of,
    carries_heatmap,
    corrected,
    data_v1,
    distinct_id_of_event,
    moment_at,
    moment_of,
    name_of,
    options_of,
    plain_text,
    record_of,
    rider_of,
    rider_uuid,
    text_of,
    utc_time,
    uuid7,
    uuid_of,
    without_clicks,
)

__all__ = ["LONE_SURROGATE", "MAX_DEPTH", "NOT_JSON", "UNFIT", "Batch", "scan", "scan_v1", "special_at"]


def scan(body: bytes | bytearray, engage: bool, max_events: int) -> "Batch | str":
    """The events of a body, or why there are none (see the module). `engage`: a single event may lack its name and is
    then a `$identify`. The body must not change while the batch lives."""
    return _scan(body, engage, max_events, bearer=False)


def scan_v1(body: bytes | bytearray, max_events: int) -> "Batch | str":
    """The events of a body of the v1 dialect, whose token stands in a header: a batch with `created_at`.

    Its events have to be fit for the old dialect too: what that one would not take is rare in this one.
    """
    return _scan(body, False, max_events, bearer=True)


def _scan(body: bytes | bytearray, engage: bool, max_events: int, *, bearer: bool) -> "Batch | str":
    if type(body) not in (bytes, bytearray):
        raise TypeError("a body is bytes or a bytearray")
    if len(body) >= 0xFFFFFFFF or max_events < 1:
        return UNFIT
    reader = Reader(bytes(body), max_events)
    try:
        reader.text.decode()
        outer = read(reader, engage, bearer)
    except (NotJson, UnicodeDecodeError):
        return NOT_JSON
    except Unfit:
        return UNFIT
    if reader.lone:
        return LONE_SURROGATE
    if reader.misfit or (bearer and not (outer and outer.is_batch)):
        return UNFIT
    return Batch(reader.events, outer.fields if outer and outer.is_batch else None)


#: See `Batch.summary`.
Summary = tuple[int, int, str | None, str | None, bool]


class Batch:
    """Events of one body, in order, none of them printed or built yet.

    count: how many. is_batch: whether they came as PostHog's batch, which alone brings `token`, `sent_at` and
    `historical_migration` for all of them.
    """

    def __init__(self, events: list[Event], batch: dict[str, bytes] | None):
        self._events = events
        self._batch = batch or {}
        self.count = len(events)
        self.is_batch = batch is not None
        self.historical_migration = self._batch.get("historical_migration") == b"true"
        self.capture_internal = self._batch.get("capture_internal") == b"true"

    def __len__(self) -> int:
        return self.count

    @property
    def token(self) -> str | None:
        """The batch's."""
        raw = self._batch.get("token", self._batch.get("api_key"))
        return None if raw is None else text_of(raw)

    @property
    def sent_at(self) -> str | None:
        """The batch's, as it was written."""
        raw = self._batch.get("sent_at", b"null")
        return None if raw == b"null" else text_of(raw)

    @property
    def created_at(self) -> str | None:
        """When a v1 batch was made, as it was written."""
        raw = self._batch.get("created_at", b"null")
        return None if raw == b"null" else text_of(raw)

    def uuids(self) -> list[str]:
        """Those of the events, as they were sent; "" for none."""
        return [text_of(event.fields.get("uuid", b'""')) for event in self._events]

    def tokens(self, leave_out: bytes) -> set[str]:
        """Those that events bring, at their root or else among their properties; not of events of this name."""
        found = (
            event.fields.get("token") or event.known.get("token")
            for event in self._events
            if name_of(event) != leave_out
        )
        return {text_of(raw) for raw in found if raw and raw[:1] == b'"'}

    def summary(self, leave_out: bytes) -> Summary:
        """How many events there are, and how many not of this name; the batch's token, or the one among `tokens` (None
        when there is none, or more than one); `sent_at` and `historical_migration`."""
        kept = sum(name_of(event) != leave_out for event in self._events)
        tokens = [self.token] if self.is_batch else list(self.tokens(leave_out))
        token = tokens[0] if len(tokens) == 1 else None
        return self.count, kept, token, self.sent_at, self.historical_migration

    def fields(self, at: int) -> dict[str, bytes | bool | None]:
        """What is known of one event: values as they were sent, and which properties are there at all."""
        if not 0 <= at < self.count:
            raise IndexError(at)
        event = self._events[at]
        names = (
            "event",
            "token",
            "distinct_id",
            "uuid",
            "timestamp",
            "offset",
            "$set",
            "$set_once",
            "properties",
            "options",
            "session_id",
            "window_id",
        )
        found: dict[str, bytes | bool | None] = {name: event.fields.get(name) for name in names}
        found["event"] = found["event"] or b'"$identify"'
        found |= {f"properties.{name}": event.known.get(name) for name in VALUES}
        return found | {f"properties.{name}": name in event.present for name in PRESENCES}

    def records(
        self,
        leave_out: bytes,
        token: str,
        ip: str,
        internal_ip: str,
        version: bytes,
        now_us: int,
        sent_at_us: int | None,
        max_record_bytes: int,
        distinct_id_of: Callable[[bytes | None, bytes | None], str | None],
        time_of: Callable[[str], datetime | None],
    ) -> Block | None:
        """The records of all events but those named `leave_out`, or None if one cannot be taken.

        They are given as (MessagePack, how many, bytes of keys and values): the records one behind the other, each
        [key, value, [[name, value], ...]], where a key and headers of up to 255 bytes have the short form of bytes and
        the value always has the longest.

        An event cannot be taken without a name or a distinct_id, with a `$cookieless_mode` that is no boolean, or when
        its record would be larger than `max_record_bytes` (key, value, headers). `now_us` is the time of receipt,
        `sent_at_us` the sender's clock then, both in microseconds since 1970. Asked for what is rare: `distinct_id_of`
        an id (JSON values at the root and among the properties) that is not a plain string, `time_of` a timestamp in
        another form than `YYYY-MM-DDTHH:MM:SS[.f]Z`; None means there is none.

        An event with clicks on it, or with how far the page before was scrolled, gives a second record, a `$$heatmap`
        with those properties; the first goes on without the clicks. If the event brought a uuid, that of the heatmap
        follows from it: its time, and the rest as in a UUIDv5 of `$$heatmap` under it.
        """
        now = moment_at(now_us)
        sent_at = None if sent_at_us is None else moment_at(sent_at_us)
        shared = Shared(token, ip, internal_ip, version, now, sent_at, self.historical_migration)
        random = os.urandom(10 * self.count) if any("uuid" not in event.fields for event in self._events) else b""
        made = []
        for at, event in enumerate(self._events):
            if name_of(event) == leave_out:
                continue
            if not name_of(event) or event.known.get("$cookieless_mode", b"false") not in (b"true", b"false"):
                return None
            person = distinct_id_of_event(event, distinct_id_of)
            if person is None:
                return None
            moment = moment_of(event, now, sent_at, time_of)
            uuid = uuid_of(event, now, random[10 * at : 10 * at + 10])
            if not carries_heatmap(event):
                made.append(record_of(event, person, moment, uuid, shared))
                continue
            named = rider_uuid(uuid) if "uuid" in event.fields else uuid7(now, os.urandom(10))
            made.append(record_of(without_clicks(event), person, moment, uuid, shared, SKIP_HEATMAP))
            made.append(record_of(rider_of(event, named), person, moment, named, shared))
        return block_of(made, max_record_bytes)

    def records_v1(
        self,
        token: str,
        ip: str,
        internal_ip: str,
        version: bytes,
        now_us: int,
        sent_at_us: int,
        max_record_bytes: int,
        library: bytes,
        nobody: Set[str],
    ) -> Block | None:
        """The records of all events of a v1 batch, or None if there is more to say of one than that it is taken.

        That is so without a uuid of 36 characters, a name, an id or a time in UTC; with a name or id of over 200 bytes;
        with escapes in the name, the id or the time; with an id with blanks around it or in `nobody` (lower case); with
        options that are no plain booleans (the tour: a plain string); with a field given twice; and when a record would
        be too large.
        What options, `session_id`, `window_id` and `library` (members of an object, as JSON) say goes behind the
        properties, in place of what those say of it.
        """
        now, sent_at = moment_at(now_us), moment_at(sent_at_us)
        shared = Shared(token, ip, internal_ip, version, now, sent_at, self.historical_migration)
        made = []
        for event in self._events:
            person = plain_text(event.fields.get("distinct_id", b"null"))
            options = options_of(event)
            stamp = event.fields.get("timestamp", b'""')
            given = None if b"\\" in stamp else utc_time(text_of(stamp))
            if event.repeats or "$distinct_id" in event.spellings or "uuid" not in event.fields:
                return None
            name = plain_text(event.fields["event"])
            if not name or name == "$performance_event" or not person or options is None or given is None:
                return None
            if not (" " < person[0] < "\x80" and " " < person[-1] < "\x80") or person.lower() in nobody:
                return None
            moment = given if options.get("$ignore_sent_at") == b"true" else corrected(given, sent_at, now)
            uuid = text_of(event.fields["uuid"]).lower()
            made.append(record_of(added_to(event, options, library), person, moment, uuid, shared, data=data_v1))
        return block_of(made, max_record_bytes)


def special_at(text: bytes, start: int, portable: bool) -> int:
    """For tests: the first byte from `start` that a string cannot simply contain."""
    del portable
    if not 0 <= start <= len(text):
        raise IndexError(start)
    match = re.compile(rb'["\\\x00-\x1f\x80-\xff]').search(text, start)
    return match.start() if match else len(text)
