"""One connection to the `log` server, which knows what a failure means: not sent, or sent and not answered."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Any, cast

import hiredis
from redis import exceptions as redis_errors
from redis.asyncio.connection import AbstractConnection, Connection, parse_url

from libs.kit.errors import LogFull, OutcomeUnknown, Unavailable

Argument = bytes | str | int
# A larger value is handed to the socket as it is; smaller ones are packed together.
_ALONE_BYTES = 4096
_pack: Callable[[tuple[Argument, ...]], bytes] = cast(Any, hiredis.pack_command)  # its stub allows one argument only
# Answers of a server that did not run the command: starting up, a replica, or not for this user.
_NOT_DONE = (
    redis_errors.BusyLoadingError,
    redis_errors.ReadOnlyError,
    redis_errors.AuthenticationError,
    redis_errors.NoPermissionError,
)


@dataclass(frozen=True)
class Script:
    """A Lua script and the name the server caches it under."""

    source: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", sha1(self.source.encode(), usedforsecurity=False).hexdigest())


class Wire:
    """A connection used by one call at a time; others wait. It opens itself, and opens again after a failure.

    `call` raises Unavailable when the command certainly had no effect, OutcomeUnknown when it may have had one, and
    LogFull when the server refused it for want of memory. A cancelled call closes the connection.
    """

    def __init__(self, url: str, timeout_seconds: float):
        options: dict[str, Any] = dict(parse_url(url))
        kind: type[AbstractConnection] = options.pop("connection_class", Connection)
        # One deadline around each exchange instead of redis-py's own, which cost a task and two timers a command.
        self._connection: Any = kind(**options, socket_timeout=None, socket_connect_timeout=timeout_seconds)
        self._timeout_seconds = timeout_seconds
        self._lock = asyncio.Lock()

    async def call(self, *command: Argument) -> Any:
        """Send one command and return its answer."""
        async with self._lock:
            await self._open()
            return await self._exchange(_pieces_of(command))

    async def script(self, script: Script, keys: list[str], arguments: list[Argument]) -> Any:
        """Run a script by its name, sending its text when the server has not seen it since it started."""
        tail = (len(keys), *keys, *arguments)
        async with self._lock:
            await self._open()
            try:
                return await self._exchange(_pieces_of(("EVALSHA", script.sha, *tail)))
            except redis_errors.NoScriptError:
                return await self._exchange(_pieces_of(("EVAL", script.source, *tail)))

    async def close(self) -> None:
        """Close the connection; a call in another task fails."""
        await self._connection.disconnect(nowait=True)

    async def _open(self) -> None:
        """Be connected, so that whatever fails from here on may have reached the server."""
        connection = self._connection
        # What a server that went away while we were idle has left behind; asking costs no trip to the loop. After a
        # reset it is the writer that knows, and uvloop's raises a RuntimeError when it is written to.
        if connection.is_connected and (connection._reader.at_eof() or connection._writer.is_closing()):
            await connection.disconnect(nowait=True)
        if connection.is_connected:
            return
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await connection.connect()
        except (redis_errors.RedisError, OSError, TimeoutError) as exc:
            await connection.disconnect(nowait=True)
            raise Unavailable(f"the event log cannot be reached: {exc}") from exc

    async def _exchange(self, packed: list[bytes]) -> Any:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._connection.send_packed_command(packed, check_health=False)
                return await self._connection.read_response()
        except redis_errors.NoScriptError:
            raise
        except redis_errors.OutOfMemoryError as exc:
            raise LogFull("the event log's server is out of memory") from exc
        except _NOT_DONE as exc:
            await self._connection.disconnect(nowait=True)
            raise Unavailable(f"the event log refuses commands: {exc}") from exc
        except (redis_errors.ConnectionError, redis_errors.TimeoutError, OSError) as exc:
            await self._connection.disconnect(nowait=True)
            raise OutcomeUnknown(f"the event log did not answer: {exc}") from exc
        except redis_errors.ResponseError as exc:
            if str(exc).startswith("MISCONF"):
                raise Unavailable(f"the event log cannot write: {exc}") from exc
            raise


def _pieces_of(command: tuple[Argument, ...]) -> list[bytes]:
    """A command as the server reads it, in pieces to be sent together. hiredis would copy a large value twice."""
    if not any(isinstance(value, bytes) and len(value) > _ALONE_BYTES for value in command):
        return [_pack(command)]
    pieces: list[bytes] = []
    small = bytearray(b"*%d\r\n" % len(command))
    for argument in command:
        value = argument if isinstance(argument, bytes) else str(argument).encode()
        small += b"$%d\r\n" % len(value)
        if len(value) > _ALONE_BYTES:
            pieces += (bytes(small), value)
            small = bytearray()
        else:
            small += value
        small += b"\r\n"
    return [*pieces, bytes(small)]
