"""A TCP proxy that cuts connections while something is being sent: a server that fails half-way."""

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

PIECE_BYTES = 16 * 1024
# After the answers of a connection were swallowed, what was sent has so long to reach the server.
MUTE_SECONDS = 0.2


@dataclass
class CuttingProxy:
    """Forwards to a port until `cut_after` is set; then each connection ends at a random byte of what is sent to it.

    cut_after: bytes; a connection lives for up to twice as many. Every second one is cut in the middle of what is being
    sent; of the others, the server gets all of it and its answer is lost.
    """

    port: int
    source: random.Random
    cut_after: int | None = None
    halved: int = 0
    muted: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def reset(self) -> None:
        """End every connection by a reset, as a machine does that knows nothing of it any more."""
        for writer in self._open:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self._open.add(writer)
        try:
            await self._serve(reader, writer)
        finally:
            self._open.discard(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            writer.close()
            return
        back = asyncio.create_task(_forward(up_reader, writer))
        try:
            await self._send(reader, up_writer, back)
        except OSError:
            pass
        finally:
            back.cancel()
            for side in (writer, up_writer):
                side.transport.abort()

    async def _send(
        self, reader: asyncio.StreamReader, up_writer: asyncio.StreamWriter, back: "asyncio.Task[None]"
    ) -> None:
        sent = 0
        end: int | None = None
        while data := await reader.read(PIECE_BYTES):
            if end is None and self.cut_after is not None:
                end = sent + self.source.randrange(1, 2 * self.cut_after)
            if end is None or sent + len(data) < end:
                up_writer.write(data)
                await up_writer.drain()
                sent += len(data)
                continue
            if self.source.random() < 0.5:
                self.halved += 1
                up_writer.write(data[: end - sent])
                await up_writer.drain()
            else:
                self.muted += 1
                back.cancel()
                up_writer.write(data)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(MUTE_SECONDS):
                        while data := await reader.read(PIECE_BYTES):
                            up_writer.write(data)
            return


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(PIECE_BYTES):
            writer.write(data)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def cutting(listen_port: int, port: int, *, seed: int = 1) -> AsyncIterator[CuttingProxy]:
    """A proxy from one port of this machine to another, forwarding faithfully at first."""
    proxy = CuttingProxy(port, random.Random(seed))
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", listen_port)
    try:
        yield proxy
    finally:
        server.close()
