"""Everything the writer asks of ClickHouse.

An insert's query_id names the log and the partitions its rows came from, so that whoever owns one of them next can find
it and end it: `hedgerow-writer-<log>-<bit mask of the partitions, hex>-<random>`.
"""

import json
import secrets
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from hashlib import md5
from typing import Any
from uuid import uuid4

from libs.kit.clickhouse import ClickHouse
from libs.kit.clickhouse.conditional import OnlyIf
from libs.kit.errors import DeadlineExceeded, QueryRefused, Unavailable
from libs.kit.schema.clickhouse import sessions
from libs.kit.schema.event_block import COLUMNS
from services.cdp.writer.copies import DIGEST_SQL, Identity
from services.cdp.writer.rows import Row

TABLE = "events"
WRITERS = "event_writers"
# through a Distributed table: answer when the shard has it
_WHOLE = {"distributed_foreground_insert": 1}
# ClickHouse limits one form field; 40 bytes a uuid, 35 a digest.
LOOKUP_ROWS = 2_000

_HIGHEST = "SELECT max(number) FROM event_writers WHERE log_id = {log:String}"
_REPLICAS = (
    "SELECT sum(total_replicas) FROM system.replicas WHERE database = currentDatabase() AND table = 'event_writers'"
)
# The highest number of each partition is ours.
_OURS = """
    event_writers FINAL
    WHERE log_id = {log:String} AND has({held:Array(Tuple(UInt32, UInt64))}, (partition, number))
"""
_STORED_FROM = """
    SELECT _offset, hex(@digest) FROM events
    WHERE _log_id = {log:String} AND _partition = {partition:UInt32} AND _offset >= {position:UInt64}
""".replace("@digest", DIGEST_SQL)
_FEED_SESSIONS = "INSERT INTO raw_sessions " + sessions.select(
    "events", "_log_id = {log:String} AND _partition = {partition:UInt32} AND _offset >= {position:UInt64}"
)
_STORED_COPIES = """
    SELECT team_id, toString(uuid), event, distinct_id FROM events
    WHERE _timestamp >= toDateTime({since:UInt32}, 'UTC')
      AND uuid IN {uuids:Array(UUID)} AND hex(@digest) IN {digests:Array(String)}
    LIMIT 1 BY team_id, uuid, event, distinct_id
""".replace("@digest", DIGEST_SQL)
# Rows of another incarnation of the topic count whatever their partition was.
_DIGESTS = """
    SELECT @digest FROM events
    WHERE _timestamp >= toDateTime({since:UInt32}, 'UTC')
      AND (_log_id != {log:String} OR _partition IN {partitions:Array(UInt32)})
""".replace("@digest", DIGEST_SQL)


def query_prefix(log_id: str) -> str:
    """How the ids of all inserts from this log begin. A log's own id may hold characters that a query's must not."""
    return f"hedgerow-writer-{md5(log_id.encode(), usedforsecurity=False).hexdigest()[:16]}-"


def query_id(log_id: str, partitions: Collection[int]) -> str:
    """A fresh id for an insert of rows from these partitions."""
    return f"{query_prefix(log_id)}{sum(1 << one for one in set(partitions)):x}-{uuid4().hex[:16]}"


def touches(query_id: str, log_id: str, partitions: Collection[int]) -> bool:
    """Whether the insert of that id holds rows from one of these partitions."""
    mask, _, _ = query_id.removeprefix(query_prefix(log_id)).partition("-")
    return query_id.startswith(query_prefix(log_id)) and any(int(mask, 16) >> one & 1 for one in partitions)


def still_owner(log_id: str, numbers: Mapping[int, int]) -> OnlyIf:
    """Nobody has taken over one of these partitions since we did. numbers: partition to ours."""
    return OnlyIf(_OURS, {"log": log_id, "held": sorted(numbers.items())}, len(numbers))


class EventStore:
    """The events table. Whatever fails other than an insert's own rows is an outage: it raises Unavailable."""

    def __init__(self, clickhouse: ClickHouse, cluster: str | None, *, refill_seconds: float):
        self._clickhouse = clickhouse
        self._cluster = cluster
        self._processes = f"clusterAllReplicas('{cluster}', system.processes)" if cluster else "system.processes"
        self._refill_seconds = refill_seconds

    async def take_over(self, log_id: str, partitions: Collection[int]) -> int:
        """From now on inserts of rows from these partitions are refused, unless they carry the number returned or have
        begun already. Raises Unavailable or OutcomeUnknown; then it must be done again.

        The number is the highest one yet. Two writers that take over at once do not get the same one, for half of it
        is drawn by lot."""
        [[highest]] = await self._read(_HIGHEST, {"log": log_id})
        number = int(highest) + 1 + secrets.randbits(32)
        rows = [{"log_id": log_id, "partition": one, "number": number} for one in sorted(partitions)]
        settings = await self._on_every_replica() if self._cluster else {}
        try:
            await self._clickhouse.insert(WRITERS, "\n".join(map(json.dumps, rows)).encode(), settings=settings)
        except (DeadlineExceeded, QueryRefused) as exc:
            raise Unavailable(f"ClickHouse does not take a new owner: {exc.detail}") from exc
        return number

    async def _on_every_replica(self) -> dict[str, int]:
        """Each node looks at the rows it has itself: an answer must mean that all nodes have them."""
        [[replicas]] = await self._read(_REPLICAS, {})
        return {"insert_quorum": int(replicas)}

    async def end_inserts(self, log_id: str, partitions: Collection[int]) -> list[str]:
        """End every insert of rows from these partitions, whoever runs it, and wait until it has ended.

        Returns the ids of those that ran."""
        ended: list[str] = []
        while running := await self._running(log_id, partitions):
            for name in running:
                try:
                    await self._clickhouse.kill(name)
                except (DeadlineExceeded, QueryRefused) as exc:
                    raise Unavailable(f"An insert does not end: {exc.detail}") from exc
                ended.append(name)
        return ended

    async def _running(self, log_id: str, partitions: Collection[int]) -> list[str]:
        where = f"startsWith(initial_query_id, '{query_prefix(log_id)}')"
        sql = f"SELECT DISTINCT initial_query_id FROM {self._processes} WHERE {where}"  # noqa: S608
        try:
            rows = await self._clickhouse.fetch(sql)
        except (DeadlineExceeded, QueryRefused) as exc:
            raise Unavailable(f"ClickHouse does not say what runs: {exc.detail}") from exc
        return [name for (name,) in rows if touches(name, log_id, partitions)]

    async def stored_from(self, log_id: str, partition: int, position: int) -> dict[int, bytes]:
        """Which offsets from `position` on are stored, and their digests. There are few: a position moves after each
        batch."""
        params = {"log": log_id, "partition": partition, "position": position}
        return {int(offset): bytes.fromhex(key) for offset, key in await self._read(_STORED_FROM, params)}

    async def feed_again(self, log_id: str, partition: int, position: int) -> None:
        """Give the stored rows from `position` on to the tables that views fill: an insert that was cut off may have
        stored a row and not what a view makes of it. These tables do not change when they get a row twice."""
        params = {"log": log_id, "partition": partition, "position": position}
        try:
            await self._clickhouse.query(_FEED_SESSIONS, params, settings=_WHOLE, readonly=False)
        except (DeadlineExceeded, QueryRefused) as exc:
            raise Unavailable(f"Sessions are not fed again: {exc.detail}") from exc

    async def stored_copies(self, rows: Sequence[Row], since_ms: int) -> set[Identity]:
        """Which of these identities are stored, among rows that arrived since `since_ms`."""
        found: set[Identity] = set()
        for start in range(0, len(rows), LOOKUP_ROWS):
            asked = rows[start : start + LOOKUP_ROWS]
            params = {
                "since": max(0, since_ms // 1000),
                "uuids": [row.identity[1] for row in asked],
                "digests": [row.key.hex().upper() for row in asked],
            }
            found.update((int(row[0]), row[1], row[2], row[3]) for row in await self._read(_STORED_COPIES, params))
        return found

    async def digests(self, log_id: str, partitions: Collection[int], since_ms: int) -> AsyncIterator[bytes]:
        """Digests of all rows of these partitions that arrived since `since_ms`, 16 bytes each, in large pieces."""
        params = {"log": log_id, "partitions": sorted(partitions), "since": max(0, since_ms // 1000)}
        rest = b""
        try:
            pieces = self._clickhouse.stream(_DIGESTS, params, output_format="RowBinary", timeout=self._refill_seconds)
            async for piece in pieces:
                rest += piece
                whole = len(rest) - len(rest) % 16
                yield rest[:whole]
                rest = rest[whole:]
        except (DeadlineExceeded, QueryRefused) as exc:
            raise Unavailable(f"ClickHouse does not answer: {exc.detail}") from exc

    async def insert(self, log_id: str, rows: Sequence[Row], numbers: Mapping[int, int], block: bytes = b"") -> None:
        """All rows or, of some months, none; see `ClickHouse.insert` for what it raises. Each call has a fresh id.
        They travel as `block` when there is one, else as lines.

        numbers: with which each partition was taken over. Raises Fenced when somebody else has since."""
        partitions = {row.record.partition for row in rows}
        await self._clickhouse.insert(
            TABLE,
            block or b"".join(row.line for row in rows),
            query_id=query_id(log_id, partitions),
            columns=COLUMNS,
            native=bool(block),
            only_if=still_owner(log_id, {one: numbers[one] for one in partitions}),
        )

    async def _read(self, sql: str, params: dict[str, Any]) -> Sequence[Sequence[Any]]:
        try:
            return (await self._clickhouse.query(sql, params)).rows
        except (DeadlineExceeded, QueryRefused) as exc:
            raise Unavailable(f"ClickHouse does not answer: {exc.detail}") from exc
