"""`python -m hedgerow.embedded.clickhouse`: the embedded ClickHouse server as a process of its own."""

import argparse
import logging
import os
import sys
from pathlib import Path

import uvloop

from hedgerow.embedded.clickhouse.config import EngineConfig
from hedgerow.embedded.clickhouse.server import DirectoryInUse, ServerConfig, run
from hedgerow.embedded.clickhouse.users import User


def parse(arguments: list[str]) -> ServerConfig:
    """The command line. Passwords come in variables of the environment, which other users cannot read."""
    parser = argparse.ArgumentParser(prog="python -m hedgerow.embedded.clickhouse", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--http-port", type=int, default=0, help="0 picks a free port")
    parser.add_argument("--native-port", type=int, default=0, help="0 picks a free port")
    parser.add_argument("--ports-file", type=Path, help="written once the server is ready: JSON with both ports")
    parser.add_argument("--password-env", default="HEDGEROW_CLICKHOUSE_PASSWORD", help="variable with the password")
    parser.add_argument("--reader-password-env", help="variable with the password of user `reader` (readonly=2)")
    parser.add_argument("--max-memory-mb", type=int, default=1024, help="limit of the engine for everything together")
    parser.add_argument("--max-insert-mb", type=int, default=256, help="rows that inserts hold, all together")
    parser.add_argument("--max-queries", type=int, default=16, help="statements that may run at once")
    parser.add_argument("--queue-seconds", type=float, default=10.0, help="wait for a slot, then code 202")
    parser.add_argument("--stop-seconds", type=float, default=5.0, help="time that running statements get at SIGTERM")
    parser.add_argument("--idle-seconds", type=float, default=30.0, help="then memory is given back")
    options = parser.parse_args(arguments)
    users = {"default": User(_password(parser, options.password_env))}
    if options.reader_password_env:
        users["reader"] = User(_password(parser, options.reader_password_env), {"readonly": "2"})
    return ServerConfig(
        data_dir=options.data_dir.absolute(),
        users=users,
        host=options.host,
        http_port=options.http_port,
        native_port=options.native_port,
        ports_file=options.ports_file,
        max_queries=options.max_queries,
        queue_seconds=options.queue_seconds,
        stop_seconds=options.stop_seconds,
        idle_seconds=options.idle_seconds,
        max_insert_bytes=options.max_insert_mb * 1024 * 1024,
        engine=EngineConfig(max_memory=options.max_memory_mb * 1024 * 1024),
    )


def _password(parser: argparse.ArgumentParser, variable: str) -> str:
    password = os.environ.pop(variable, None)
    if not password:
        parser.error(f"the variable {variable} must hold a password")
    return password


def main() -> None:
    """Run the server; exit code 3 when the data directory is in use."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
    config = parse(sys.argv[1:])
    try:
        uvloop.run(run(config))
    except DirectoryInUse as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()
