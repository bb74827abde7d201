"""How PostgreSQL goes about what ingestion asks of it."""

import uuid
from datetime import UTC, datetime

import pytest

from libs.kit.runtime import Runtime
from services.cdp.ingestion import repository
from services.cdp.ingestion.needs import Needs
from services.cdp.ingestion.persons import person_uuid
from services.cdp.ingestion.repository import PersonStore
from tests.support.pipeline import prepare

NOW = datetime(2026, 11, 5, 10, tzinfo=UTC)
PEOPLE = 3_000
WANTED = 1_500
NAMES = [f"u{number}" for number in range(PEOPLE)]
UUIDS = [person_uuid(1, name) for name in NAMES]


@pytest.fixture
async def peopled(runtime: Runtime) -> Runtime:
    """Persons enough that reading all of them would be the cheaper plan, if it may be chosen."""
    await prepare(runtime)
    async with runtime.postgres.transaction() as connection:
        columns = ([1] * PEOPLE, UUIDS, [NOW] * PEOPLE, ['{"a": 1}'] * PEOPLE, [0] * PEOPLE, [False] * PEOPLE)
        await connection.execute(repository._INSERT, *columns, [False] * PEOPLE, [NOW] * PEOPLE)
        await connection.execute(repository._NEW_LINKS, [1] * PEOPLE, NAMES, UUIDS, [0] * PEOPLE)
        await connection.execute(repository._NEW_PERSONLESS, [1] * PEOPLE, NAMES, [False] * PEOPLE)
    async with runtime.postgres.connection() as connection:
        for table in ("posthog_person", "posthog_persondistinctid", "posthog_personlessdistinctid"):
            await connection.execute(f"ANALYZE {table}")
    return runtime


async def test_no_batch_reads_a_whole_table(peopled: Runtime) -> None:
    teams, names, uuids = [1] * WANTED, NAMES[:WANTED], UUIDS[:WANTED]
    columns = (teams, uuids, [NOW] * WANTED, ["{}"] * WANTED, [1] * WANTED, [False] * WANTED, [False] * WANTED)
    asked = {
        repository._PERSONS: (repository._array_of(teams), names),
        repository._LINKS_OF: (teams, uuids, None),
        repository._BY_UUID: (teams, uuids),
        repository._PERSONLESS: (teams, names),
        repository._LOCK: (teams, uuids),
        repository._UPDATE: (*columns, [NOW] * WANTED, [0] * WANTED),
        repository._MOVED_LINKS: (teams, names, uuids, [1] * WANTED, [0] * WANTED),
        repository._MERGED_PERSONLESS: (teams, names),
    }
    async with peopled.postgres.transaction() as connection:
        await connection.execute(repository._ROW_BY_ROW)
        for statement, values in asked.items():
            plan = "\n".join(line for (line,) in await connection.fetch(f"EXPLAIN {statement}", *values))
            assert "Index Scan" in plan, plan
            assert not any(way in plan for way in ("Seq Scan on posthog", "Hash Join", "Merge")), plan
    for statement in (repository._PERSONS, repository._LINKS_OF, repository._BY_UUID, repository._PERSONLESS):
        plan = "\n".join(line for (line,) in await peopled.postgres.fetch(f"EXPLAIN {statement}", *asked[statement]))
        assert "Seq Scan on posthog" not in plan, plan


async def test_whose_a_distinct_id_is(peopled: Runtime) -> None:
    lost, other = uuid.UUID(int=5), UUIDS[9]
    change = "UPDATE posthog_persondistinctid SET person_uuid = $1, is_deleted = $2, version = 3 WHERE distinct_id = $3"
    await peopled.postgres.execute(change, other, False, "u0")  # it was given away
    await peopled.postgres.execute(change, lost, False, "u1")  # it leads nowhere
    await peopled.postgres.execute(change, other, True, "u2")  # it was taken back
    await peopled.postgres.execute("DELETE FROM posthog_persondistinctid WHERE distinct_id = 'u3'")
    await peopled.postgres.execute("DELETE FROM posthog_person WHERE uuid = $1", UUIDS[4])  # nobody is left
    names = ("u0", "u1", "u2", "u3", "u4", "u5", "nobody")
    loaded, _ = await PersonStore(peopled.postgres).load(Needs(persons={(1, name) for name in names}))
    assert {number for _, number in loaded.persons} == {other.int, *(UUIDS[place].int for place in (1, 2, 3, 5))}
    links = {
        key[1]: (link.person, link.version, link.stored_version, link.is_deleted) for key, link in loaded.links.items()
    }
    assert links == {
        "u0": (other, 3, 3, False),
        "u1": (lost, 3, 3, False),
        "u2": (other, 3, 3, True),
        "u4": (UUIDS[4], 0, 0, False),
        "u5": (UUIDS[5], 0, 0, False),
    }
    person = loaded.persons[1, UUIDS[5].int]
    assert (person.uuid, person.created_at, person.version, person.stored_version) == (UUIDS[5], NOW, 0, 0)
    assert (person.is_deleted, person.is_identified, person.last_seen_at) == (False, False, NOW)
    assert person.properties == {"a": b"1"}


async def test_of_persons_with_too_many_distinct_ids_no_more_are_read_than_show_it(peopled: Runtime) -> None:
    change = "UPDATE posthog_persondistinctid SET person_uuid = $1 WHERE distinct_id = ANY($2)"
    await peopled.postgres.execute(change, UUIDS[0], NAMES[:9])
    pair, store = ((1, "u0"), (1, "u9")), PersonStore(peopled.postgres, merge_limit=4)
    loaded, _ = await store.load(Needs(persons=set(pair), merges=[pair]))
    assert {number: len(keys) for (_, number), keys in loaded.keys_of.items()} == {UUIDS[0].int: 5, UUIDS[9].int: 1}
    # what is emitted again must tell of all that a merge once moved
    loaded, _ = await store.load(Needs(persons=set(pair), retold=set(pair)))
    assert len(loaded.keys_of[1, UUIDS[0].int]) == 9
