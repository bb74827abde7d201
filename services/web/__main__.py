"""Serves the web app alone: `python -m services.web`."""

import asyncio

import uvicorn

from libs.kit.logging import configure_logging
from libs.kit.runtime import open_runtime
from libs.kit.settings import KitSettings
from services.web.app import open_app
from services.web.settings import WebSettings


async def main() -> None:
    """Until a signal ends it; open live streams get five seconds."""
    kit, settings = KitSettings(), WebSettings()
    configure_logging(kit.log_level, service="web", version="")
    async with open_runtime(kit) as runtime, open_app(runtime, settings) as app:
        config = uvicorn.Config(
            app, host=settings.bind, port=settings.port, log_config=None, access_log=False, timeout_graceful_shutdown=5
        )
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    asyncio.run(main())
