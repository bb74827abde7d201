"""Rules about one project's events: PostHog's restrictions (JSON in Redis), and the token lists of the settings.

Capture applies them to what comes in, ingestion to what is in the log already. No I/O.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from libs.kit.contracts.topics import CAPTURED

Kind = Literal["drop", "dlq", "topic", "overflow", "personless"]

KEY_PREFIX = "event_ingestion_restriction_dynamic_config:"
# PostHog's name -> what it does, and the reason that is counted
KINDS: Mapping[str, tuple[Kind, str]] = {
    "drop_event_from_ingestion": ("drop", "event_restriction_drop"),
    "redirect_to_dlq": ("dlq", "redirect_to_dlq"),
    "redirect_to_topic": ("topic", "redirect_to_topic"),
    "force_overflow_from_ingestion": ("overflow", "overflow_restriction"),
    "skip_person_processing": ("personless", "skip_person_processing"),
}
# What an entry may be about: PostHog's pipelines, without that of recordings.
PIPELINES = ("analytics", "ai", "errortracking")
# of no project's own making: what they tell must come through
EXEMPT = frozenset({b"$$heatmap", b"$$client_ingestion_warning"})
_TOPICS = frozenset(topic.name for topic in CAPTURED)


@dataclass(frozen=True, slots=True)
class Restriction:
    """One rule. An event must be of one of the pipelines, and match each filter that is not empty; `listed` rules spare
    no event."""

    kind: Kind
    reason: str
    distinct_ids: frozenset[bytes] = frozenset()
    session_ids: frozenset[bytes] = frozenset()
    event_names: frozenset[bytes] = frozenset()
    event_uuids: frozenset[bytes] = frozenset()
    topic: str = ""
    listed: bool = False
    pipelines: frozenset[str] = frozenset(PIPELINES)

    def applies(self, headers: Mapping[str, bytes]) -> bool:
        """Whether it is about the event with these record headers."""
        if not self.listed and (headers["event"] in EXEMPT or pipeline_of(headers["event"]) not in self.pipelines):
            return False
        return (
            (not self.distinct_ids or headers["distinct_id"] in self.distinct_ids)
            and (not self.event_names or headers["event"] in self.event_names)
            and (not self.event_uuids or headers["uuid"] in self.event_uuids)
            and (not self.session_ids or headers.get("session_id", b"") in self.session_ids)
        )


Restrictions = Mapping[bytes, tuple[Restriction, ...]]


def applying(rules: Sequence[Restriction], headers: Mapping[str, bytes]) -> dict[Kind, Restriction]:
    """Of each kind the first rule that is about the event with these record headers."""
    found: dict[Kind, Restriction] = {}
    for rule in rules:
        if rule.applies(headers):
            found.setdefault(rule.kind, rule)
    return found


class Arguments(msgspec.Struct):
    """What a restriction needs beside its filters."""

    topic: str | None = None


class Entry(msgspec.Struct):
    """A restriction as PostHog's admin writes it: filters as lists (version 2), or one value each (before).

    Without pipelines it is about all of them. Of two topics that of the higher index counts. `topic` stands for
    `args.topic` in entries that our releases wrote before they had it.
    """

    token: str
    pipelines: list[str] | None = None
    distinct_ids: list[str] = []
    session_ids: list[str] = []
    event_names: list[str] = []
    event_uuids: list[str] = []
    distinct_id: str | None = None
    session_id: str | None = None
    event_name: str | None = None
    event_uuid: str | None = None
    topic: str | None = None
    args: Arguments | None = None
    index: int | None = None


_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode = msgspec.json.Decoder(Entry).decode


def restrictions_in(name: str, text: bytes) -> tuple[dict[bytes, list[Restriction]], list[str]]:
    """Per token the rules of PostHog's type `name`, and what is wrong with the entries that are left out: a slip in one
    must not undo the others."""
    found: dict[bytes, list[Restriction]] = {}
    wrong: list[str] = []
    try:
        entries = _decode_list(text)
    except msgspec.MsgspecError as exc:
        return found, [f"{name}: {exc}"]
    understood: list[tuple[tuple[int, int], str, Restriction]] = []
    for at, raw in enumerate(entries):
        try:
            entry = _decode(raw)
            understood.append(((entry.index or 0, at), entry.token, _rule(name, entry)))
        except ValueError as exc:  # msgspec's are ValueErrors
            wrong.append(f"{name}: {exc}")
    for _, token, rule in sorted(understood, key=lambda one: one[0], reverse=True):  # the first that applies is taken
        if rule.pipelines:
            found.setdefault(token.encode(), []).append(rule)
    return found, wrong


def pipeline_of(event: bytes) -> str:
    """Whose rules an event falls under, by its name."""
    if event == b"$exception":
        return "errortracking"
    return "ai" if event.startswith(b"$ai_") else "analytics"


def _rule(name: str, entry: Entry) -> Restriction:
    kind, reason = KINDS[name]
    topic = (entry.args.topic if entry.args else None) or entry.topic or ""
    if kind == "topic" and topic not in _TOPICS:
        raise ValueError(f"topic {topic!r} is none of {', '.join(sorted(_TOPICS))}")
    return Restriction(
        kind,
        reason,
        _names(entry.distinct_ids, entry.distinct_id),
        _names(entry.session_ids, entry.session_id),
        _names(entry.event_names, entry.event_name),
        _names([uuid.lower() for uuid in entry.event_uuids], (entry.event_uuid or "").lower()),
        topic,
        pipelines=frozenset(PIPELINES).intersection(entry.pipelines or PIPELINES),
    )


def listed(text: str, kind: Kind, reason: str) -> dict[bytes, list[Restriction]]:
    """Rules of a token list: `token:id,id;token:*;token`, without ids for all of a project's events."""
    found: dict[bytes, list[Restriction]] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        token, _, ids = part.partition(":")
        names = frozenset() if ids.strip() in ("", "*") else _names(ids.split(","))
        found.setdefault(token.strip().encode(), []).append(Restriction(kind, reason, names, listed=True))
    return found


def together(*parts: Mapping[bytes, Sequence[Restriction]]) -> Restrictions:
    """All rules per token, in this order."""
    tokens = {token for part in parts for token in part}
    return {token: tuple(rule for part in parts for rule in part.get(token, ())) for token in tokens}


def _names(values: list[str], one: str | None = None) -> frozenset[bytes]:
    return frozenset(value.strip().encode() for value in (*values, one or "") if value.strip())
