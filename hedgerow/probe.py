"""Asking a process on this machine for its health, without an HTTP library: the supervisor should stay small."""

import asyncio
import json
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 3.0
MAX_ANSWER_BYTES = 64 * 1024


async def get(host: str, port: int, path: str, *, timeout: float = TIMEOUT_SECONDS) -> tuple[int, bytes]:
    """Status and body of a plain GET. Raises OSError (TimeoutError is one) when there is no answer."""
    async with asyncio.timeout(timeout):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            head, _, body = (await reader.read(MAX_ANSWER_BYTES)).partition(b"\r\n\r\n")
            while block := await reader.read(MAX_ANSWER_BYTES):
                body += block
                if len(body) > MAX_ANSWER_BYTES:
                    break
        finally:
            writer.close()
    words = head.split(None, 2)
    if len(words) < 2 or not words[1].isdigit():
        raise ConnectionError("no HTTP answer")
    return int(words[1]), body


async def readiness(port: int) -> str:
    """ "ok", or which parts the process on this loopback port is waiting for."""
    status, body = await get("127.0.0.1", port, "/_readyz")
    return "ok" if status == 200 else not_ok(body)


def not_ok(body: bytes) -> str:
    """The parts of a health report that are not ready, in one line."""
    try:
        report = json.loads(body)
        return ", ".join(f"{part}: {state}" for part, state in report.items() if state != "ok") or "not ready"
    except (ValueError, AttributeError):
        return "not ready"


async def health(url: str) -> tuple[bool, str]:
    """Whether `url` (of `/_health`, or of a server, whose `/_health` is then asked) says that all is well."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    path = parts.path if parts.path not in ("", "/") else "/_health"
    try:
        status, body = await get(parts.hostname or "127.0.0.1", port, path)
    except OSError as exc:
        return False, str(exc) or "no answer"
    return status == 200, "ok" if status == 200 else f"{status}: {not_ok(body)}"
