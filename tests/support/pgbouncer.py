"""A real PgBouncer in transaction mode in front of a PostgreSQL, for tests."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hedgerow.embedded import postgres
from tests.support.ports import free_port
from tests.support.require import require

_CONFIG = """
[databases]
* = host={host} port={port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {directory}/users.txt
pool_mode = transaction
default_pool_size = {pool}
max_client_conn = 200
server_reset_query =
"""


@contextmanager
def pgbouncer(dsn: str, directory: Path, *, pool: int = 2) -> Iterator[str]:
    """The address that leads to `dsn`'s database through PgBouncer, with `pool` backends for all clients together."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    require(program, "pgbouncer (Debian package pgbouncer)")
    assert program
    url, listen = urlsplit(dsn), free_port()
    directory.mkdir(mode=0o755)
    (directory / "users.txt").write_text(f'"{url.username}" "{unquote(url.password or "")}"\n')
    config = _CONFIG.format(host=url.hostname, port=url.port, listen=listen, directory=directory, pool=pool)
    (directory / "pgbouncer.ini").write_text(config)
    # it refuses to run as root
    account = "nobody" if os.geteuid() == 0 else None
    ini = str(directory / "pgbouncer.ini")
    child = subprocess.Popen([program, "-q", ini], stderr=subprocess.DEVNULL, user=account)
    try:
        while not postgres.accepts(listen):
            assert child.poll() is None, "pgbouncer ended at once"
        yield dsn.replace(f"@{url.hostname}:{url.port}/", f"@127.0.0.1:{listen}/")
    finally:
        child.terminate()
        child.wait(timeout=10)
