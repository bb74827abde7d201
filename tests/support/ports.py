"""A port that was free a moment ago."""

import socket


def free_port() -> int:
    """Chosen by the system on loopback; good enough for a test that binds it at once."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
