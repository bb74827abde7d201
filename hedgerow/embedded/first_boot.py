"""`python -m hedgerow.embedded.first_boot DIR`: the step between the engines and the services, at every start.

Migrates, makes the topics, and sees to it that the first user and project of `secrets.json` exist. Idempotent. Its own
process, so that what it imports is gone from memory when it ends.
"""

import asyncio
import sys
from pathlib import Path

from libs.kit.access.bootstrap import bootstrap

from hedgerow.embedded.instance import Secrets, keep_project
from hedgerow.migrate import migrate
from libs.kit.runtime import open_runtime
from libs.kit.settings import KitSettings


async def first_boot(directory: Path) -> None:
    """See the module."""
    secrets = Secrets.model_validate_json((directory / "secrets.json").read_text())
    async with open_runtime(KitSettings()) as runtime:
        await migrate(runtime)
        project_id = await bootstrap(
            runtime.postgres,
            email=secrets.email,
            password=secrets.password,
            project_api_key=secrets.project_api_key,
            personal_api_key=secrets.personal_api_key,
        )
    keep_project(directory, project_id)


if __name__ == "__main__":
    asyncio.run(first_boot(Path(sys.argv[1])))
