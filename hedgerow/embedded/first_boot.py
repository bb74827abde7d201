"""`python -m hedgerow.embedded.first_boot DIR`: the step between the engines and the services.

Makes role and database, migrates, makes the topics, and sees to it that the first user and project of `secrets.json`
exist. Idempotent. Its own process, so that what it imports is gone from memory when it ends.
"""

import asyncio
import sys
from pathlib import Path

from hedgerow.embedded import postgres, preparation
from hedgerow.embedded.instance import DATABASE, Ports, Secrets
from hedgerow.migrate import migrate
from libs.kit.access.bootstrap import bootstrap
from libs.kit.runtime import open_runtime
from libs.kit.settings import KitSettings

POSTGRES_SECONDS = 30.0


async def first_boot(directory: Path) -> None:
    """See the module."""
    secrets = Secrets.model_validate_json((directory / "secrets.json").read_text())
    ports = Ports.model_validate_json((directory / "ports.json").read_text())
    await postgres.ensure_database(
        ports.postgres,
        superuser_password=secrets.postgres_superuser,
        name=DATABASE,
        password=secrets.postgres,
        seconds=POSTGRES_SECONDS,
    )
    async with open_runtime(KitSettings()) as runtime:
        await migrate(runtime)
        project_id = await bootstrap(
            runtime.postgres,
            email=secrets.email,
            password=secrets.password,
            project_api_key=secrets.project_api_key,
            personal_api_key=secrets.personal_api_key,
        )
    preparation.keep(directory, project_id)


if __name__ == "__main__":
    asyncio.run(first_boot(Path(sys.argv[1])))
