"""What is done to an event before it meets persons: a list of steps, in the order of PostHog's own pipeline. No I/O.

Each step looks at one event and may change its properties, take something out of it, warn, or drop it. What a step must
know beforehand (`Around`) is fetched for the whole batch by `surroundings.py`.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import NamedTuple
from uuid import UUID

import msgspec

from libs.fastpath import Shape
from libs.kit.contracts.ai_events import NAMES as AI_EVENTS
from libs.kit.eventlog import NewRecord
from libs.kit.teams import Team
from services.cdp.ingestion import ai, cookieless, exceptions, heatmaps
from services.cdp.ingestion.bots import AGENT, is_bot
from services.cdp.ingestion.cookieless import Identity
from services.cdp.ingestion.geoip import Place
from services.cdp.ingestion.issues import IssueKey, Sighting
from services.cdp.ingestion.parse import MAX_DISTINCT_ID, Incoming, Rejected, changed
from services.cdp.ingestion.rows import clickhouse_time
from services.cdp.ingestion.schemas import violations
from services.cdp.ingestion.warnings import Warned
from services.cdp.raw_json import Properties, encode, nothing, object_of, text_of

STEP = "prepare"
_BROWSER_TYPE = "$browser_type"
# What a sender cannot break off with: values that no step can read stay as they were sent.
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Around:
    """What steps must know. identities: of cookieless events, by the place of their record. cookieless: whether such
    events are taken at all."""

    now: datetime
    place: Callable[[str], Place | None] | None = None
    identities: Mapping[cookieless.Place, Identity | cookieless.Refused] = field(default_factory=dict)
    issues: Mapping[IssueKey, UUID] = field(default_factory=dict)
    prices: ai.Prices = field(default_factory=lambda: ai.Prices({}))
    cookieless: bool = True


@dataclass(slots=True)
class Prepared:
    """What becomes of a batch before it is planned. events: those that go on, in order. points: of heatmaps. dropped:
    team, uuid and reason of each event that goes no further. would_go: by team, how many a filter on trial matches."""

    events: list[Incoming | Rejected] = field(default_factory=list)
    points: list[NewRecord] = field(default_factory=list)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    warned: list[Warned] = field(default_factory=list)
    dropped: list[tuple[int, str, str]] = field(default_factory=list)
    would_go: Counter[int] = field(default_factory=Counter)


class Draft:
    """One event on its way through the steps. `properties` are its own copy as soon as `edit` was called."""

    __slots__ = ("distinct_id", "edited", "event", "ip", "left", "points", "properties", "team", "warned", "would_go")

    def __init__(self, event: Incoming, team: Team):
        self.event, self.team = event, team
        self.distinct_id, self.ip = event.distinct_id, event.ip
        self.properties: Properties = event.properties
        self.edited = self.would_go = False
        self.left: tuple[str, str] | None = None
        self.points: Sequence[NewRecord] = ()
        self.warned: Sequence[Warned] = ()

    def edit(self) -> Properties:
        """The properties, to be changed."""
        if not self.edited:
            self.properties = self.properties.copy()
            self.edited = True
        return self.properties

    def drop(self, reason: str, *, warned: bool = False, result: str = "dropped") -> None:
        """The event goes no further. The reason is PostHog's word for it."""
        self.left = (result, reason)
        if warned:
            self.warn(reason)

    def warn(self, kind: str, **details: object) -> None:
        """Tell the project."""
        event = self.event
        about = {"eventUuid": event.uuid, "event": event.event[:200], "distinctId": event.distinct_id[:MAX_DISTINCT_ID]}
        warned = Warned(self.team.id, kind, STEP, event.distinct_id[:MAX_DISTINCT_ID], {**about, **details})
        self.warned = (*self.warned, warned)

    def happened(self, now: datetime) -> datetime:
        """The event's time, as its row has it."""
        return self.event.timestamp or now


def prepared(events: Sequence[Incoming | Rejected], teams: Mapping[str, Team], around: Around) -> Prepared:
    """Run the steps. Events of no team, and those that are no events, go on as they are: they are dealt with later."""
    done = Prepared()
    kept = done.events
    token, team, decisions = None, None, _WAYS[False, False]
    usual = decisions[""]
    for one in events:
        if not isinstance(one, Incoming):
            kept.append(one)
            continue
        event = one
        if event.token is not token:
            token, team = event.token, teams.get(event.token)
            decisions = _WAYS[team is not None and team.refuses_events, around.place is not None]
            usual = decisions[""]
        if team is None or len(event.distinct_id) > MAX_DISTINCT_ID:
            kept.append(event)
            continue
        way = event.properties.shape.decision(decisions.get(event.event, usual))
        if way.is_short and (not way.looks_for_bots or event.agent is None or not is_bot(event.agent)):
            kept.append(event)
            continue
        draft = Draft(event, team)
        for step in way.steps:
            try:
                step.run(draft, around)
            except _UNREADABLE:
                continue
            if draft.left:
                done.outcomes[draft.left] += 1
                if draft.left[0] == "dropped":
                    done.dropped.append((team.id, event.uuid, draft.left[1]))
                break
        else:
            kept.append(_finished(draft))
        if draft.would_go:
            done.would_go[team.id] += 1
        done.points += draft.points
        done.warned += draft.warned
    return done


def sightings(
    events: Sequence[Incoming | Rejected], teams: Mapping[str, Team], fresh_from: Mapping[int, int], now: datetime
) -> dict[IssueKey, Sighting]:
    """The kinds of exceptions in a batch, each as it comes first."""
    seen: dict[IssueKey, Sighting] = {}
    for one in events:
        if not isinstance(one, Incoming):
            continue
        event = one
        if event.event != exceptions.EVENT:
            continue
        if (team := teams.get(event.token)) is None:
            continue
        found = _exceptional(event.properties)
        if found is None or found.fingerprint is None:
            continue
        key = (team.id, found.fingerprint)
        fresh = event.offset >= fresh_from.get(event.partition, 0)
        before = seen.get(key)
        if before is None or (fresh and not before.fresh):
            seen[key] = Sighting(event.timestamp or now, found.name, found.description, fresh)
    return seen


def cookieless_asked(events: Sequence[Incoming | Rejected]) -> list[Incoming]:
    """Those that may ask to be known without cookies: they say something of it."""
    found = []
    for one in events:
        if isinstance(one, Incoming):
            event = one
            if event.properties.shape.decision(_names_cookieless):
                found.append(event)
    return found


def _names_cookieless(shape: Shape) -> bool:
    return cookieless.MODE in shape.names


def _finished(draft: Draft) -> Incoming:
    if not draft.edited:
        return draft.event
    return changed(draft.event, distinct_id=draft.distinct_id, properties=draft.properties, ip=draft.ip)


# --- the steps


def _too_old(draft: Draft, _: Around) -> None:
    limit, event = draft.team.drop_events_older_than_seconds, draft.event
    if limit and event.now and event.timestamp and (event.now - event.timestamp).total_seconds() > limit:
        draft.drop("event_dropped_too_old", warned=True)


def _schema(draft: Draft, _: Around) -> None:
    required = draft.team.required.get(draft.event.event)
    if required and (wrong := violations(draft.properties, required)):
        draft.drop("schema_validation_failed")
        draft.warn("schema_validation_failed", eventName=draft.event.event[:200], errors=wrong)


def _filtered(draft: Draft, _: Around) -> None:
    found = draft.team.event_filter
    if found is not None and found.matches(draft.event.event, draft.event.distinct_id):
        if found.live:
            draft.drop("event_filter")
        else:
            draft.would_go = True


def _cookieless(draft: Draft, around: Around) -> None:
    if cookieless.MODE not in draft.properties or not cookieless.is_cookieless(draft.properties):
        return
    if not around.cookieless:
        draft.drop("cookieless_globally_disabled")
        return
    identity = around.identities[cookieless.place_of(draft.event.record)]
    if isinstance(identity, cookieless.Refused):
        draft.drop(identity.reason, warned=identity.warned)
        return
    stateful = draft.team.cookieless_server_hash_mode == cookieless.STATEFUL
    draft.distinct_id, draft.properties = cookieless.identified(draft.event, identity, stateful=stateful)
    # without an address: the row must not get back what was taken away
    draft.ip, draft.edited = "", True


def _heatmap_lane(draft: Draft, around: Around) -> None:
    _take_points(draft, around)
    if not draft.left:
        draft.drop("heatmap", result="ok")


def _survey(draft: Draft, around: Around) -> None:
    """Somebody has seen a survey: flags and surveys ask when that was last."""
    latest = _object(draft.properties, "$set")
    if "$survey_last_seen_date" not in latest:
        moment = draft.happened(around.now).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        latest["$survey_last_seen_date"] = encode(moment)
        draft.edit()["$set"] = encode(latest)


def _bot(draft: Draft, _: Around) -> None:
    """posthog-js says so itself where it is told to let bots through; a server that sends does not."""
    agent = draft.properties.raw(AGENT)
    if agent is not None and _BROWSER_TYPE not in draft.properties and is_bot(agent):
        draft.edit()[_BROWSER_TYPE] = encode("bot")


def _geoip(draft: Draft, around: Around) -> None:
    if around.place is None:
        return
    disabled = draft.properties.get("$geoip_disable")
    if disabled is not None and bytes(disabled).strip() not in (b"false", b"null", b"0", b'""'):
        return
    said = draft.properties.get("$ip")
    place = around.place((text_of(said) or "") if said is not None else draft.ip)
    if place is None:
        return
    properties = draft.edit()
    properties.update(place.event)
    for name, more in (("$set", place.latest), ("$set_once", place.first)):
        properties[name] = more.over(properties.get(name))


def _ai(draft: Draft, around: Around) -> None:
    for kind in ai.with_ai(draft.event.event, draft.edit(), around.prices):
        draft.warn(kind)


def _exception(draft: Draft, around: Around) -> None:
    found = exceptions.exceptional(draft.properties)
    if found.errors:
        draft.warn("error_tracking_exception_processing_errors")
    issue = around.issues.get((draft.team.id, found.fingerprint)) if found.fingerprint else None
    exceptions.described(draft.edit(), found, str(issue) if issue else None)


def _points(draft: Draft, around: Around) -> None:
    if heatmaps.has_points(draft.properties) and ("skip_heatmap_processing", b"true") not in draft.event.record.headers:
        _take_points(draft, around)


class Step(NamedTuple):
    """One of the steps, and which events it may have something to do with. events: their names, None for all. names:
    properties of which they must have one; None for any event. but: one that they must not have."""

    run: Callable[[Draft, Around], None]
    events: frozenset[str] | None = None
    names: frozenset[str] | None = None
    but: str | None = None


# In order. A step that brings in what a later one looks for must not say `names` there, nor `but` for what it removes.
STEPS = (
    Step(_schema),
    Step(_too_old),
    Step(_filtered),
    Step(_cookieless, names=frozenset({cookieless.MODE})),
    Step(_heatmap_lane, frozenset({heatmaps.EVENT})),
    Step(_survey, frozenset({"survey shown"})),
    Step(_bot, names=frozenset({AGENT}), but=_BROWSER_TYPE),
    Step(_geoip),
    Step(_ai, AI_EVENTS),
    Step(_exception, frozenset({exceptions.EVENT})),
    Step(_points, names=heatmaps.WITH_POINTS),
)
# Steps for projects that refuse some of their events.
_REFUSING = (_schema, _too_old, _filtered)
WITH_STEPS = frozenset().union(*(step.events for step in STEPS if step.events))


class Way:
    """The steps that events of one shape meet. is_short: there is none, or only the one that `looks_for_bots`."""

    __slots__ = ("is_short", "looks_for_bots", "steps")

    def __init__(self, steps: tuple[Step, ...]):
        self.steps = steps
        self.looks_for_bots = any(step.run is _bot for step in steps)
        self.is_short = len(steps) == self.looks_for_bots


def _way(shape: Shape, *, kind: str, strict: bool, places: bool) -> Way:
    """kind: the event's name, where a step is for it. strict: the team refuses some events. places: addresses have
    places."""
    idle = {*(() if strict else _REFUSING), *(() if places else (_geoip,))}
    return Way(
        tuple(
            step
            for step in STEPS
            if step.run not in idle
            and (step.events is None or kind in step.events)
            and (step.names is None or not step.names.isdisjoint(shape.names))
            and step.but not in shape.names
        )
    )


# by strict and places; then by the event's name, "" for those that have no step of their own
_WAYS = {
    (strict, places): {kind: partial(_way, kind=kind, strict=strict, places=places) for kind in ("", *WITH_STEPS)}
    for strict in (False, True)
    for places in (False, True)
}


def _take_points(draft: Draft, around: Around) -> None:
    if draft.team.heatmaps_opt_in is False:
        return
    event = draft.event
    made = heatmaps.points_of(
        draft.properties,
        uuid=event.uuid,
        team_id=draft.team.id,
        distinct_id=draft.distinct_id,
        timestamp=clickhouse_time(draft.happened(around.now)),
    )
    if heatmaps.DATA in draft.properties:
        del draft.edit()[heatmaps.DATA]
    for kind in made.warnings:
        draft.warn(kind)
    if made.dropped:
        draft.drop(made.dropped)
    draft.points = [NewRecord(event.uuid.encode(), msgspec.json.encode(point)) for point in made.points]


def _object(properties: Properties, name: str) -> Properties:
    """A member that is an object, to be changed; an empty one in place of anything else."""
    found = object_of(properties.get(name))
    return found if found is not None else nothing()


def _exceptional(properties: Properties) -> exceptions.Exceptional | None:
    try:
        return exceptions.exceptional(properties)
    except _UNREADABLE:
        return None
