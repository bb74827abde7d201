"""What was seen of an event, at each place that was looked at -> where it is. Plain functions.

The statuses, in the order of an event's way:

    queued       taken by capture, waits for ingestion
    taken        ingestion has passed it; nothing more is known
    processed    waits for the writer
    written      in ClickHouse
    dropped      goes no further, on purpose; see reason
    dead_letter  nobody could use it; see reason
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Stage = Literal["accepted", "queued", "taken", "processed", "written", "dropped", "dead_letter"]
# What an event is said to be, when several stages were seen: a copy that was dropped does not undo one that is written.
_WEIGHT: tuple[Stage, ...] = ("written", "processed", "queued", "dead_letter", "dropped", "taken")


@dataclass(frozen=True, slots=True)
class Sighting:
    """The event at one stage. at: ISO 8601, UTC. place: topic, partition and offset, for one seen on the log.

    step, reason: who let it go no further, and why.
    """

    stage: Stage
    at: str | None
    place: tuple[str, int, int] | None = None
    step: str | None = None
    reason: str | None = None

    def said(self) -> dict[str, Any]:
        """As JSON."""
        said: dict[str, Any] = {"stage": self.stage, "at": self.at}
        if self.place:
            said |= dict(zip(("topic", "partition", "offset"), self.place, strict=True))
        if self.reason is not None:
            said |= {"step": self.step, "reason": self.reason}
        return said


@dataclass(frozen=True, slots=True)
class Look:
    """One place that was looked at. records: how many, where that is bounded; error: why it could not be."""

    place: str
    records: int | None = None
    reached_end: bool = True
    error: str | None = None

    def said(self) -> dict[str, Any]:
        """As JSON."""
        said: dict[str, Any] = {"place": self.place}
        if self.records is not None:
            said |= {"records": self.records, "reached_end": self.reached_end}
        return said | ({"error": self.error} if self.error else {})


@dataclass(slots=True)
class Story:
    """All that was seen of one event, and where it was looked for. warnings: types of ingestion warnings about it."""

    uuid: str
    sightings: list[Sighting] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def written(self) -> bool:
        return any(seen.stage == "written" for seen in self.sightings)

    @property
    def failed(self) -> bool:
        """Whether some place could not be looked at."""
        return any(look.error for look in self.looks)

    def decisive(self) -> Sighting | None:
        """The sighting that says where the event is."""
        told = [seen for seen in self.sightings if seen.stage in _WEIGHT]
        return min(told, key=lambda seen: _WEIGHT.index(seen.stage), default=None)

    def said(self) -> dict[str, Any] | None:
        """The answer of the API; None when nothing was seen."""
        decisive = self.decisive()
        if decisive is None:
            return None
        return {
            "uuid": self.uuid,
            "status": decisive.stage,
            "step": decisive.step,
            "reason": decisive.reason,
            "stages": [seen.said() for seen in self.sightings],
            "warnings": sorted(set(self.warnings)),
            "looked_at": [look.said() for look in self.looks],
        }


def on_the_way(accepted: Sighting, next_offset: int | None) -> Sequence[Sighting]:
    """An event seen on a topic that ingestion reads, whose position there is `next_offset` (None: it has none yet)."""
    assert accepted.place is not None  # noqa: S101
    waits = next_offset is None or accepted.place[2] >= next_offset
    return [accepted, Sighting("queued" if waits else "taken", None, accepted.place)]
