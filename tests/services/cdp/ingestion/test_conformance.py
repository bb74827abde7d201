"""The cases of ingestion, 49 to 72, each under its number. What needs an engine to be seen is in test_identity.py,
test_heatmaps.py and test_cookieless.py beside it."""

from typing import Any

import pytest

from libs.kit.teams import Team
from services.cdp.ingestion.definitions import property_type
from services.cdp.ingestion.geoip import place_of
from services.cdp.ingestion.parse import Incoming, parse
from services.cdp.ingestion.persons import person_uuid
from services.cdp.ingestion.prepare import Around, prepared
from services.cdp.raw_json import encode
from tests.support.captured import captured_record
from tests.support.ingested import NOW, Ingested

CASES = range(49, 73)
U, AN = person_uuid(1, "u"), person_uuid(1, "an")
PERSONLESS = {"$process_person_profile": False}


def test_no_case_is_missing() -> None:
    tested = {name.split("_")[2] for name in globals() if name.startswith("test_case_")}
    assert {int(number) for number in tested} == set(CASES)


@pytest.fixture
def ingested() -> Ingested:
    return Ingested()


def with_persons(*distinct_ids: str) -> Ingested:
    ingested = Ingested()
    for each in distinct_ids:
        ingested.event("a", each)
    return ingested


def row(found: dict[str, Any] | None) -> dict[str, Any]:
    assert found is not None
    return found


def test_case_49_unknown_token(ingested: Ingested) -> None:
    assert ingested.event(token="phc_nobody") is None
    assert (ingested.outcomes, ingested.warned) == ([("dropped", "invalid_token")], [])


def test_case_50_first_event_of_a_person(ingested: Ingested) -> None:
    found = row(ingested.event("a", "u1"))
    assert found["person_id"] == "66545e47-9600-5f24-95fd-044cb5baa8f0"
    [told] = ingested.told_persons
    assert (told["id"], told["is_identified"], told["version"]) == (found["person_id"], 0, 0)
    assert ingested.person("u1") == {"$creator_event_uuid": found["uuid"]}
    assert str(person_uuid(2, "anon")) == "c800b07c-db6e-59a8-b690-ccf8b5448282"


def test_case_51_identify_where_only_the_anonymous_one_exists() -> None:
    ingested = with_persons("an")
    found = row(ingested.event("$identify", "u", properties={"$anon_distinct_id": "an"}))
    assert found["person_id"] == str(AN)
    assert (ingested.link("u"), ingested.link("an")) == ((AN, 0), (AN, 0))
    assert ingested.store.persons[1, AN.int].is_identified


def test_case_52_both_exist() -> None:
    ingested = with_persons("u", "an")
    before = ingested.store.persons[1, AN.int].version
    found = row(ingested.event("$identify", "u", properties={"$anon_distinct_id": "an"}))
    assert found["person_id"] == str(U)
    assert ingested.link("an") == (U, 1)
    gone = ingested.store.persons[1, AN.int]
    assert (gone.is_deleted, gone.version) == (True, before + 100)
    assert ingested.store.persons[1, U.int].is_identified
    override = ingested.told_links[-1]
    assert (override["distinct_id"], override["person_id"], override["version"]) == ("an", str(U), 1)


def identified_both() -> Ingested:
    ingested = with_persons("u")
    ingested.event("$identify", "an", properties={"$anon_distinct_id": "before"})
    return ingested


def test_case_53_the_other_is_identified_already() -> None:
    ingested = identified_both()
    other = ingested.store.owner(1, "an")
    found = row(ingested.event("$identify", "u", properties={"$anon_distinct_id": "an", "$set": {"x": 1}}))
    assert ingested.warnings == ["cannot_merge_already_identified"]
    details = ingested.warned[0][1]
    assert (details["sourcePersonDistinctId"], details["targetPersonDistinctId"]) == ("an", "u")
    assert (details["personId"], details["otherPersonId"]) == (str(U), str(other))
    assert ingested.store.owner(1, "an") == other
    assert found["person_id"] == str(U)
    assert row(ingested.person("u"))["x"] == 1


def test_case_54_dangerously() -> None:
    ingested = identified_both()
    ingested.event("$merge_dangerously", "u", properties={"alias": "an"})
    assert ingested.warnings == []
    assert ingested.store.owner(1, "an") == ingested.store.owner(1, "before") == U


@pytest.mark.parametrize(
    ("event", "name", "other"),
    [("$identify", "$anon_distinct_id", "null"), ("$create_alias", "alias", "undefined")],
)
def test_case_55_ids_of_nobody(event: str, name: str, other: str) -> None:
    ingested = with_persons("u", other)
    assert row(ingested.event(event, "u", properties={name: other}))["person_id"] == str(U)
    assert ingested.warnings == ["cannot_merge_with_illegal_distinct_id"]
    assert ingested.warned[0][1]["illegalDistinctId"] == other
    assert ingested.store.owner(1, other) != U


def test_case_56_identify_alone() -> None:
    ingested = with_persons("u")
    ingested.event("$identify", "u", properties={"$set": {"x": 1}})
    assert row(ingested.person())["x"] == 1
    assert not ingested.store.persons[1, U.int].is_identified


def test_case_57_set_and_set_once(ingested: Ingested) -> None:
    ingested.event(properties={"$set": {"b": None}})
    ingested.event(properties={"$set": {"a": 2}, "$set_once": {"a": 1, "b": 1}})
    found = row(ingested.person())
    assert (found["a"], found["b"]) == (2, 1)


def test_case_58_unset(ingested: Ingested) -> None:
    ingested.event(properties={"$set": {"a": 1, "b": 1}})
    ingested.event(properties={"$unset": ["a"]}, data_x={"$unset": ["b"]}, **{"data_$unset": ["b"]})
    assert set(row(ingested.person())) == {"b", "$creator_event_uuid"}


def test_case_59_campaign(ingested: Ingested) -> None:
    ingested.event(properties={"utm_source": "x"})
    found = row(ingested.person())
    assert (found["utm_source"], found["$initial_utm_source"]) == ("x", "x")


def test_case_60_only_the_address_changed(ingested: Ingested) -> None:
    ingested.event("$pageview", properties={"$current_url": "/1"})
    version = ingested.store.persons[1, U.int].version
    found = row(ingested.event("$pageview", properties={"$current_url": "/2"}))
    assert found["person_properties"]["$current_url"] == "/2"
    assert row(ingested.person())["$current_url"] == "/1"
    assert ingested.store.persons[1, U.int].version == version


def test_case_61_servers_say_nothing_of_their_system(ingested: Ingested) -> None:
    ingested.event(properties={"$is_server": True, "$os": "Linux"})
    assert not {"$os", "$initial_os"} & row(ingested.person()).keys()


def test_case_62_personless(ingested: Ingested) -> None:
    found = row(ingested.event(properties=PERSONLESS))
    assert (found["person_mode"], found["person_properties"]) == ("propertyless", {})
    assert found["person_created_at"] == "1970-01-01 00:00:05"
    assert found["person_id"] == str(U)
    assert ingested.store.persons == {}


def test_case_63_personless_before_identify() -> None:
    ingested = with_persons("u")
    ingested.event("a", "an", properties=PERSONLESS)
    ingested.event("$identify", "u", properties={"$anon_distinct_id": "an"})
    assert ingested.link("an") == (U, 1)
    fresh = Ingested()
    fresh.event("a", "an", properties=PERSONLESS)
    fresh.event("$identify", "u", properties={"$anon_distinct_id": "an"})
    assert (fresh.link("u"), fresh.link("an")) == ((AN, 0), (AN, 0))


def test_case_64_personless_of_an_older_person(ingested: Ingested) -> None:
    ingested.event(timestamp="2026-11-05T10:00:00Z")
    found = row(ingested.event(properties=PERSONLESS, timestamp="2026-11-05T10:01:00.001Z"))
    assert (found["person_mode"], found["person_id"]) == ("force_upgrade", str(U))
    within = row(ingested.event(properties=PERSONLESS, timestamp="2026-11-05T10:01:00.000Z"))
    assert within["person_mode"] == "propertyless"


def test_case_65_personless_identify(ingested: Ingested) -> None:
    assert ingested.event("$identify", properties=PERSONLESS) is None
    assert ingested.warnings == ["invalid_event_when_process_person_profile_is_false"]
    found = row(ingested.event("$identify", properties={"$process_person_profile": "false"}))
    assert found["person_mode"] == "full"
    assert ingested.warnings[1:] == ["invalid_process_person_profile"]


def test_case_66_group_types(ingested: Ingested) -> None:
    assert row(ingested.event(properties={"$groups": {"company": "acme"}}))["properties"]["$group_0"] == "acme"
    six = dict.fromkeys(("company", "b", "c", "d", "e", "f"), "k")
    found = row(ingested.event(properties={"$groups": six}))["properties"]
    assert [name for name in found if name.startswith("$group_")] == [f"$group_{number}" for number in range(5)]
    assert ingested.store.types == {1: {"company": 0, "b": 1, "c": 2, "d": 3, "e": 4}}


def test_case_67_groupidentify(ingested: Ingested) -> None:
    about = {"$group_type": "company", "$group_key": "acme"}
    for said in ({"n": 1}, {"m": 2}):
        row(ingested.event("$groupidentify", properties={**about, "$group_set": said}))
    [group] = ingested.store.groups.values()
    assert {name: int(bytes(raw)) for name, raw in group.properties.items()} == {"n": 1, "m": 2}
    assert ingested.plan.findings.properties == {(1, "m", 3, 0): "Numeric"}


ELEMENTS = [
    {
        "tag_name": "a",
        "$el_text": 'Say "hi"',
        "classes": ["btn", "big"],
        "attr__class": "btn big",
        "attr__id": "go",
        "attr__href": "/x",
        "attr__data-a": "1",
        "nth_child": 2,
        "nth_of_type": 1,
    },
    {"tag_name": "div", "nth_child": 1, "nth_of_type": 1},
]
CHAIN = (
    'a.big.btn:attr__class="btn big"attr__data-a="1"attr__href="/x"attr__id="go"attr_id="go"href="/x"'
    'nth-child="2"nth-of-type="1"text="Say \\"hi\\"";div:nth-child="1"nth-of-type="1"'
)


def test_case_68_elements(ingested: Ingested) -> None:
    found = row(ingested.event("$autocapture", properties={"$elements": ELEMENTS}))
    assert found["elements_chain"] == CHAIN
    assert "$elements" not in found["properties"]
    odd = {"tag_name": "a", "$el_text": "x" * 500, "attr__href": "/" * 3000, "attr__on": True, "attr__n": [1, None]}
    found = row(ingested.event("$autocapture", properties={"$elements": [odd]}))
    values = f'attr__href="{"/" * 3000}"attr__n="1,"attr__on="true"href="{"/" * 2048}"'
    assert found["elements_chain"] == f'a:{values}nth-child="0"nth-of-type="0"text="{"x" * 400}"'


POINT = {"x": 100, "y": 33, "target_fixed": False, "type": "click"}
HEATMAP = {
    "$heatmap_data": {"https://a.example/": [POINT]},
    "$viewport_width": 1600,
    "$viewport_height": 800,
    "$session_id": "s",
}


def test_case_69_heatmap(ingested: Ingested) -> None:
    assert ingested.event("$$heatmap", properties=HEATMAP) is None
    [point] = ingested.points
    assert (point["x"], point["y"], point["viewport_width"], point["viewport_height"]) == (6, 2, 100, 50)
    assert (point["scale_factor"], point["current_url"], point["type"]) == (16, "https://a.example/", "click")
    assert (point["session_id"], point["distinct_id"], point["team_id"]) == ("s", "u", 1)
    assert (ingested.rows, ingested.outcomes, ingested.store.persons) == ([], [("ok", "heatmap")], {})


def test_case_70_anonymised_ips() -> None:
    place = place_of({"country": {"iso_code": "SE", "names": {"en": "Sweden"}}})
    ingested = Ingested(Team(1, "phc_one", anonymize_ips=True), places={"203.0.113.7": place})
    found = row(ingested.event())["properties"]
    assert found["$geoip_country_code"] == "SE"
    assert "$ip" not in found


def test_case_71_exceptions_leave_persons_alone() -> None:
    ingested = with_persons("u")
    before = ingested.person()
    row(ingested.event("$exception", properties={"$set": {"a": 1}}))
    assert ingested.person() == before


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("plan_date", "2024-01-02", "DateTime"),
        ("n", 1, "Numeric"),
        ("flag", "true", "Boolean"),
        ("$feature/x", True, "String"),
    ],
)
def test_case_72_types(ingested: Ingested, name: str, value: Any, kind: str) -> None:
    assert property_type(name, encode(value), NOW) == kind
    ingested.event(properties={name: value})
    assert ingested.plan.findings.properties[1, name, 1, -1] == kind


# --- and what Part B says without a case of its own


def test_timestamps_that_cannot_be_read_are_now_and_warned_of(ingested: Ingested) -> None:
    found = row(ingested.event(timestamp="garbage"))
    assert found["timestamp"] == "2026-11-05 10:12:00.000"
    assert ingested.warnings == ["ignored_invalid_timestamp"]


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2026-11-05T10:11:12.345+03:00", "2026-11-05 07:11:12.345"),
        ("2026-11-05T10:11:12.3456789Z", "2026-11-05 10:11:12.345"),
        ("1970-01-01T00:00:00Z", "1970-01-01 00:00:00.000"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31 23:59:59.999"),
    ],
)
def test_timestamps_are_utc_in_milliseconds(ingested: Ingested, sent: str, stored: str) -> None:
    assert row(ingested.event(timestamp=sent))["timestamp"] == stored
    assert ingested.warnings == []


def test_events_older_than_the_project_wants() -> None:
    ingested = Ingested(Team(1, "phc_one", drop_events_older_than_seconds=60))
    assert ingested.event(timestamp="2026-11-05T10:10:12Z") is None  # received at 10:11:13
    assert (ingested.outcomes, ingested.warnings) == (
        [("dropped", "event_dropped_too_old")],
        ["event_dropped_too_old"],
    )
    assert ingested.event(timestamp="2026-11-05T10:10:13Z") is not None


def test_survey_shown(ingested: Ingested) -> None:
    ingested.event("survey shown")
    assert row(ingested.person())["$survey_last_seen_date"] == "2026-11-05T10:11:12.345Z"
    ingested.event("survey shown", properties={"$set": {"$survey_last_seen_date": "mine"}})
    assert row(ingested.person())["$survey_last_seen_date"] == "mine"


BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
HUMAN = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


@pytest.mark.parametrize(("agent", "expected"), [(BOT, "bot"), (HUMAN, None), ("", None), (5, None)])
def test_bots_are_marked(ingested: Ingested, agent: Any, expected: str | None) -> None:
    found = row(ingested.event(properties={"$raw_user_agent": agent}))["properties"]
    assert found.get("$browser_type") == expected
    said = {"$raw_user_agent": BOT, "$browser_type": "browser"}
    assert row(ingested.event(properties=said))["properties"]["$browser_type"] == "browser"


def test_a_step_that_cannot_read_a_value_leaves_it(ingested: Ingested) -> None:
    bad = '{"$raw_user_agent":"\\ud800","$set":{"a":1e400},"$heatmap_data":{"u":[{"x":1e999}]},"$viewport_width":1e400}'
    assert ingested.event("survey shown", properties=bad) is not None


def test_a_batch_is_prepared_anew_from_the_same_events(ingested: Ingested) -> None:
    """What PostgreSQL refuses is decided again in pieces: preparing changes nothing of what was parsed."""
    record = captured_record(0, event="$pageview", properties={**HEATMAP, "$raw_user_agent": BOT})
    event = parse(record)
    assert isinstance(event, Incoming)
    before = {name: bytes(raw) for name, raw in event.properties.items()}
    teams = {"phc_one": ingested.team}
    first, second = (prepared([event], teams, Around(NOW)) for _ in range(2))
    assert {name: bytes(raw) for name, raw in event.properties.items()} == before
    assert first.points == second.points != []
