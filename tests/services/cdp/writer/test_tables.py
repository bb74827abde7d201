"""Lines of persons, distinct ids and groups. Whether ClickHouse takes them: test_identity, test_beside_events."""

import json

import msgspec
import pytest

from libs.kit.contracts.persons import DistinctIdUpdate, PersonUpdate
from libs.kit.contracts.topics import DISTINCT_IDS, PERSONS
from libs.kit.eventlog import Record
from libs.kit.schema.event_row import readable
from services.cdp.writer.tables import Line, lines

ID = "85ff3cea-62dd-5cfc-9679-ebd1caf288f8"
DEEP = '{"a":' * 600 + "1" + "}" * 600


def person(properties: str, identity: str = ID) -> Line:
    update = PersonUpdate(
        id=identity,
        created_at="2026-11-22 08:12:43",
        properties=properties,
        team_id=1,
        is_identified=1,
        is_deleted=0,
        version=7,
        last_seen_at="2026-11-22 08:12:44",
    )
    [line] = lines(Record(PERSONS.name, 3, 11, None, msgspec.json.encode(update), (), 1_793_000_000_123), 30)
    return line


@pytest.mark.parametrize(
    "properties",
    [
        "{}",
        '{"email":"a@b","n":1,"on":true,"none":null}',
        '{ "quotes" : "a\\"b\\\\",\n\t"lines": "a\\nb" }',
        '{"name":"Zoë 🙂","escaped":"\\u00eb \\ud83d\\ude42"}',
        '{"half":"\\ud83d"}',
        '{"huge":1e999,"long":123456789012345678901234567890}',
        '{"in":{"here":[1,{"x":"\\ud83d"}]}}',
        '{"a":1,"a":2}',
        "[1]",
        "no json",
        DEEP,
    ],
)
def test_properties_are_there_as_they_came_and_as_clickhouse_can_read_them(properties: str) -> None:
    line = person(properties).text
    assert line.endswith(b',"properties":%s}\n' % readable(properties.encode())[0])
    if properties != DEEP:
        assert json.loads(line)["properties_raw"] == properties
    assert line.count(b"\n") == 1 + properties.count("\n")


def test_columns_of_a_person() -> None:
    assert json.loads(person('{"a":1}').text) == {
        "id": ID,
        "created_at": "2026-11-22 08:12:43",
        "team_id": 1,
        "is_identified": 1,
        "is_deleted": 0,
        "version": 7,
        "last_seen_at": "2026-11-22 08:12:44",
        "_timestamp": 1_793_000_000,
        "_offset": 11,
        "_partition": 3,
        "properties": {"a": 1},
        "properties_raw": '{"a":1}',
    }


@pytest.mark.parametrize("identity", [ID.upper(), ID.replace("-", ""), f"{{{ID}}}", f"urn:uuid:{ID}"])
def test_ids_are_written_one_way(identity: str) -> None:
    assert json.loads(person("{}", identity).text)["id"] == ID


@pytest.mark.parametrize("identity", ["", "nobody", ID[:-1], ID + "\n", ID.replace("-", "_")])
def test_what_is_no_id_is_refused(identity: str) -> None:
    with pytest.raises(ValueError, match="badly formed"):
        person("{}", identity)


@pytest.mark.parametrize(
    ("version", "tables"), [(0, ["person_distinct_id2"]), (1, ["person_distinct_id2", "person_distinct_id_overrides"])]
)
def test_a_distinct_id_that_moved_is_an_override_too(version: int, tables: list[str]) -> None:
    update = DistinctIdUpdate(person_id=ID, team_id=1, distinct_id="a", version=version, is_deleted=0)
    record = Record(DISTINCT_IDS.name, 0, 0, None, msgspec.json.encode(update), (), 0)
    made = lines(record, 30)
    assert [line.table for line in made] == tables
    assert {line.text for line in made} == {made[0].text}
