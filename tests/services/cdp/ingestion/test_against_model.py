"""Random histories of a few people, in random batches with crashes, against a slow and obvious model."""

import json
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from libs.kit.contracts.topics import DISTINCT_IDS, PERSONS
from libs.kit.eventlog import NewRecord, Record
from libs.kit.teams import Team
from services.cdp.ingestion.definitions import Catalogue
from services.cdp.ingestion.needs import needs
from services.cdp.ingestion.plan import Known, Plan, parsed, plan
from tests.services.cdp.ingestion.persons_model import Model, Outcome, Said
from tests.support.captured import captured_record
from tests.support.people_store import MemoryStore
from tests.support.scale import scaled

START = datetime(2026, 11, 5, 10, tzinfo=UTC)
TEAMS = {"phc_one": Team(1, "phc_one")}

IDS = st.sampled_from(["a", "b", "c", "d"])
VALUES = st.sampled_from([0, 1, None])
OBJECTS = st.dictionaries(st.sampled_from(["x", "y", "$browser"]), VALUES, max_size=2)
EVENTS = st.sampled_from(["seen", "seen", "$identify", "$identify", "$create_alias", "$merge_dangerously", "$set"])
SAID = st.builds(
    Said,
    event=EVENTS | st.just("$exception"),
    distinct_id=IDS,
    at=st.integers(0, 200),
    set=OBJECTS,
    set_once=OBJECTS,
    unset=st.lists(st.sampled_from(["x", "y"]), max_size=1).map(tuple),
    other=IDS | IDS | st.sampled_from([None, "null", "undefined"]),
    personless=st.sampled_from([False, False, True]),
)
BATCHES = st.lists(st.tuples(st.lists(SAID, min_size=1, max_size=6), st.booleans()), min_size=1, max_size=8)


def record(said: Said, offset: int) -> Record:
    """The event as capture would put it on the log."""
    properties: dict[str, Any] = {"$unset": list(said.unset)} if said.unset else {}
    if said.set:
        properties["$set"] = said.set
    if said.set_once:
        properties["$set_once"] = said.set_once
    if said.personless:
        properties["$process_person_profile"] = False
    if said.other is not None:
        properties["$anon_distinct_id" if said.event == "$identify" else "alias"] = said.other
    return captured_record(
        offset,
        uuid_=str(uuid.UUID(int=offset)),
        event=said.event,
        distinct_id=said.distinct_id,
        timestamp=(START + timedelta(seconds=said.at)).isoformat(),
        properties=properties,
    )


class Downstream:
    """ClickHouse: of each key the highest version; of each event the first row."""

    def __init__(self) -> None:
        self.persons: dict[str, dict[str, Any]] = {}
        self.ids: dict[str, dict[str, Any]] = {}
        self.rows: dict[str, dict[str, Any]] = {}

    def take(self, done: Plan) -> None:
        _newest(self.persons, "id", done.updates[PERSONS.name])
        _newest(self.ids, "distinct_id", done.updates[DISTINCT_IDS.name])
        for each in done.rows:
            row = json.loads(each.value)
            self.rows.setdefault(row["uuid"], row)

    def resolved(self, row: dict[str, Any]) -> str:
        """The person that a query sees: overrides hold what has a version above 0."""
        override = self.ids.get(row["distinct_id"])
        return str(override["person_id"] if override and override["version"] > 0 else row["person_id"])


def _newest(table: dict[str, dict[str, Any]], key: str, records: Iterable[NewRecord]) -> None:
    for each in records:
        value = json.loads(each.value)
        if value["version"] >= table.get(value[key], value)["version"]:
            table[value[key]] = value


def planned(store: MemoryStore, batch: list[Record], fresh_from: int, catalogue: Catalogue) -> Plan:
    events, positions = parsed(batch), {0: fresh_from}
    loaded, groups = store.load(needs(events, TEAMS, positions))
    done = plan(events, Known(TEAMS, loaded, groups, catalogue), positions, set(), START)
    catalogue.remember(done.findings)
    return done


@settings(max_examples=scaled(8_000, least=160), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(BATCHES)
@example([([Said("seen", "a", personless=True)], True), ([Said("$identify", "b", other="a")], True)])
@example([([Said("seen", "a", personless=True), Said("seen", "b"), Said("$identify", "b", other="a")], False)])
@example([([Said("seen", x, personless=True) for x in "ab"] + [Said("$identify", "b", other="a")], False)])
@example([([Said("seen", "a"), Said("seen", "b"), Said("$identify", "b", other="a")], False)])
@example(
    [
        ([Said("seen", "a"), Said("$identify", "b", other="a"), Said("seen", "c")], True),
        ([Said("$merge_dangerously", "c", other="a"), Said("$create_alias", "d", other="b")], False),
    ]
)
def test_persons_and_rows_are_those_of_the_model(batches: list[tuple[list[Said], bool]]) -> None:
    store, model, below, catalogue = MemoryStore(), Model(), Downstream(), Catalogue()
    waiting: list[Record] = []  # committed, but the process died before anything was produced
    expected: dict[str, Outcome | None] = {}
    replayed: set[str] = set()
    position = 0
    for said_together, dies in batches:
        batch = [record(said, position + number) for number, said in enumerate(said_together)]
        expected |= {
            str(uuid.UUID(int=position + number)): model.take(said) for number, said in enumerate(said_together)
        }
        done = planned(store, [*waiting, *batch], position, catalogue)
        store.apply(done.writes)
        position += len(batch)
        if dies:
            replayed |= {str(uuid.UUID(int=each.offset)) for each in (*waiting, *batch)}
            waiting += batch
        else:
            below.take(done)
            waiting = []
    if waiting:
        done = planned(store, waiting, position, catalogue)
        assert done.writes.persons == done.writes.links == done.writes.personless == [], "a replay writes nothing"
        below.take(done)

    assert below.rows.keys() == {name for name, outcome in expected.items() if outcome is not None}
    for name, outcome in expected.items():
        if outcome is not None and name not in replayed:
            row = below.rows[name]
            row["person_properties"].pop("$creator_event_uuid", None)
            assert (row["person_id"], row["person_mode"]) == (outcome.person_id, outcome.mode)
            assert row["person_properties"] == outcome.properties
    _same_people(store, model)
    _told_as_stored(store, below)
    for row in below.rows.values():
        owner = model.owner(row["distinct_id"])
        assert owner is None or below.resolved(row) == owner.uuid, "every event is found under its person"


def _same_people(store: MemoryStore, model: Model) -> None:
    living = {str(person.uuid): person for person in store.persons.values() if not person.is_deleted}
    assert living.keys() == {person.uuid for person in model.people}
    for one in model.people:
        ours = living[one.uuid]
        properties = {name: json.loads(bytes(value)) for name, value in ours.properties.items()}
        properties.pop("$creator_event_uuid", None)
        assert properties == one.properties
        assert ours.is_identified == one.is_identified
        assert ours.created_at == START + timedelta(seconds=one.created_at)
        assert {key[1] for key, link in store.links.items() if link.person == ours.uuid} == one.ids


def _told_as_stored(store: MemoryStore, below: Downstream) -> None:
    """What stands downstream is what is committed, deletions included."""
    assert {key[1]: (str(link.person), link.version) for key, link in store.links.items()} == {
        name: (value["person_id"], value["version"]) for name, value in below.ids.items()
    }
    for (_, name), person in store.persons.items():
        told = below.persons[str(uuid.UUID(int=name))]
        assert (told["version"], told["is_deleted"]) == (person.version, int(person.is_deleted))
        assert (told["is_identified"], len(json.loads(told["properties"]))) == (
            int(person.is_identified),
            len(person.properties),
        )
