"""Records that nobody can use go to their own topic, with the reason; they never stop their neighbours.

Once what refused them is mended they can be replayed: sent again to the topic they came from, as they were.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from libs.kit.contracts.arrival import with_arrival
from libs.kit.contracts.dead_letters import NAMES, why
from libs.kit.contracts.topics import ALL, DEAD_LETTERS, EVENTS
from libs.kit.eventlog import EventLog, NewRecord, Record

_TOPICS = frozenset(topic.name for topic in ALL)
_READ_AT_ONCE = 500
_FETCH_SECONDS = 1.0


def dead_letter(record: Record, reason: str, step: str, now: datetime) -> NewRecord:
    """The original record with headers dlq_reason, dlq_step, dlq_timestamp, dlq_topic."""
    return NewRecord(record.key, record.value, (*original_headers(record), *why(reason, step, record.topic, now)))


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter as an operator sees it. topic: where the record came from."""

    record: Record
    reason: str
    step: str
    at: datetime | None
    topic: str

    @property
    def original(self) -> NewRecord:
        """The record as it was, for sending it again: that it died late, or is sent twice, makes no new event of it."""
        headers = with_arrival(original_headers(self.record), self.record.timestamp_ms)
        return NewRecord(self.record.key, self.record.value, headers)


def original_headers(record: Record) -> tuple[tuple[str, bytes], ...]:
    """Without those of an earlier death."""
    return tuple((name, value) for name, value in record.headers if name not in NAMES)


def read(record: Record) -> DeadLetter:
    """Whatever it holds, it can be shown. One of a release that did not note the topic came from capture's."""
    said = {name: value.decode(errors="replace") for name, value in record.headers}
    topic = said.get("dlq_topic", EVENTS.name)
    return DeadLetter(
        record,
        said.get("dlq_reason", ""),
        said.get("dlq_step", ""),
        _time(said),
        topic if topic in _TOPICS and topic != DEAD_LETTERS.name else EVENTS.name,
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which dead letters. None: any."""

    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __call__(self, letter: DeadLetter) -> bool:
        """Whether this is one of them. One that does not say when it died is as old as can be."""
        if self.reason is not None and letter.reason != self.reason:
            return False
        if self.since is not None and (letter.at is None or letter.at < self.since):
            return False
        return self.until is None or letter.at is None or letter.at < self.until


async def newest(log: EventLog, last: int, wanted: Wanted) -> AsyncIterator[DeadLetter]:
    """Of the last `last` dead letters of each partition those that are wanted, oldest first in each."""
    async with log.tail(DEAD_LETTERS.name, last=last) as tail:
        while not tail.caught_up:
            for record in await tail.fetch(max_records=_READ_AT_ONCE, timeout=_FETCH_SECONDS):
                letter = read(record)
                if wanted(letter):
                    yield letter


async def replay(log: EventLog, letters: Iterable[DeadLetter]) -> int:
    """Send them again to where they came from; how many. Events that were stored meanwhile are stored once."""
    by_topic: dict[str, list[DeadLetter]] = {}
    for letter in letters:
        by_topic.setdefault(letter.topic, []).append(letter)
    sent = 0
    for topic, group in by_topic.items():
        for start in range(0, len(group), _READ_AT_ONCE):
            piece = group[start : start + _READ_AT_ONCE]
            await log.produce(topic, [letter.original for letter in piece])
            sent += len(piece)
    return sent


def _time(said: Mapping[str, str]) -> datetime | None:
    try:
        at = datetime.fromisoformat(said.get("dlq_timestamp", ""))
    except ValueError:
        return None
    return at if at.tzinfo is not None else None
