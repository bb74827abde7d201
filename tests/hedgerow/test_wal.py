"""`hedgerow wal` beside a log of its own: what is shown, and what another try does."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hedgerow.cli import app
from hedgerow.wal import directories
from libs.kit.contracts.topics import EVENTS
from libs.kit.eventlog import NewRecord
from libs.kit.eventlog.wal_format import Entry
from libs.kit.eventlog.wal_refused import RefusedFile, refused_in
from libs.kit.runtime import open_runtime
from libs.kit.settings import KitSettings
from tests.support.valkey import running_valkey

pytestmark = pytest.mark.embedded


def refused(directory: Path, *values: bytes) -> None:
    directory.mkdir()
    for value in values:
        RefusedFile(directory).add(
            Entry(EVENTS.name, [NewRecord(b"phc_t:u", value, (("v", b"1"),))]), 1_790_000_000_000
        )


def test_those_beside_the_first_are_found(tmp_path: Path) -> None:
    for name in ("wal", "wal-2", "wal-10", "wal-old", "wall"):
        (tmp_path / name).mkdir()
    assert [path.name for path in directories(tmp_path / "wal")] == ["wal", "wal-10", "wal-2"]
    assert directories(tmp_path / "none") == []


def test_list(tmp_path: Path) -> None:
    refused(tmp_path / "wal", b'{"large":[1]}')
    refused(tmp_path / "wal-2", b"\xff")
    (tmp_path / "wal" / "0000000001.damaged").touch()
    said = CliRunner().invoke(app, ["wal", "list", "--directory", str(tmp_path / "wal")], env={"COLUMNS": "300"})
    assert said.exit_code == 0
    assert '{"large":[1]}' in said.output
    assert "2 records that the event log refused; 1 damaged files" in said.output
    environment = {"HEDGEROW_CAPTURE_WAL_DIRECTORY": str(tmp_path / "wal")}
    lines = CliRunner().invoke(app, ["wal", "list", "--json"], env=environment).output.splitlines()
    first, second = map(json.loads, lines)
    assert (first["topic"], first["key"], first["headers"], first["value"]) == (
        EVENTS.name,
        "phc_t:u",
        {"v": "1"},
        '{"large":[1]}',
    )
    assert (second["directory"], second["at"]) == (str(tmp_path / "wal-2"), "2026-09-21 14:13:20+00:00")


def test_replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(tmp_path / "wal", b"one")
    refused(tmp_path / "wal-2", b"two", b"three")
    with running_valkey() as server:
        monkeypatch.setenv("HEDGEROW_LOG_REDIS_URL", server.url)
        monkeypatch.setenv("HEDGEROW_STATE_REDIS_URL", server.url)
        monkeypatch.setenv("HEDGEROW_POSTGRES_DSN", "postgresql://nobody@127.0.0.1:1/none")  # which is not needed
        monkeypatch.setenv("HEDGEROW_SECRET_KEY", "x" * 32)
        monkeypatch.setenv("HEDGEROW_BLOBS_DIRECTORY", str(tmp_path / "blobs"))

        async def made() -> None:
            async with open_runtime(KitSettings()) as runtime:
                await runtime.log.ensure([EVENTS])

        async def there() -> list[bytes]:
            found = []
            async with open_runtime(KitSettings()) as runtime, runtime.log.tail(EVENTS.name, last=10) as tail:
                while not tail.caught_up:
                    found += await tail.fetch(max_records=10, timeout=1)
            return [record.value for record in found]

        asyncio.run(made())
        said = CliRunner().invoke(app, ["wal", "replay", "--directory", str(tmp_path / "wal")])
        assert (said.exit_code, said.output) == (0, "3 records were sent again.\n")
        assert sorted(asyncio.run(there())) == [b"one", b"three", b"two"]
        assert [*refused_in(tmp_path / "wal"), *refused_in(tmp_path / "wal-2")] == []
