"""A real Valkey for tests, started as `hedgerow up` starts its `log` server: password, each write synced."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hedgerow.embedded import process, valkey
from tests.support.ports import free_port

PASSWORD = "test-password"


class ValkeyServer:
    """One server on a directory of its own; it can be killed and started again on the same data and port."""

    def __init__(
        self, directory: Path, *, max_memory_mb: int = 0, role: valkey.Role = "log", binary: str | None = None
    ):
        self.directory = directory
        self._binary = binary
        self.port = free_port()
        self.url = valkey.url(self.port, PASSWORD)
        self._max_memory_mb = max_memory_mb
        self._role: valkey.Role = role
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        limit = self._max_memory_mb * 1024**2
        command = valkey.command(self.directory, self._role, self.port, PASSWORD, max_memory=limit)
        if self._binary:
            command = replace(command, argv=(self._binary, *command.argv[1:]))
        self._process = process.start(command, subprocess.DEVNULL)
        process.wait_until(lambda: valkey.answers(self.port, PASSWORD), self._process, seconds=60)

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it in order."""
        if self._process is not None:
            process.stop(self._process, signal.SIGTERM, seconds=10)
            self._process = None

    def freeze(self) -> None:
        """Stop the process where it is: connections stay open and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def running_valkey(
    *, max_memory_mb: int = 0, role: valkey.Role = "log", binary: str | None = None
) -> Iterator[ValkeyServer]:
    """A server that lives as long as the context. `max_memory_mb` 0: no limit. `binary`: another one, such as Redis."""
    with TemporaryDirectory(prefix="valkey-") as directory:
        server = ValkeyServer(Path(directory), max_memory_mb=max_memory_mb, role=role, binary=binary)
        server.start()
        try:
            yield server
        finally:
            server.kill()
