"""What jobs did, kept for people to read."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from libs.kit.postgres import Postgres

_KEPT = 100


async def report(postgres: Postgres, job: str, team_id: int | None, said: Mapping[str, Any]) -> None:
    """Keep a report; the newest of a job and a team are kept, older ones go."""
    await postgres.execute(
        "INSERT INTO hedgerow_job_report (job, team_id, report) VALUES ($1, $2, $3::jsonb)",
        job,
        team_id,
        json.dumps(said),
    )
    await postgres.execute(
        """DELETE FROM hedgerow_job_report WHERE job = $1 AND team_id IS NOT DISTINCT FROM $2 AND id <= (
               SELECT id FROM hedgerow_job_report WHERE job = $1 AND team_id IS NOT DISTINCT FROM $2
               ORDER BY id DESC OFFSET $3 LIMIT 1)""",
        job,
        team_id,
        _KEPT,
    )


async def newest(postgres: Postgres, job: str, team_id: int, limit: int = 10) -> Sequence[tuple[datetime, Any]]:
    """When a job finished, and what it said of this team or of the whole installation."""
    rows = await postgres.fetch(
        """SELECT finished_at, report FROM hedgerow_job_report WHERE job = $1 AND (team_id = $2 OR team_id IS NULL)
           ORDER BY id DESC LIMIT $3""",
        job,
        team_id,
        limit,
    )
    return [(row["finished_at"], json.loads(row["report"])) for row in rows]
