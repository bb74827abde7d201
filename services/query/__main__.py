"""Serve query alone: `python -m services.query --port 8004`."""

import argparse
import asyncio

import uvicorn

from libs.kit.logging import configure_logging
from libs.kit.runtime import open_runtime
from libs.kit.settings import KitSettings
from services.query.app import open_app
from services.query.settings import QuerySettings


async def serve(host: str, port: int) -> None:
    """Open the engines, serve until a signal asks to stop, close in reverse."""
    kit = KitSettings()
    configure_logging(kit.log_level, service="query", version="")
    async with open_runtime(kit) as runtime, open_app(runtime, QuerySettings()) as app:
        server = uvicorn.Server(
            uvicorn.Config(app, host=host, port=port, lifespan="off", access_log=False, log_config=None)
        )
        await server.serve()


def main() -> None:
    """Read the address and serve."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--host", default="127.0.0.1")
    arguments.add_argument("--port", type=int, default=8004)
    given = arguments.parse_args()
    asyncio.run(serve(given.host, given.port))


if __name__ == "__main__":
    main()
