"""A history from files, through capture: all of it, in order, once, also when it has to be started again."""

import gzip
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import orjson
import pytest
from rich.console import Console
from typer.testing import CliRunner

from hedgerow.cli import app
from hedgerow.importing import NotTaken, run
from hedgerow.importing.files import files_of
from hedgerow.sending import Sending
from libs.kit.errors import LogFull
from libs.kit.eventlog import NewRecord
from tests.support.capturing import KeptLog
from tests.support.served_capture import served

SMALL = Sending(lanes=2, batch_events=5, patience_seconds=0)


def line(number: int, **changes: object) -> bytes:
    said = {
        "uuid": f"0190a1b2-0000-7000-8000-{number:012d}",
        "event": "a",
        "distinct_id": f"u{number % 7}",
        "timestamp": f"2025-01-01T00:00:{number % 60:02d}Z",
        "properties": {"n": number},
    }
    return orjson.dumps({**said, **changes}) + b"\n"


def quiet() -> Console:
    return Console(file=StringIO(), width=300)


class FullAfter(KeptLog):
    """Takes so many records and no more."""

    most = 0

    async def produce(self, topic: str, records: Sequence[NewRecord]) -> None:
        if len(self.records) >= self.most:
            raise LogFull("full")
        await super().produce(topic, records)


@pytest.mark.parametrize("packed", [False, True])
def test_everything_arrives_as_a_historical_migration_in_order(tmp_path: Path, packed: bool) -> None:
    text = b"".join(line(number) for number in range(1, 204))
    path = tmp_path / ("events.jsonl.gz" if packed else "events.jsonl")
    path.write_bytes(gzip.compress(text) if packed else text)
    log = KeptLog()
    with served(log) as url:
        done = run(url, "phc_t", [path], sending=SMALL, console=quiet())
    assert done.events == len(log.records) == 203
    assert all(dict(record.headers)["historical_migration"] == b"true" for record in log.records)
    numbers: dict[str, list[int]] = {}
    for event in log.events():
        numbers.setdefault(event["distinct_id"], []).append(event["data"]["properties"]["n"])
    assert all(each == sorted(each) for each in numbers.values())


@pytest.mark.parametrize("packed", [False, True])
def test_a_run_goes_on_where_the_last_one_stopped(tmp_path: Path, packed: bool) -> None:
    text = b"".join(line(number) for number in range(1, 1001))
    path = tmp_path / "events.jsonl"
    path.write_bytes(gzip.compress(text) if packed else text)
    log = FullAfter()
    log.most = 400
    with served(log) as url:
        with pytest.raises(NotTaken, match="gave up"):
            run(url, "phc_t", [path], sending=SMALL, console=quiet())
        log.most = 10_000
        done = run(url, "phc_t", [path], sending=SMALL, console=quiet())
        again = run(url, "phc_t", [path], sending=SMALL, console=quiet())
    assert len({event["uuid"] for event in log.events()}) == 1000
    assert 300 < done.skipped_lines <= 400
    assert len(log.records) < 1000 + 100  # no more than was under way is sent twice
    assert (again.events, again.skipped_lines) == (0, 1000)


def test_another_file_of_the_same_name_starts_at_its_beginning(tmp_path: Path) -> None:
    path, log = tmp_path / "events.jsonl", KeptLog()
    with served(log) as url:
        for count in (10, 20):
            path.write_bytes(b"".join(line(number) for number in range(count)))
            assert run(url, "phc_t", [path], sending=SMALL, console=quiet()).events == count


def test_lines_that_are_no_events_are_set_aside_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(
        b"".join(
            [
                line(1),
                b"{broken\n",
                b"\n",
                line(2, distinct_id=None),
                line(3, properties={"long": "x" * 3_000_000}),
                line(4),
            ]
        )
    )
    log = KeptLog()
    with served(log) as url:
        done = run(url, "phc_t", [path], sending=SMALL, console=quiet())
    assert (done.events, done.refused) == (2, 3)
    aside = [orjson.loads(each) for each in (tmp_path / "events.jsonl.rejected.jsonl").read_bytes().splitlines()]
    assert [one["line"] for one in aside] == [2, 4, None]
    assert "not JSON" in aside[0]["reason"]
    assert "413" in aside[2]["reason"]


def test_a_wrong_key_ends_the_run_at_once(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(line(1) + line(2))
    with served(KeptLog()) as url, pytest.raises(NotTaken, match="401"):
        run(url, "phx_secret", [path], sending=SMALL, console=quiet())
    assert not list(tmp_path.glob("*.rejected.jsonl"))


def test_the_files_of_a_batch_export(tmp_path: Path) -> None:
    for name in ("2025-02.jsonl.gz", "2025-01.jsonl.gz", "2025-01_manifest.json", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in files_of(tmp_path)] == ["2025-01.jsonl.gz", "2025-02.jsonl.gz"]
    (tmp_path / "2025-03.parquet").touch()
    with pytest.raises(ValueError, match="JSONLines"):
        files_of(tmp_path)


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(line(1) * 100)[:-9])
    with served(KeptLog()) as url:
        target = ["--url", url, "--api-key", "phc_t"]
        cut = CliRunner().invoke(app, ["ingest", str(tmp_path / "cut.jsonl.gz"), *target])
        nothing = CliRunner().invoke(app, ["ingest", *target])
        missing = CliRunner().invoke(app, ["ingest", str(tmp_path / "missing.jsonl"), *target])
    for result in (cut, nothing, missing):
        assert result.exit_code == 2, result.output
        assert "Traceback" not in result.output
