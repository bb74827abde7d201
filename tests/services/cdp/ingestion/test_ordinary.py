"""An event that has a form becomes what the rules make of any event: plans with forms beside plans without."""

import json
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.fastpath import Shape
from libs.kit.eventlog import Record
from services.cdp.ingestion import ordinary
from services.cdp.ingestion import plan as planning
from services.cdp.ingestion.definitions import Catalogue
from services.cdp.ingestion.needs import needs
from services.cdp.ingestion.ordinary import WITH_RULES
from services.cdp.ingestion.parse import Incoming, parse
from services.cdp.ingestion.persons import person_uuid
from services.cdp.ingestion.plan import Known, Plan, parsed, plan
from tests.services.cdp.ingestion.test_plan import NOW, TEAMS
from tests.support.captured import captured_record
from tests.support.people_store import MemoryStore
from tests.support.scale import scaled

VALUES: dict[str, list[Any]] = {
    "$browser": ["Chrome", "Firefox", "\0", None],
    "$current_url": ["https://a.example/", "https://b.example/"],
    "$pathname": ["/", "/b", {"a": 1}],
    "$os": ["Linux", None],
    "$os_name": ["Linux"],
    "$app_version": ["1", "2", ["1"]],
    "utm_source": ["mail", "web"],
    "$initial_browser": ["Chrome"],
    "$session_id": ["0190a0a0-0000-7000-8000-00000000000a", "0190A0A0-0000-7000-8000-00000000000A", "Ü", 5],
    "$process_person_profile": [True, True, False, "no", None],
    "$is_server": [True, False, 1],
    "$elements_chain": ["a:b", 'a:href="x"', "", 5, None],
    "$elements": [[{"tag_name": "a"}]],
    "$ip": ["10.0.0.1"],
    "$sent_at": ["soon"],
    "$feature_flag_payloads": [{}],
    "$groups": [{"company": "x"}],
    "$set": [
        {"plan": "free"},
        {"plan": "paid"},
        {"$browser": "x", "plan": 1},
        {"$os_name": "Q"},
        {},
        5,
        {"a": {"b": 1}},
    ],
    "$set_once": [
        {"plan": "free", "$initial_browser": "Opera"},
        {"plan": None},
        {"first": 1},
        [],
        {"$initial_os_name": 1},
    ],
    "$unset": [["plan"]],
    "amount": [1, 2.5, "x", None, [1]],
    "typed_later": [None, {}, True, 4],
    "é": ["é"],
    "distinct_id": ["u1"],
    "$anon_distinct_id": ["u1", "u2", "u3", "u4", "anonymous"],
    "alias": ["u1", "u3", "u5"],
}
USUAL = ["$browser", "$current_url", "$pathname", "$session_id", "$elements_chain", "amount", "typed_later"]
NAMES = st.lists(st.sampled_from(USUAL), unique=True, min_size=3).flatmap(
    lambda usual: st.lists(st.sampled_from(sorted(VALUES)), max_size=2).map(lambda more: tuple({*usual, *more}))
)


OTHERS = [
    "$autocapture",
    "$exception",
    "$set",
    "$merge_dangerously",
    "$create_alias",
    "$ai_trace",
    "$snapshot",
    "e" * 201,
]


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    """Of few people and few shapes, so that most have been met before."""
    names = draw(st.shared(st.lists(NAMES, min_size=1, max_size=3), key="shapes").flatmap(st.sampled_from))
    return {
        "event": draw(st.sampled_from(["$pageview"] * 6 + ["$identify"] * 4 + OTHERS)),
        "distinct_id": draw(st.sampled_from(["u1", "u2"])),
        "token": draw(st.sampled_from(["phc_one"] * 5 + ["phc_shy", "phc_none", "phc_unknown"])),
        "ip": draw(st.sampled_from(["203.0.113.7", "203.0.113.7", ""])),
        "sent_at": draw(st.sampled_from([None, None, "2026-11-05T10:11:14Z"])),
        "timestamp": draw(st.sampled_from(["2026-11-05T10:11:12.345Z"] * 4 + ["2026-11-05T10:11:12+01:00", "never"])),
        "properties": {name: draw(st.sampled_from(VALUES[name])) for name in names},
        "headers": draw(st.sampled_from([{}] * 6 + [{"force_disable_person_processing": b"true"}])),
    }


def recorded(offset: int, said: dict[str, Any]) -> Record:
    more = {name: value for name, value in said.items() if value is not None}
    return captured_record(offset, uuid_=f"0190a0a0-0000-7000-8000-{offset:012x}", **more)


class History:
    """Batches decided one after the other."""

    def __init__(self) -> None:
        self.store, self.catalogue, self.position = MemoryStore(), Catalogue(), 0

    def take(self, batch: list[Record]) -> Plan:
        """Decide and apply one batch."""
        read, positions = parsed(batch), {0: self.position}
        loaded, groups = self.store.load(needs(read, TEAMS, positions))
        done = plan(read, Known(TEAMS, loaded, groups, self.catalogue), positions, set(), NOW)
        self.store.apply(done.writes)
        self.catalogue.remember(done.findings)
        self.position = batch[-1].offset + 1
        return done


def told(done: Plan) -> list[Any]:
    """All of a plan, to be compared."""
    writes = done.writes
    persons = [(one.id, one.version, one.properties.encoded(), one.last_seen_at) for one in writes.persons]
    links = [(one.key, one.person, one.version, one.stored_version, one.is_deleted) for one in writes.links]
    return [
        [(row.key, json.loads(row.value), list(json.loads(row.value)["properties"]), row.headers) for row in done.rows],
        [row.value for row in done.rows],
        (persons, links, [(one.key, one.is_merged) for one in writes.personless], len(writes.groups)),
        {topic: list(records) for topic, records in done.updates.items()},
        (done.findings, done.first_of, done.outcomes, done.warnings, done.warned, done.dropped, len(done.dead)),
    ]


@settings(max_examples=scaled(2_000, least=60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(events(), min_size=1, max_size=6), min_size=1, max_size=3))
def test_a_form_changes_nothing(batches: list[list[dict[str, Any]]]) -> None:
    ours, slow, offset = History(), History(), 0
    for batch in batches:
        records = [recorded(offset + number, said) for number, said in enumerate(batch)]
        offset += len(batch)
        done = ours.take(records)
        # where compiled code looks it up: a function that it knows as one of C cannot be replaced
        with mock.patch.object(ordinary, "_DECISIONS", (no_form,) * len(ordinary._DECISIONS)):
            assert told(done) == told(slow.take(records))


def no_form(shape: Shape) -> None:
    """Of any shape."""


PAGE_VIEW = {
    "event": "$pageview",
    "properties": {"$browser": "Chrome", "$pathname": "/", "$elements_chain": "a:b", "amount": 1, "tags": ["x"]},
}


def normalisations(batch: list[Record], history: History) -> int:
    """How many events of a batch the rules had to be asked about."""
    with mock.patch.object(planning, "normalised", wraps=planning.normalised) as asked:
        assert len(history.take(batch).rows) == len(batch)
    return asked.call_count


@pytest.mark.parametrize(
    "more", [{}, {"$is_server": True}, {"$process_person_profile": True}, {"$os_name": "Linux"}, {"$session_id": "a-b"}]
)
def test_an_ordinary_event_asks_no_rule(more: dict[str, Any]) -> None:
    history = History()
    said = PAGE_VIEW | {"properties": PAGE_VIEW["properties"] | more}
    assert normalisations([recorded(0, said)], history) == 1
    # the first of its name in a batch is seen, with the time
    assert normalisations([recorded(1, said), recorded(2, said), recorded(3, said)], history) == 1


def test_a_merge_moves_the_ordinary_events_behind_it() -> None:
    history = History()
    ids = ("u1", "u2", "u3")
    views = [PAGE_VIEW | {"distinct_id": one} for one in ids]
    merge = {"event": "$merge_dangerously", "distinct_id": "u1", "properties": {"alias": "u2"}}
    history.take([recorded(offset, said) for offset, said in enumerate(views)])
    batch = [recorded(offset, said) for offset, said in enumerate([*views, merge, *views, merge], 3)]
    events, positions = parsed(batch), {0: 3}
    loaded, groups = history.store.load(needs(events, TEAMS, positions))
    known = Known(TEAMS, loaded, groups, history.catalogue)
    first, again = (plan(events, known, positions, set(), NOW) for _ in range(2))  # what was loaded stays as it was
    assert told(first) == told(again)
    own = [str(person_uuid(1, one)) for one in ids]
    owners = [json.loads(row.value)["person_id"] for row in first.rows]
    assert owners == [*own, own[0], own[0], own[0], own[2], own[0]]


def test_a_distinct_id_without_a_place_is_looked_up() -> None:
    history = History()
    history.take([recorded(0, PAGE_VIEW)])
    events, positions = parsed([recorded(1, PAGE_VIEW), recorded(2, PAGE_VIEW)]), {0: 1}
    loaded, groups = history.store.load(needs(events, TEAMS, positions))
    rows = []
    for people in (loaded, replace(loaded, places={}, owners=())):
        done = plan(events, Known(TEAMS, people, groups, history.catalogue), positions, set(), NOW)
        rows.append([row.value for row in done.rows])
    assert rows[0] == rows[1]


def test_news_of_a_person_are_no_ordinary_event() -> None:
    history = History()
    history.take([recorded(0, PAGE_VIEW)])
    other = PAGE_VIEW | {"properties": PAGE_VIEW["properties"] | {"utm_source": "mail"}}
    history.take([recorded(1, PAGE_VIEW), recorded(2, other), recorded(3, other)])
    [person] = history.store.persons.values()
    assert person.properties.raw("$initial_utm_source") == b'"mail"'


IDENTIFY = {
    "event": "$identify",
    "properties": {
        **PAGE_VIEW["properties"],
        "$anon_distinct_id": "anonymous-1",
        "$set": {"plan": "free"},
        "$set_once": {"from": "x"},
    },
}


def test_an_event_with_news_of_its_person_asks_rules_of_its_names_once() -> None:
    history = History()
    assert normalisations([recorded(0, IDENTIFY)], history) == 1
    more = [recorded(at, IDENTIFY | {"distinct_id": f"v{at}"}) for at in range(1, 5)]
    assert normalisations(more, history) == 1
    paid = IDENTIFY["properties"] | {"$set": {"plan": "paid", "$browser": "Opera"}}
    other = [recorded(at, IDENTIFY | {"properties": paid}) for at in range(5, 8)]
    assert normalisations(other, history) == 1, "who says it himself, in another order, defines nothing new"
    row = json.loads(history.take([recorded(8, IDENTIFY), recorded(9, IDENTIFY | {"properties": paid})]).rows[1].value)
    assert row["properties"]["$set"] == {"plan": "paid", "$browser": "Opera", "$pathname": "/"}
    assert row["person_properties"].items() >= {"plan": "paid", "$browser": "Opera", "from": "x"}.items()


def test_forms_of_what_senders_say_of_persons_are_bounded() -> None:
    history = History()
    for at in range(3 * ordinary.MAX_FORMS):
        history.take([recorded(at, IDENTIFY | {"properties": IDENTIFY["properties"] | {"$set": {f"n{at}": at}}})])
    [person] = history.store.persons.values()
    assert person.properties.raw("n100") == b"100"


@pytest.mark.parametrize("name", sorted(WITH_RULES))
def test_events_with_rules_have_no_form(name: str) -> None:
    event = parse(recorded(0, PAGE_VIEW | {"event": name}))
    assert isinstance(event, Incoming)
    assert planning.form_of(event, anonymize_ips=False) is None
