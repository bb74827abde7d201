"""Several workers, each with a partition of its own, whose events are about the same people: on a real PostgreSQL."""

import asyncio
import json
import random
import uuid
from collections.abc import Awaitable, Callable, Sequence

from libs.kit.errors import Conflict, Unavailable
from libs.kit.eventlog import Record
from libs.kit.runtime import Runtime
from libs.kit.teams import Team
from services.cdp.ingestion.needs import needs
from services.cdp.ingestion.plan import Known, parsed, plan
from services.cdp.ingestion.repository import Move, PersonStore, Source
from tests.services.cdp.ingestion.test_against_model import START, Downstream
from tests.support.captured import captured_record
from tests.support.pipeline import prepare
from tests.support.scale import scaled

TEAMS = {"phc_one": Team(1, "phc_one")}
SOURCE = Source("log", "events", "group")


class OneWorker:
    """Load, plan, commit; planned again on a conflict. `loaded` happens between the first load and its commit."""

    def __init__(self, runtime: Runtime, partition: int, below: Downstream):
        self._store = PersonStore(runtime.postgres)
        self._partition = partition
        self._below = below
        self._position = 0
        self.conflicts = 0

    async def settle(self, records: Sequence[Record], loaded: Callable[[], Awaitable[object]] | None = None) -> None:
        events = parsed(list(records))
        position = {self._partition: self._position}
        await self._store.positions(SOURCE, position)
        while True:
            known = Known(TEAMS, *await self._store.load(needs(events, TEAMS, position)))
            done = plan(events, known, position, set(), START)
            if loaded is not None:
                await loaded()
                loaded = None
            end = self._position + len(records)
            try:
                await self._store.commit(SOURCE, {self._partition: Move(self._position, end)}, done.writes)
            except (Conflict, Unavailable):
                self.conflicts += 1
                continue
            self._position = end
            self._below.take(done)
            return

    def said(self, number: int, event: str, distinct_id: str, **properties: object) -> Record:
        """One event of this worker's partition."""
        return captured_record(
            self._position + number,
            partition=self._partition,
            uuid_=str(uuid.UUID(int=(self._partition << 64) + self._position + number + 1)),
            event=event,
            distinct_id=distinct_id,
            properties=properties,
        )


async def _consistent(runtime: Runtime, below: Downstream) -> None:
    """What stands downstream is what is committed, and every event is found under the person of its distinct id."""
    links = await runtime.postgres.fetch(
        "SELECT distinct_id, person_uuid::text AS person, version FROM posthog_persondistinctid"
    )
    owner = {link["distinct_id"]: link["person"] for link in links}
    assert {link["distinct_id"]: (link["person"], link["version"]) for link in links} == {
        name: (value["person_id"], value["version"]) for name, value in below.ids.items()
    }
    persons = await runtime.postgres.fetch(
        "SELECT uuid::text AS uuid, version, is_deleted, properties::text FROM posthog_person"
    )
    assert {row["uuid"]: (row["version"], int(row["is_deleted"])) for row in persons} == {
        name: (value["version"], value["is_deleted"]) for name, value in below.persons.items()
    }
    living = {row["uuid"] for row in persons if not row["is_deleted"]}
    assert set(owner.values()) == living
    for row in below.rows.values():
        if row["distinct_id"] in owner:
            assert below.resolved(row) == owner[row["distinct_id"]], row


async def test_the_same_pair_merged_in_opposite_order_at_once(runtime: Runtime) -> None:
    await prepare(runtime)
    below = Downstream()
    first, second = OneWorker(runtime, 0, below), OneWorker(runtime, 1, below)
    await first.settle([first.said(0, "seen", "a", **{"$set": {"from": "a"}}), first.said(1, "seen", "b")])
    barrier = asyncio.Barrier(2)
    await asyncio.gather(
        first.settle([first.said(0, "$merge_dangerously", "a", alias="b")], barrier.wait),
        second.settle([second.said(0, "$merge_dangerously", "b", alias="a")], barrier.wait),
    )
    assert first.conflicts + second.conflicts == 1, "one of the two had to look again"
    await _consistent(runtime, below)
    rows = await runtime.postgres.fetch("SELECT properties FROM posthog_person WHERE NOT is_deleted")
    assert len(rows) == 1
    assert json.loads(rows[0]["properties"])["from"] == "a"


async def test_a_person_that_another_partition_changes_between_load_and_commit(runtime: Runtime) -> None:
    await prepare(runtime)
    below = Downstream()
    first, second = OneWorker(runtime, 0, below), OneWorker(runtime, 1, below)
    await first.settle([first.said(0, "seen", "a"), first.said(1, "seen", "b")])
    barrier = asyncio.Barrier(2)
    await asyncio.gather(
        first.settle([first.said(0, "$identify", "a", **{"$anon_distinct_id": "c", "$set": {"one": 1}})], barrier.wait),
        second.settle([second.said(0, "$merge_dangerously", "b", alias="a", **{"$set": {"two": 2}})], barrier.wait),
    )
    await _consistent(runtime, below)
    [row] = await runtime.postgres.fetch("SELECT properties FROM posthog_person WHERE NOT is_deleted")
    assert json.loads(row["properties"]).keys() >= {"one", "two"}
    links = await runtime.postgres.fetch("SELECT DISTINCT person_uuid FROM posthog_persondistinctid")
    assert len(links) == 1, "the distinct id that came in between moved as well"


async def test_a_distinct_id_comes_to_a_person_that_is_being_merged(runtime: Runtime) -> None:
    """It changes nothing else about the person; the merge, decided before, must move it all the same."""
    await prepare(runtime)
    below = Downstream()
    first, second = OneWorker(runtime, 0, below), OneWorker(runtime, 1, below)
    await first.settle(
        [
            first.said(0, "seen", "b"),
            first.said(1, "seen", "a"),
            first.said(2, "$identify", "a", **{"$anon_distinct_id": "a2"}),
        ]
    )

    async def meanwhile() -> None:
        await first.settle([first.said(0, "$identify", "a", **{"$anon_distinct_id": "c"})])

    await second.settle([second.said(0, "$merge_dangerously", "b", alias="a")], meanwhile)
    assert second.conflicts == 1
    await _consistent(runtime, below)
    links = await runtime.postgres.fetch("SELECT DISTINCT person_uuid FROM posthog_persondistinctid")
    assert len(links) == 1


async def test_an_id_is_seen_without_a_person_while_it_gets_one(runtime: Runtime) -> None:
    """Whoever comes second must know: the event's made-up person needs an override."""
    await prepare(runtime)
    for number in range(scaled(100, least=4)):
        below = Downstream()
        await runtime.postgres.execute(
            "TRUNCATE posthog_person, posthog_persondistinctid, posthog_personlessdistinctid"
        )
        await runtime.postgres.execute("TRUNCATE hedgerow_log_position")
        first, second = OneWorker(runtime, 0, below), OneWorker(runtime, 1, below)
        await first.settle([first.said(0, "seen", "u")])
        barrier = asyncio.Barrier(2)
        both = [
            first.settle([first.said(0, "seen", "anon", **{"$process_person_profile": False})], barrier.wait),
            second.settle([second.said(0, "$identify", "u", **{"$anon_distinct_id": "anon"})], barrier.wait),
        ]
        await asyncio.gather(*(both if number % 2 else reversed(both)))
        await _consistent(runtime, below)


async def test_random_workers(runtime: Runtime) -> None:
    await prepare(runtime)
    rng = random.Random(11)
    for _ in range(scaled(200, least=4)):
        await runtime.postgres.execute(
            "TRUNCATE posthog_person, posthog_persondistinctid, posthog_personlessdistinctid"
        )
        await runtime.postgres.execute("TRUNCATE hedgerow_log_position")
        below = Downstream()
        workers = [OneWorker(runtime, number, below) for number in range(3)]
        for _ in range(4):
            barrier = asyncio.Barrier(len(workers))
            await asyncio.gather(*(worker.settle(_random_batch(rng, worker), barrier.wait) for worker in workers))
        await _consistent(runtime, below)


def _random_batch(rng: random.Random, worker: OneWorker) -> list[Record]:
    batch = []
    for number in range(rng.randrange(1, 4)):
        distinct_id, other = rng.sample("abcde", 2)
        match rng.randrange(4):
            case 0:
                batch.append(worker.said(number, "seen", distinct_id, **{"$set": {"n": rng.randrange(9)}}))
            case 1:
                batch.append(worker.said(number, "seen", distinct_id, **{"$process_person_profile": False}))
            case 2:
                batch.append(worker.said(number, "$identify", distinct_id, **{"$anon_distinct_id": other}))
            case _:
                batch.append(worker.said(number, "$merge_dangerously", distinct_id, alias=other))
    return batch
