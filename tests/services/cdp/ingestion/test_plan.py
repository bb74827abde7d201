import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from libs.fastpath import members_of
from libs.kit.contracts.capture_warnings import warning_record
from libs.kit.eventlog import Record
from libs.kit.teams import Team
from services.cdp.ingestion.needs import needs
from services.cdp.ingestion.parse import Incoming
from services.cdp.ingestion.people import Loaded
from services.cdp.ingestion.persons import FAKE_CREATED_AT, Link, Person, PersonKey, person_uuid
from services.cdp.ingestion.plan import Known, Plan, parsed, plan
from services.cdp.ingestion.warnings import Warned, WarningLimiter
from services.cdp.ingestion.warnings import record as warning_of
from services.cdp.raw_json import encode
from tests.support.captured import ARRIVED_MS, captured_record, raw_record
from tests.support.ingested import Ingested
from tests.support.people_store import with_owners

NOW = datetime(2026, 11, 5, 10, 12, tzinfo=UTC)
TEAMS = {
    "phc_one": Team(1, "phc_one"),
    "phc_none": Team(3, "phc_none", person_processing_opt_out=True),
    "phc_shy": Team(2, "phc_shy", anonymize_ips=True),
}


def person(distinct_id: str = "u1", team_id: int = 1, **properties: Any) -> Person:
    raw = members_of({name: encode(value) for name, value in properties.items()})
    return Person(team_id, person_uuid(team_id, distinct_id), NOW - timedelta(days=3), raw, version=4, stored_version=4)


def planned(
    *records: Record,
    persons: dict[PersonKey, Person] | None = None,
    unlinked: bool = False,
    fresh_from: dict[int, int] | None = None,
    refused: set[str] | None = None,
    merge_limit: int | None = None,
) -> Plan:
    known = persons or {}
    links = {} if unlinked else {key: Link(key, one.uuid, 0, 0) for key, one in known.items()}
    keys_of = {one.id: [key for key in links if known[key].id == one.id] for one in known.values()}
    people = Loaded({one.id: one for one in known.values()}, links, keys_of=keys_of)
    events = parsed(list(records))
    people = with_owners(people, needs(events, TEAMS, fresh_from or {}))
    return plan(events, Known(TEAMS, people, merge_limit=merge_limit), fresh_from or {}, refused or set(), NOW)


def linked(plan: Plan) -> dict[PersonKey, uuid.UUID]:
    return {link.key: link.person for link in plan.writes.links}


def stored(plan: Plan, index: int = 0) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(plan.rows[index].value)
    return row


def values(raw: dict[str, msgspec.Raw]) -> dict[str, Any]:
    return {name: json.loads(bytes(value)) for name, value in raw.items()}


@pytest.mark.parametrize("as_string", [False, True])
def test_first_event_of_a_person(as_string: bool) -> None:
    record = captured_record(
        7,
        uuid_="0190A0A0-0000-7000-8000-00000000000A",
        properties={"amount": 1.5, "$set": {"a": 1}},
        as_string=as_string,
    )
    done = planned(record)
    row = stored(done)
    assert row["uuid"] == "0190a0a0-0000-7000-8000-00000000000a"
    assert row["person_id"] == "66545e47-9600-5f24-95fd-044cb5baa8f0"  # the spec's vector for team 1, u1
    assert row["person_mode"] == "full"
    assert row["timestamp"] == "2026-11-05 10:11:12.345"
    assert row["captured_at"] == "2026-11-05 10:11:13.000"
    assert row["created_at"] == "2026-11-05 10:12:00.000"
    assert row["person_created_at"] == "2026-11-05 10:11:12"
    assert row["properties"] == {"amount": 1.5, "$set": {"a": 1}, "$ip": "203.0.113.7"}
    assert row["person_properties"] == {"a": 1, "$creator_event_uuid": row["uuid"]}
    assert done.rows[0].key == row["uuid"].encode()
    assert dict(done.rows[0].headers) == {"v": b"1", "arrived": str(ARRIVED_MS).encode()}
    [made] = done.writes.persons
    assert (made.version, made.stored_version) == (0, None)
    assert linked(done) == {(1, "u1"): made.uuid}
    assert done.outcomes == {("ok", ""): 1}


def test_values_keep_the_senders_bytes() -> None:
    raw = '{"one":1.0,"big":1234567890123456789012345678901234567890,"u":"\\u00e9", "e":1e400,"d":{"x.y":[ 1.00 ]}}'
    value = planned(captured_record(properties=raw)).rows[0].value
    for kept in (
        b'"one":1.0,',
        b'"big":1234567890123456789012345678901234567890',
        b'"u":"\\u00e9"',
        b'"e":1e400',
        b"[ 1.00 ]",
    ):
        assert kept in value


def test_later_events_see_what_earlier_ones_changed_and_the_person_is_written_once() -> None:
    done = planned(
        captured_record(0, properties={"$set": {"plan": "free"}}),
        captured_record(1, properties={"$set": {"plan": "paid"}, "$set_once": {"first": 1}}),
        captured_record(2),
    )
    [made] = done.writes.persons
    assert made.version == 0
    assert values(made.properties)["plan"] == "paid"
    assert [stored(done, index)["person_properties"]["plan"] for index in range(3)] == ["free", "paid", "paid"]


def test_existing_person_gets_one_new_version_a_batch() -> None:
    done = planned(
        captured_record(0, properties={"$set": {"a": 2}}),
        captured_record(1, properties={"$set": {"b": 1}, "$unset": ["old"]}),
        persons={(1, "u1"): person(a=1, old=1)},
    )
    [changed] = done.writes.persons
    assert (changed.version, changed.stored_version) == (5, 4)
    assert values(changed.properties) == {"a": 2, "b": 1}
    assert linked(done) == {}


def test_two_distinct_ids_of_one_person_share_it() -> None:
    one = person()
    done = planned(
        captured_record(0, distinct_id="u1", properties={"$set": {"a": 1}}),
        captured_record(1, distinct_id="u2", properties={"$set": {"b": 2}}),
        persons={(1, "u1"): one, (1, "u2"): one},
    )
    [changed] = done.writes.persons
    assert values(changed.properties) == {"a": 1, "b": 2}
    assert one.properties == {}, "what was loaded is not changed: the plan may be made again"


def test_records_before_the_committed_position_are_emitted_again_and_write_nothing() -> None:
    known = {(1, "u1"): person(plan="paid")}
    records = [captured_record(offset, properties={"$set": {"n": offset}}) for offset in (4, 5)]
    done = planned(*records, persons=known, fresh_from={0: 5})
    assert len(done.rows) == 2
    assert stored(done, 0)["person_properties"] == {"plan": "paid", "n": 4}
    assert values(done.writes.persons[0].properties) == {"plan": "paid", "n": 5}
    assert done.outcomes == {("replayed", ""): 1, ("ok", ""): 1}
    gone = planned(*records, fresh_from={0: 6})
    assert (gone.writes.persons, gone.writes.links, len(gone.rows)) == ([], [], 2)


def test_partitions_have_positions_of_their_own() -> None:
    done = planned(
        captured_record(3, partition=0), captured_record(3, partition=1, distinct_id="u2"), fresh_from={0: 3, 1: 4}
    )
    assert done.outcomes == {("replayed", ""): 1, ("ok", ""): 1}
    assert list(linked(done)) == [(1, "u1")]


def test_unknown_token_is_dropped_and_counted() -> None:
    done = planned(captured_record(token="phc_who"))
    assert (done.rows, done.dead) == ([], [])
    assert done.outcomes == {("dropped", "invalid_token"): 1}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"{", "failed_parse_message"),
        (b"[]", "failed_parse_message"),
        (b"\xff\xfe", "failed_parse_message"),
        (b'{"uuid":1}', "failed_parse_message"),
        (captured_record(uuid_="").value, "empty_uuid"),
        (captured_record(uuid_="not-a-uuid").value, "invalid_uuid"),
        (captured_record(properties="[" * 100_000 + "]" * 100_000).value, "failed_parse_message"),
    ],
)
def test_what_is_no_event_becomes_a_dead_letter_alone(value: bytes, reason: str) -> None:
    done = planned(captured_record(0), raw_record(value, offset=1), captured_record(2))
    assert [dead.reason for dead in done.dead] == [reason]
    assert len(done.rows) == 2


def test_lone_surrogates_are_repaired_and_nothing_else_changes() -> None:
    done = planned(captured_record(properties=r'{"bad":"a\ud800b","good":1.0}'))
    assert rb'"bad":"a\ufffdb","good":1.0' in done.rows[0].value


def test_nul_is_replaced_where_postgres_needs_it() -> None:
    done = planned(captured_record(distinct_id="a\0b", properties={"$set": {"na\0me": "x\0y"}, "kept": "p\0q"}))
    assert stored(done)["distinct_id"] == "a\ufffdb"
    assert stored(done)["properties"]["kept"] == "p\0q"
    assert values(done.writes.persons[0].properties)["na\ufffdme"] == "x\ufffdy"


def test_value_postgres_cannot_hold_is_left_off_the_person_only() -> None:
    done = planned(captured_record(properties='{"$set":{"huge":1e99999,"fine":1}}'))
    assert b'"huge":1e99999' in done.rows[0].value
    assert set(done.writes.persons[0].properties) == {"fine", "$creator_event_uuid"}
    assert done.warnings == {"person_property_refused": 1}


def test_refused_by_postgres_after_all() -> None:
    record = captured_record(0)
    [dead] = planned(record, captured_record(1), refused={json.loads(record.value)["uuid"]}).dead
    assert (dead.reason, dead.step) == ("refused_by_store", "persons")


def test_personless_event_makes_no_person() -> None:
    properties = {"$process_person_profile": False, "$set": {"a": 1}, "$browser": "Chrome", "$group_0": "x"}
    done = planned(captured_record(properties=properties))
    row = stored(done)
    assert (done.writes.persons, done.writes.links) == ([], [])
    assert (row["person_mode"], row["person_properties"]) == ("propertyless", {})
    assert row["person_created_at"] == f"{FAKE_CREATED_AT:%Y-%m-%d %H:%M:%S}"
    assert row["properties"] == {"$process_person_profile": False, "$browser": "Chrome", "$ip": "203.0.113.7"}


def test_personless_event_of_an_existing_person() -> None:
    done = planned(captured_record(properties={"$process_person_profile": False}), persons={(1, "u1"): person(a=1)})
    assert (stored(done)["person_mode"], stored(done)["person_properties"]) == ("force_upgrade", {})
    forced = planned(
        captured_record(headers={"force_disable_person_processing": b"true"}), persons={(1, "u1"): person(a=1)}
    )
    assert stored(forced)["person_mode"] == "propertyless"


@pytest.mark.parametrize("event", ["$identify", "$create_alias", "$merge_dangerously", "$groupidentify"])
def test_personal_events_without_a_profile_are_dropped(event: str) -> None:
    done = planned(captured_record(event=event, properties={"$process_person_profile": False}))
    assert done.rows == []
    assert done.warnings == {"invalid_event_when_process_person_profile_is_false": 1}


def test_automatic_person_properties() -> None:
    done = planned(captured_record(properties={"utm_source": "x", "$browser": None, "$os_name": "Linux", "$set": 5}))
    row = stored(done)
    assert row["properties"]["$os"] == "Linux"
    assert row["properties"]["$set"] == {"utm_source": "x", "$browser": None, "$os": "Linux"}
    assert row["properties"]["$set_once"] == {
        "$initial_utm_source": "x",
        "$initial_browser": None,
        "$initial_os": "Linux",
    }
    server = planned(captured_record(properties={"$is_server": True, "$os": "Linux"}))
    assert "$set" not in stored(server)["properties"]


def test_the_alias_of_os_is_no_property_of_a_person() -> None:
    given = {"$set": {"$os_name": "mine", "a": 1}, "$set_once": {"$initial_os_name": "mine"}}
    done = planned(captured_record(properties={"$os_name": "Linux", **given}))
    [made] = done.writes.persons
    assert {*made.properties} == {"a", "$os", "$initial_os", "$creator_event_uuid"}
    assert bytes(made.properties["$os"]) == b'"Linux"'
    alone = planned(captured_record(properties=given))  # as it was sent, where it is nobody's alias
    assert {*alone.writes.persons[0].properties} == {"a", "$os_name", "$initial_os_name", "$creator_event_uuid"}


def test_some_warnings_are_always_told() -> None:
    limiter = WarningLimiter()
    for kind, again in (
        ("cannot_merge_already_identified", True),
        ("invalid_event_when_process_person_profile_is_false", True),
        ("ignored_invalid_timestamp", False),
    ):
        warned = Warned(1, kind, "s", "k")
        assert limiter.passes(warned, 0.0)
        assert limiter.passes(warned, 3599.0) is again
        assert limiter.passes(warned, 3601.0)


def test_top_level_set_wins_over_the_one_inside() -> None:
    done = planned(captured_record(properties={"$set": {"a": 1, "b": 1}}, data_=None, **{"data_$set": {"b": 2}}))
    assert stored(done)["properties"]["$set"] == {"a": 1, "b": 2}


def test_noise_alone_is_not_written_but_shown_on_the_row() -> None:
    known = {(1, "u1"): person(**{"$current_url": "/a", "$initial_current_url": "/a"})}
    done = planned(captured_record(properties={"$current_url": "/b"}), persons=known)
    assert done.writes.persons == []
    assert stored(done)["person_properties"]["$current_url"] == "/b"
    loud = planned(captured_record(event="$set", properties={"$current_url": "/b"}), persons=known)
    assert len(loud.writes.persons) == 1


def test_set_once_fills_null_and_set_wins() -> None:
    done = planned(
        captured_record(properties={"$set": {"a": 2}, "$set_once": {"a": 1, "b": 1}}),
        persons={(1, "u1"): person(b=None)},
    )
    assert values(done.writes.persons[0].properties) == {"a": 2, "b": 1}


def test_exceptions_never_update_persons() -> None:
    done = planned(captured_record(event="$exception", properties={"$set": {"a": 2}}), persons={(1, "u1"): person()})
    assert done.writes.persons == []


def test_deleted_person_starts_afresh_under_its_uuid() -> None:
    deleted = person(old=1)
    deleted.is_deleted = True
    done = planned(captured_record(), persons={(1, "u1"): deleted})
    [made] = done.writes.persons
    assert (made.version, made.stored_version, made.is_deleted) == (5, 4, False)
    assert set(made.properties) == {"$creator_event_uuid"}


def test_person_without_its_distinct_id_is_linked_again() -> None:
    known = person()
    assert linked(planned(captured_record(), persons={(1, "u1"): known}, unlinked=True)) == {(1, "u1"): known.uuid}


def test_too_large_properties_are_refused_and_the_event_goes_on() -> None:
    done = planned(captured_record(properties={"$set": {"big": "x" * 700_000}}), persons={(1, "u1"): person(a=1)})
    assert (done.writes.persons, len(done.rows)) == ([], 1)
    assert done.warnings == {"person_properties_size_violation": 1}
    new = planned(captured_record(properties={"$set": {"big": "x" * 700_000}}))
    assert set(new.writes.persons[0].properties) == {"$creator_event_uuid"}


def test_who_came_with_too_many_properties_is_trimmed() -> None:
    large = {f"p{number}": "x" * 100_000 for number in range(7)}
    before = person(email="a@example.org", **{"$initial_browser": "y" * 1000}, **large)
    done = planned(captured_record(properties={"$set": {"plan": "pro"}}), persons={(1, "u1"): before})
    [after] = done.writes.persons
    assert [*after.properties] == ["email", "$initial_browser", *(f"p{number}" for number in range(2, 7)), "plan"]
    assert done.warnings == {}
    # what is too large by this event alone is refused, as before
    more = {"$set": {"plan": "x" * 700_000}}
    done = planned(captured_record(properties=more), persons={(1, "u1"): before})
    assert done.writes.persons == []
    assert done.warnings == {"person_properties_size_violation": 1}


def test_ip_addresses_of_a_shy_team_go() -> None:
    assert "$ip" not in stored(planned(captured_record(token="phc_shy")))["properties"]
    assert stored(planned(captured_record(properties={"$ip": "::1"})))["properties"]["$ip"] == "::1"


def test_unreadable_timestamp_is_now() -> None:
    done = planned(captured_record(timestamp="yesterday"))
    assert stored(done)["timestamp"] == "2026-11-05 10:12:00.000"
    assert done.warnings == {"ignored_invalid_timestamp": 1}
    assert stored(planned(captured_record(timestamp="0033-01-01T00:00:00+00:00")))["timestamp"].startswith("0033-01-01")


def test_long_names() -> None:
    done = planned(captured_record(event="x" * 199 + "😀"), captured_record(1, distinct_id="d" * 401))
    assert stored(done)["event"] == "x" * 199
    assert done.outcomes[("dropped", "skipping_event_invalid_distinct_id")] == 1


def test_elements_become_the_chain() -> None:
    element = {
        "tag_name": "a", "attr__class": ["btn", "big"], "attr__href": "/x", "attr__id": "go", "attr__data-a": "1",
        "$el_text": 'Say "hi"', "nth_child": 1, "nth_of_type": 2,
    }  # fmt: skip
    row = stored(
        planned(
            captured_record(properties={"$elements": [element, {"tag_name": "div", "nth_child": 1, "nth_of_type": 1}]})
        )
    )
    assert row["elements_chain"] == (
        'a.big.btn:attr__class="btn,big"attr__data-a="1"attr__href="/x"attr__id="go"attr_id="go"href="/x"nth-child="1"'
        'nth-of-type="2"text="Say \\"hi\\"";div:nth-child="1"nth-of-type="1"'
    )
    assert "$elements" not in row["properties"]
    sent = planned(captured_record(properties={"$elements_chain": "a:b", "$elements": [element]}))
    assert stored(sent)["elements_chain"] == "a:b"


def test_session_id_is_lowered_and_bloat_removed() -> None:
    session = str(uuid.uuid4()).upper()
    done = planned(
        captured_record(properties={"$session_id": session, "$surveys_activated": [1]}, sent_at="2026-11-05T10:11:13Z")
    )
    assert stored(done)["properties"] == {
        "$session_id": session.lower(),
        "$ip": "203.0.113.7",
        "$sent_at": "2026-11-05T10:11:13Z",
    }


def test_needed_distinct_ids_are_those_of_known_teams() -> None:
    events = parsed(
        [captured_record(), captured_record(token="no"), captured_record(distinct_id="d" * 401), raw_record(b"")]
    )
    assert needs(events, TEAMS, {}).persons == {(1, "u1"): 1}
    assert [event.place for event in events if isinstance(event, Incoming)] == [1, 0, 0]


def updates(plan: Plan, topic: str) -> list[dict[str, Any]]:
    return [json.loads(record.value) for record in plan.updates[topic]]


def test_first_event_tells_of_its_person() -> None:
    done = planned(captured_record(properties={"$set": {"a": 1}}))
    [told] = updates(done, "clickhouse_person")
    assert json.loads(told.pop("properties")).keys() == {"a", "$creator_event_uuid"}
    assert told == {
        "id": "66545e47-9600-5f24-95fd-044cb5baa8f0",
        "created_at": "2026-11-05 10:11:12",
        "team_id": 1,
        "is_identified": 0,
        "is_deleted": 0,
        "version": 0,
        "last_seen_at": "2026-11-05 10:00:00",
    }
    assert updates(done, "clickhouse_person_distinct_id") == [
        {"person_id": told["id"], "team_id": 1, "distinct_id": "u1", "version": 0, "is_deleted": 0}
    ]


def test_identify_with_an_id_that_has_a_person() -> None:
    """Only the anonymous id exists: the other one is added to its person."""
    an = person("an")
    done = planned(
        captured_record(event="$identify", distinct_id="u", properties={"$anon_distinct_id": "an"}),
        persons={(1, "an"): an},
    )
    assert stored(done)["person_id"] == str(an.uuid)
    [changed] = done.writes.persons
    assert (changed.uuid, changed.is_identified, changed.version) == (an.uuid, True, 5)
    [link] = done.writes.links
    assert (link.key, link.person, link.version) == ((1, "u"), an.uuid, 0)


def test_merge_of_two_persons() -> None:
    u, an = person("u", a=1, b=1), person("an", b=2, c=2)
    an.version = an.stored_version = 9
    record = captured_record(
        event="$identify", distinct_id="u", properties={"$anon_distinct_id": "an", "$set": {"d": 4}}
    )
    done = planned(record, persons={(1, "u"): u, (1, "an"): an})
    survivor, gone = sorted(done.writes.persons, key=lambda one: one.is_deleted)
    assert (survivor.uuid, survivor.version, survivor.is_identified) == (u.uuid, 10, True)
    assert values(survivor.properties) == {"a": 1, "b": 1, "c": 2, "d": 4}
    assert (gone.uuid, gone.version, gone.properties) == (an.uuid, 109, {})
    [moved] = done.writes.links
    assert (moved.key, moved.person, moved.version) == ((1, "an"), u.uuid, 1)


@pytest.mark.parametrize(
    ("event", "merged"), [("$identify", False), ("$create_alias", False), ("$merge_dangerously", True)]
)
def test_identified_persons_are_merged_only_dangerously(event: str, merged: bool) -> None:
    u, an = person("u"), person("an")
    an.is_identified = True
    said = {"$anon_distinct_id": "an", "alias": "an", "$set": {"a": 1}}
    done = planned(captured_record(event=event, distinct_id="u", properties=said), persons={(1, "u"): u, (1, "an"): an})
    assert any(one.is_deleted for one in done.writes.persons) is merged
    assert values(next(one for one in done.writes.persons if one.uuid == u.uuid).properties) == {"a": 1}
    assert done.warnings == ({} if merged else {"cannot_merge_already_identified": 1})
    if not merged:
        assert {"sourcePersonDistinctId": "an", "targetPersonDistinctId": "u"}.items() <= done.warned[0].details.items()


@pytest.mark.parametrize(("limit", "merged"), [(1, False), (2, True), (None, True)])
def test_a_merge_moves_only_so_many_distinct_ids(limit: int | None, merged: bool) -> None:
    u, an = person("u"), person("an")
    record = captured_record(event="$merge_dangerously", distinct_id="u", properties={"alias": "an", "$set": {"a": 1}})
    done = planned(record, persons={(1, "u"): u, (1, "an"): an, (1, "an2"): an}, merge_limit=limit)
    if merged:
        assert (linked(done), done.dead) == ({(1, "an"): u.uuid, (1, "an2"): u.uuid}, [])
        return
    assert (done.writes.persons, done.writes.links, list(done.rows)) == ([], [], [])
    [letter] = done.dead
    assert (letter.record, letter.reason, letter.step) == (record, "merge_limit_exceeded", "persons")
    [warned] = done.warned
    assert warned.type == "merge_move_limit_exceeded"
    assert {"sourcePersonDistinctId": "an", "targetPersonDistinctId": "u"}.items() <= warned.details.items()


def test_what_a_batch_brings_a_person_counts_against_the_limit() -> None:
    people = {(1, name): person(name) for name in ("a", "b", "c")}
    into = [
        captured_record(event="$merge_dangerously", distinct_id=one, properties={"alias": other})
        for one, other in (("b", "c"), ("a", "b"))
    ]
    done = planned(*into, persons=people, merge_limit=1)
    assert linked(done) == {(1, "c"): people[1, "b"].uuid}
    assert [letter.record for letter in done.dead] == [into[1]]


def test_illegal_ids_are_not_merged_and_the_event_is_stored() -> None:
    done = planned(captured_record(event="$identify", properties={"$anon_distinct_id": "null"}))
    assert (len(done.rows), done.warnings) == (1, {"cannot_merge_with_illegal_distinct_id": 1})
    assert [link.key for link in done.writes.links] == [(1, "u1")]
    assert not done.writes.persons[0].is_identified


def test_identify_alone_sets_and_does_not_identify() -> None:
    done = planned(captured_record(event="$identify", properties={"$set": {"a": 1}}), persons={(1, "u1"): person()})
    [changed] = done.writes.persons
    assert (values(changed.properties), changed.is_identified) == ({"a": 1}, False)


def test_unset_has_an_effect_inside_properties_only() -> None:
    inside = planned(captured_record(properties={"$unset": ["a"]}), persons={(1, "u1"): person(a=1, b=1)})
    assert values(inside.writes.persons[0].properties) == {"b": 1}
    outside = planned(captured_record(**{"data_$unset": ["a"]}), persons={(1, "u1"): person(a=1)})
    assert outside.writes.persons == []


def test_team_without_person_profiles() -> None:
    events = [
        captured_record(0, token="phc_none", properties={"$set": {"a": 1}}),
        captured_record(1, token="phc_none", event="$identify"),
    ]
    done = planned(*events)
    assert done.writes.persons == []
    assert (len(done.rows), stored(done)["person_mode"]) == (1, "propertyless")


def test_group_types_are_numbered_as_they_come_and_a_sixth_gets_none() -> None:
    named = {f"type {number}": f"key {number}" for number in range(6)}
    done = planned(captured_record(properties={"$groups": named}))
    columns = {name: value for name, value in stored(done)["properties"].items() if name.startswith("$group_")}
    assert columns == {f"$group_{number}": f"key {number}" for number in range(5)}
    assert done.writes.group_types == [(1, f"type {number}", number) for number in range(5)]
    shy = planned(captured_record(properties={"$groups": named, "$process_person_profile": False}))
    assert shy.writes.group_types == []


def test_groups_are_set_together_within_a_batch() -> None:
    def identify(offset: int, said: object) -> Record:
        properties = {"$group_type": "company", "$group_key": "acme", "$group_set": said, "$set": {"no": 1}}
        return captured_record(offset, event="$groupidentify", properties=properties)

    done = planned(identify(0, {"n": 1}), identify(1, {"m": 2}), identify(2, "x"))
    [group] = done.writes.groups
    assert (group.type_index, group.key, values(group.properties), group.version) == (0, "acme", {"n": 1, "m": 2}, 1)
    assert "no" not in done.writes.persons[0].properties
    assert done.warnings == {"invalid_group_set": 1}
    assert len(done.rows) == 3


def test_long_group_key_is_dropped() -> None:
    done = planned(captured_record(event="$groupidentify", properties={"$group_type": "t", "$group_key": "k" * 401}))
    assert (done.rows, done.warnings) == ([], {"group_key_too_long": 1})


def test_client_warning_is_no_event() -> None:
    said = {"$$client_ingestion_warning_message": "too much"}
    done = planned(captured_record(event="$$client_ingestion_warning", properties=said))
    assert (done.rows, done.warned[0].details["message"]) == ([], "too much")


def test_a_warning_by_capture_is_its_own() -> None:
    made = warning_record("phc_one", "missing_distinct_id", 7, NOW)
    record = raw_record(made.value, headers=dict(made.headers))
    done = planned(record)
    assert (done.rows, done.dropped, done.writes.persons) == ([], [], [])
    assert done.outcomes == {("ok", "ingestion_warning"): 1}
    [warned] = done.warned
    assert warned == Warned(1, "missing_distinct_id", "capture", "", {"count": 7}, source="capture")
    told = json.loads(warning_of(warned, NOW).value)
    assert (told["source"], told["type"]) == ("capture", "missing_distinct_id")
    assert json.loads(told["details"]) == {
        "count": 7, "category": "event", "severity": "error", "pipelineStep": "capture",
    }  # fmt: skip


def test_no_sender_speaks_for_capture() -> None:
    said = {"$$ingestion_warning_type": "invalid_batch", "$$ingestion_warning_count": 5}
    done = planned(captured_record(event="$$client_ingestion_warning", properties=said))
    assert [warned.type for warned in done.warned] == ["client_ingestion_warning"]


def test_a_group_does_not_grow_without_end() -> None:
    ingested = Ingested()

    def identify(**said: Any) -> None:
        about = {"$group_type": "company", "$group_key": "acme", "$group_set": said}
        assert ingested.event("$groupidentify", properties=about)

    for number in range(3):
        identify(**{f"a{number}": "x" * 400_000})
    identify(small=1)
    [group] = ingested.store.groups.values()
    assert [*group.properties] == ["a0", "a1", "small"]
    assert ingested.warnings == ["group_upsert_message_size_too_large"]
    ingested.event(
        "$groupidentify", properties={"$group_type": "company", "$group_key": "b", "$group_set": {"x": "y" * 10**6}}
    )
    assert len(ingested.store.groups) == 1


def test_a_country_is_news_and_the_place_in_it_is_noise() -> None:
    ingested = Ingested()
    ingested.event(
        properties={"$set": {"$geoip_country_code": "SE", "$geoip_latitude": 1, "$geoip_continent_code": "EU"}}
    )
    ingested.event(properties={"$set": {"$geoip_latitude": 2}})
    assert (ingested.person() or {})["$geoip_latitude"] == 1
    for name in ("$geoip_country_code", "$geoip_continent_code"):
        ingested.event(properties={"$set": {name: "XX"}})
        assert (ingested.person() or {})[name] == "XX"
