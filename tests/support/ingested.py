"""Ingestion without its engines: what comes of events, one batch after the other, in memory."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from libs.kit.contracts.topics import DISTINCT_IDS, PERSONS
from libs.kit.eventlog import Record
from libs.kit.teams import Team
from services.cdp.ingestion import cookieless
from services.cdp.ingestion.cookieless import Identity, Refused
from services.cdp.ingestion.geoip import Place
from services.cdp.ingestion.needs import needs
from services.cdp.ingestion.plan import Known, Plan, parsed, plan
from services.cdp.ingestion.prepare import Around, Prepared, prepared
from services.cdp.ingestion.team_lists import Listed
from tests.support.captured import captured_record
from tests.support.people_store import MemoryStore

NOW = datetime(2026, 11, 5, 10, 12, tzinfo=UTC)


@dataclass
class Ingested:
    """Everything that has come of the events so far, newest last."""

    team: Team = field(default_factory=lambda: Team(1, "phc_one"))
    places: Mapping[str, Place] = field(default_factory=dict)
    identities: Mapping[cookieless.Place, Identity | Refused] = field(default_factory=dict)
    issues: Mapping[tuple[int, str], UUID] = field(default_factory=dict)
    listed: Listed = field(default_factory=Listed)
    store: MemoryStore = field(default_factory=MemoryStore)
    rows: list[dict[str, Any]] = field(default_factory=list)
    points: list[dict[str, Any]] = field(default_factory=list)
    warned: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    outcomes: list[tuple[str, str]] = field(default_factory=list)
    would_go: Counter[int] = field(default_factory=Counter)
    dropped: list[tuple[int, str, str]] = field(default_factory=list)
    told_persons: list[dict[str, Any]] = field(default_factory=list)
    told_links: list[dict[str, Any]] = field(default_factory=list)
    plan: Plan = field(default_factory=Plan)
    _offset: int = 0

    def event(self, event: str = "a", distinct_id: str = "u", **more: Any) -> dict[str, Any] | None:
        """Ingest one event, in a batch of its own; its row, or None when it has none."""
        before = len(self.rows)
        self.take(captured_record(self._offset, event=event, distinct_id=distinct_id, **more))
        return self.rows[-1] if len(self.rows) > before else None

    def take(self, record: Record) -> None:
        """Ingest a record."""
        self._offset += 1
        teams = {self.team.api_token: self.team}
        events = parsed([record])
        ready: Prepared = prepared(events, teams, Around(NOW, self.places.get, self.identities, self.issues))
        asked = needs(ready.events, teams, {})
        people, groups = self.store.load(asked)
        self.would_go.update(ready.would_go)
        self.dropped += ready.dropped
        self.plan = plan(ready.events, Known(teams, people, groups, listed=self.listed), {}, set(), NOW)
        self.dropped += self.plan.dropped
        self.store.apply(self.plan.writes)
        self.rows += [json.loads(row.value) for row in self.plan.rows]
        self.points += [json.loads(point.value) for point in ready.points]
        self.warned += [(one.type, one.details) for one in [*ready.warned, *self.plan.warned]]
        self.outcomes += [*ready.outcomes, *self.plan.outcomes]
        self.told_persons += [json.loads(one.value) for one in self.plan.updates[PERSONS.name]]
        self.told_links += [json.loads(one.value) for one in self.plan.updates[DISTINCT_IDS.name]]

    @property
    def warnings(self) -> list[str]:
        """Types only."""
        return [kind for kind, _ in self.warned]

    def person(self, distinct_id: str = "u") -> dict[str, Any] | None:
        """The properties of somebody's person."""
        owner = self.store.owner(self.team.id, distinct_id)
        found = self.store.persons.get((self.team.id, owner.int)) if owner else None
        return None if found is None else {name: json.loads(bytes(raw)) for name, raw in found.properties.items()}

    def link(self, distinct_id: str) -> tuple[UUID, int]:
        """Whose a distinct id is, under which version."""
        link = self.store.links[self.team.id, distinct_id]
        return link.person, link.version
