"""How a process of services or workers ends. No engine runs: a process must start, and stop, while all are away."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.support.instance import ROOT
from tests.support.ports import free_port

PROGRAM = """
import asyncio, contextlib, sys
from hedgerow import composition
from libs.kit.settings import BaseSettings

class NoSettings(BaseSettings):
    pass

@contextlib.asynccontextmanager
async def open_app(runtime, settings):
    async def app(scope, receive, send):
        if scope["path"] == "/slow":
            print("asked", flush=True)
            await asyncio.sleep(1.0)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"answered"})
    yield app
    print("closed", flush=True)

async def patient(runtime, settings, stop):
    print("running", flush=True)
    await stop.wait()
    await asyncio.sleep(0.2)
    print("settled", flush=True)

async def stuck(runtime, settings, stop):
    print("running", flush=True)
    await asyncio.sleep(600)

async def broken(runtime, settings, stop):
    raise ValueError("bad luck")

this = sys.modules["__main__"]
entry = lambda name: composition.Entry(f"__main__:{name}", "__main__:NoSettings")
composition.SERVICES = {"web": entry("open_app")}
composition.WORKERS = {name: entry(name) for name in ("patient", "stuck", "broken")}
from hedgerow.cli import main
main()
"""


@pytest.fixture
def environment() -> dict[str, str]:
    """Addresses where nobody is."""
    nobody = free_port()
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "HEDGEROW_SECRET_KEY": "x" * 32,
        "HEDGEROW_POSTGRES_DSN": f"postgresql://u:p@127.0.0.1:{nobody}/d",
        "HEDGEROW_LOG_REDIS_URL": f"redis://127.0.0.1:{nobody}",
        "HEDGEROW_STATE_REDIS_URL": f"redis://127.0.0.1:{nobody}",
        "HEDGEROW_CLICKHOUSE_HTTP_PORT": str(nobody),
        "HEDGEROW_CLICKHOUSE_NATIVE_PORT": str(nobody),
        "HEDGEROW_PROBES_PORT": str(free_port()),
        "HEDGEROW_SERVE_DRAIN_SECONDS": "3",
    }


def run(environment: dict[str, str], tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    environment["HEDGEROW_BLOBS_DIRECTORY"] = str(tmp_path)
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments], env=environment, stdout=subprocess.PIPE, text=True, cwd=tmp_path
    )


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("nobody listens")


def test_sigterm_answers_what_is_in_flight_and_ends_with_0(environment: dict[str, str], tmp_path: Path) -> None:
    environment["HEDGEROW_SERVE_DRAIN_SECONDS"] = "60"
    port = free_port()
    process = run(environment, tmp_path, "serve", "all", "--port", str(port))
    wait_for_port(int(environment["HEDGEROW_PROBES_PORT"]))
    wait_for_port(port)
    with httpx.stream("GET", f"http://127.0.0.1:{environment['HEDGEROW_PROBES_PORT']}/_readyz") as unready:
        assert unready.status_code == 503
    client = subprocess.Popen(
        [sys.executable, "-c", f"import httpx; print(httpx.get('http://127.0.0.1:{port}/slow', timeout=60).text)"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert line(process) == "asked"
    process.send_signal(signal.SIGTERM)
    assert client.communicate(timeout=60)[0] == "answered\n"
    assert line(process) == "closed"
    assert process.wait(60) == 0


def test_a_second_signal_ends_it_now(environment: dict[str, str], tmp_path: Path) -> None:
    environment["HEDGEROW_SERVE_DRAIN_SECONDS"] = "600"
    process = run(environment, tmp_path, "worker", "stuck")
    assert line(process) == "running"
    process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130


def test_workers_settle_and_the_stuck_one_is_given_up(environment: dict[str, str], tmp_path: Path) -> None:
    process = run(environment, tmp_path, "worker", "patient")
    assert line(process) == "running"
    process.send_signal(signal.SIGTERM)
    assert line(process) == "settled"
    assert process.wait(60) == 0
    process = run(environment, tmp_path, "worker", "stuck")
    assert line(process) == "running"
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


def test_one_broken_worker_ends_the_process_so_that_it_is_started_again(
    environment: dict[str, str], tmp_path: Path
) -> None:
    process = run(environment, tmp_path, "worker", "all")
    assert process.communicate(timeout=60)[0].count("settled") <= 1
    assert process.returncode == 1


def test_unknown_names_are_refused_with_the_known_ones(environment: dict[str, str], tmp_path: Path) -> None:
    process = run(environment, tmp_path, "worker", "nobody")
    assert process.wait(60) == 2
