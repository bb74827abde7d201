"""A running embedded ClickHouse server, and the ways into it that its clients use."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asynch
import httpx

from hedgerow.embedded.clickhouse.process import ClickHouseProcess


@dataclass
class Server:
    """A running server and ways into it."""

    process: ClickHouseProcess

    @asynccontextmanager
    async def native(self, database: str = "default", password: str = "secret", **options: Any) -> AsyncIterator[Any]:
        connection = asynch.Connection(
            host=self.process.host,
            port=self.process.native_port,
            user="default",
            password=password,
            database=database,
            **options,
        )
        async with connection, connection.cursor() as cursor:
            yield cursor

    @asynccontextmanager
    async def http(self, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
        options.setdefault("auth", ("default", "secret"))
        address = f"http://{self.process.host}:{self.process.http_port}"
        async with httpx.AsyncClient(base_url=address, timeout=60, **options) as client:
            yield client

    async def ask(self, sql: str, **params: str) -> str:
        async with self.http() as client:
            answer = await client.post("/", content=sql, params=params)
            assert answer.status_code == 200, answer.text
            return answer.text

    async def fetch(self, sql: str, **settings: Any) -> list[tuple[Any, ...]]:
        async with self.native() as cursor:
            await cursor.execute(sql)
            rows: list[tuple[Any, ...]] = await cursor.fetchall()
            return rows

    def memory(self) -> int:
        """Bytes resident that are the process' own."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) * 1024


def table() -> str:
    """A name nobody has."""
    return f"t_{uuid.uuid4().hex[:12]}"


async def until(condition: Callable[[], Awaitable[bool]], timeout: float = 60.0) -> None:
    """Wait for it."""
    deadline = time.monotonic() + timeout
    while not await condition():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.02)


async def running(server: Server, query_id: str) -> bool:
    """Whether system.processes shows it."""
    sql = "SELECT count() FROM system.processes WHERE query_id = {id:String}"
    return (await server.ask(sql, param_id=query_id)).strip() == "1"
