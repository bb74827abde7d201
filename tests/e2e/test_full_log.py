"""A full log drains: capture fills it while ClickHouse stands still, then answers 503; what it acknowledged arrives."""

import asyncio
import signal
import uuid
from pathlib import Path

import httpx
import orjson
import pytest

from tests.support.instance import running


def batch(token: str) -> bytes:
    """Fifty events of 4 kB."""
    events = [
        {"event": "fill", "distinct_id": f"u{n}", "uuid": str(uuid.uuid4()), "properties": {"filler": "x" * 4000}}
        for n in range(50)
    ]
    return orjson.dumps({"api_key": token, "batch": events})


@pytest.mark.embedded
@pytest.mark.timeout(900)
async def test_a_full_log_refuses_and_then_drains(tmp_path: Path) -> None:
    small = {"HEDGEROW_UP_LOG_MEMORY_BYTES": str(24 * 1024 * 1024)}
    async with running(tmp_path / "data", small) as instance:
        clickhouse = instance.part("clickhouse")
        assert clickhouse is not None
        token = instance.info["project_api_key"]
        acknowledged, refused = 0, 0
        clickhouse.send_signal(signal.SIGSTOP)
        try:
            async with httpx.AsyncClient(base_url=instance.url, timeout=30) as client, asyncio.timeout(240):
                while refused < 5:
                    answer = await client.post("/batch/", content=batch(token))
                    assert answer.status_code in (200, 503), answer.text
                    acknowledged += 50 * (answer.status_code == 200)
                    refused += answer.status_code == 503
        finally:
            clickhouse.send_signal(signal.SIGCONT)
        assert acknowledged > 1000
        async with asyncio.timeout(400):
            stored, distinct = 0, 0
            while stored < acknowledged:
                await asyncio.sleep(0.5)
                question = "select count(), count(distinct uuid) from events where event = 'fill'"
                stored, distinct = (await instance.query(question))[0]
        # A batch refused with 503 may have been taken in part; what was acknowledged is there, and nothing twice.
        assert stored == distinct
