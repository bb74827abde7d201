"""Capture over HTTP in this process, for what sends to it."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from redis.asyncio import Redis

from libs.kit.clock import SystemClock
from services.capture.asgi import CaptureEndpoint
from services.capture.intake import Intake
from services.capture.policies.policies import Policies
from services.capture.settings import CaptureSettings
from tests.support.capturing import KeptLog


@contextmanager
def served(log: KeptLog) -> Iterator[str]:
    """Capture on a thread, on `log`; its address."""
    clock, settings = SystemClock(), CaptureSettings(retry_after_seconds=1)
    intake = Intake(log, clock, settings, Policies(Redis(port=1), clock, settings))  # type: ignore[arg-type]
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(CaptureEndpoint(intake), lifespan="off", log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        asyncio.run(intake.close())
