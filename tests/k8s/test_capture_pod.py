"""Capture as its manifest runs it, with none of the engines there: it is ready, takes events, and stops in time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs.kit.eventlog.wal_files import open_directory
from tests.k8s.test_manifests import SECRETS, base, container, environment
from tests.support.instance import ROOT
from tests.support.ports import free_port


@contextmanager
def pod(workload: dict[str, Any], root: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, dict[str, str]]]:
    """The container's command with its environment: mounts below `root`, free ports, engines where nobody is."""
    variables = dict(environment(workload))
    for name, value in variables.items():
        if name.endswith("_FILE"):
            variables[name] = str(root / Path(value).name)
            nobody = (
                SECRETS[Path(value).name].replace("@pgbouncer", "@127.0.0.1:1").replace("//state:6379", "//127.0.0.1:1")
            )
            Path(variables[name]).write_text(nobody)
    port = free_port()
    variables |= {
        "HEDGEROW_CAPTURE_WAL_DIRECTORY": str(root / "wal"),
        "HEDGEROW_PROBES_PORT": str(free_port()),
        "HEDGEROW_KAFKA_BROKERS": "127.0.0.1:1",
        "HEDGEROW_CLICKHOUSE_HOST": "127.0.0.1",
    }
    arguments = [str(port) if text == "8000" else text for text in container(workload)["args"]]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEDGEROW_")}
    process = subprocess.Popen([sys.executable, "-m", "hedgerow", *arguments], env={**kept, **variables}, cwd=ROOT)
    try:
        yield process, port, variables
    finally:
        process.kill()
        process.wait()


def probe(port: int, path: str) -> int:
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=5).status_code
    except httpx.TransportError:
        return 0


@pytest.mark.timeout(120)
def test_it_takes_events_while_every_engine_is_away(tmp_path: Path) -> None:
    workload = base("StatefulSet", "capture")
    own = container(workload)
    startup = own["startupProbe"]
    with pod(workload, tmp_path) as (process, port, variables):
        started = time.monotonic()
        while probe(port, startup["httpGet"]["path"]) != 200:
            assert process.poll() is None
            assert time.monotonic() - started < startup["periodSeconds"] * startup["failureThreshold"]
            time.sleep(0.1)
        assert probe(port, own["readinessProbe"]["httpGet"]["path"]) == 200
        event = {"api_key": "phc_t", "event": "a", "distinct_id": "u"}
        answer = httpx.post(f"http://127.0.0.1:{port}/e/", json=event, timeout=30)
        assert (answer.status_code, answer.text) == (200, '{"status":"Ok"}')
        # what scrapes is elsewhere; a listener on 127.0.0.1 would not hear this
        said = httpx.get(f"http://127.0.0.2:{variables['HEDGEROW_PROBES_PORT']}/metrics", timeout=5).text
        assert "hedgerow_wal_records 1.0" in said
        process.send_signal(signal.SIGTERM)
        assert process.wait(workload["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]) == 0
    files = open_directory(tmp_path / "wal", segment_bytes=2**20)
    assert files.records == 1
    files.close()
