"""Latency and insert speed of the embedded ClickHouse server.

By hand: python -m tests.bench.bench_clickhouse_server
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import asynch
import httpx

from hedgerow.embedded.clickhouse.process import ClickHouseProcess

ROWS, BATCH = 100_000, 5_000


def resident(pid: int) -> str:
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return ", ".join(f"{name} {int(fields[name].split()[0]) // 1024} MB" for name in ("Pss", "Rss", "Pss_Anon"))


async def latency(name: str, call: Callable[[], Awaitable[object]], count: int = 200) -> None:
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        await call()
        times.append((time.perf_counter() - begin) * 1000)
    times.sort()
    print(f"{name}: p50 {statistics.median(times):.2f} ms, p99 {times[int(count * 0.99)]:.2f} ms")


async def measure(server: ClickHouseProcess) -> None:
    auth = ("default", "bench")
    native = asynch.Connection(host=server.host, port=server.native_port, user="default", password="bench")
    http = httpx.AsyncClient(base_url=f"http://{server.host}:{server.http_port}", auth=auth, timeout=60)
    async with native, native.cursor() as cursor, http:
        await latency("SELECT 1, native", lambda: cursor.execute("SELECT 1"))
        await latency("SELECT 1, HTTP", lambda: http.post("/", content="SELECT 1"))
        await cursor.execute("CREATE TABLE t (a Int64, s String, d DateTime64(6, 'UTC')) ENGINE = MergeTree ORDER BY a")
        line = '{"a":%d,"s":"' + "x" * 200 + '","d":"2026-01-02 03:04:05.000006"}\n'
        body = "".join(line % number for number in range(BATCH)).encode()
        begin = time.perf_counter()
        for _ in range(ROWS // BATCH):
            answer = await http.post("/", params={"query": "INSERT INTO t FORMAT JSONEachRow"}, content=body)
            answer.raise_for_status()
        print(f"insert over HTTP, {BATCH} rows a batch, fsync: {ROWS / (time.perf_counter() - begin):,.0f} rows/s")
        rows = [(number, "x" * 200) for number in range(BATCH)]
        begin = time.perf_counter()
        for _ in range(ROWS // BATCH):
            await cursor.execute("INSERT INTO t (a, s) VALUES", rows)
        print(f"insert over TCP, {BATCH} rows a batch, fsync: {ROWS / (time.perf_counter() - begin):,.0f} rows/s")
        begin, received = time.perf_counter(), 0
        async with http.stream("POST", "/", content="SELECT * FROM t FORMAT JSONEachRow") as stream:
            async for chunk in stream.aiter_raw():
                received += len(chunk)
        print(f"select over HTTP: {received / (time.perf_counter() - begin) / 1e6:,.0f} MB/s")


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = ClickHouseProcess(Path(folder), "bench", "--idle-seconds", "3")
        begin = time.perf_counter()
        await server.start()
        print(f"ready after {time.perf_counter() - begin:.2f} s; fresh: {resident(server.pid)}")
        await measure(server)
        print(f"after work: {resident(server.pid)}")
        await asyncio.sleep(7)
        print(f"idle again: {resident(server.pid)}")
        await server.stop()


if __name__ == "__main__":
    asyncio.run(main())
