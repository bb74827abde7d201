"""Ports for tests that must know them before the server that takes them starts."""

import secrets
import socket
from pathlib import Path

_GIVEN: set[int] = set()
_FIRST = 12_000  # below are ports that programs choose for themselves


def free_port() -> int:
    """A port of loopback that nobody listens on, never given out before by this process.

    It is not from the range out of which the system gives ports to outgoing connections and to those who ask for any:
    such a one may be gone before the server that was promised it has started.
    """
    for _ in range(1_000):
        port = _FIRST + secrets.randbelow(_end() - _FIRST)
        if port not in _GIVEN and _free(port):
            _GIVEN.add(port)
            return port
    raise AssertionError("no port is free")


def _end() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:  # no Linux
        return 32_768


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
