"""Issues of error tracking, in PostgreSQL: one for each kind of exception, made when the first one comes.

A new issue's id follows from the team and the fingerprint, so that whoever comes first, and a batch that is decided
again, makes the same. People may merge issues later: then the fingerprint leads to another one.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from libs.kit.postgres import Postgres

NAMESPACE = uuid.UUID("6b2f6f0e-35e0-5d0e-9a43-2b8f2d6b8f1c")
IssueKey = tuple[int, str]

_KNOWN = """
    SELECT known.team_id, known.fingerprint, known.issue_id, issue.status
    FROM unnest($1::int[], $2::text[]) AS wanted (team_id, fingerprint)
    JOIN posthog_errortrackingissuefingerprintv2 AS known USING (team_id, fingerprint)
    JOIN posthog_errortrackingissue AS issue ON issue.id = known.issue_id
"""
# Both in one statement: an issue without a fingerprint would be one that no exception finds.
_OPEN = """
    WITH wanted AS (
        SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::timestamptz[], $5::text[], $6::text[])
            AS wanted (id, team_id, fingerprint, seen, name, description)
        WHERE EXISTS (SELECT FROM posthog_team AS team WHERE team.id = wanted.team_id)
    ), issues AS (
        INSERT INTO posthog_errortrackingissue (id, team_id, created_at, name, description)
        SELECT id, team_id, seen, name, description FROM wanted
        ON CONFLICT DO NOTHING
    )
    INSERT INTO posthog_errortrackingissuefingerprintv2 (team_id, issue_id, fingerprint, first_seen)
    SELECT team_id, id, fingerprint, seen FROM wanted
    ON CONFLICT DO NOTHING
"""
_REOPEN = "UPDATE posthog_errortrackingissue SET status = 'active' WHERE id = ANY($1::uuid[]) AND status = 'resolved'"


@dataclass(frozen=True, slots=True)
class Sighting:
    """The first of its kind in a batch. fresh: false when it was seen before a crash already."""

    seen: datetime
    name: str
    description: str
    fresh: bool


class IssueStore:
    """See the module. Two statements for a batch with exceptions of known kinds, up to four with new ones."""

    def __init__(self, postgres: Postgres):
        self._postgres = postgres

    async def issues(self, sightings: Mapping[IssueKey, Sighting]) -> dict[IssueKey, uuid.UUID]:
        """The issue of each. One that was resolved is active again when the same comes once more."""
        if not sightings:
            return {}
        known = await self._known(sightings)
        missing = {key: sighting for key, sighting in sightings.items() if key not in known}
        if missing:
            await self._open(missing)
            known |= await self._known(missing)
        again = [issue for key, (issue, status) in known.items() if status == "resolved" and sightings[key].fresh]
        if again:
            await self._postgres.execute(_REOPEN, sorted(set(again)))
        return {key: issue for key, (issue, _) in known.items()}

    async def _known(self, wanted: Mapping[IssueKey, Sighting]) -> dict[IssueKey, tuple[uuid.UUID, str]]:
        rows = await self._postgres.fetch(_KNOWN, [team for team, _ in wanted], [text for _, text in wanted])
        return {
            (row["team_id"], row["fingerprint"]): (uuid.UUID(bytes=row["issue_id"].bytes), row["status"])
            for row in rows
        }

    async def _open(self, missing: Mapping[IssueKey, Sighting]) -> None:
        keys = sorted(missing)
        await self._postgres.execute(
            _OPEN,
            [uuid.uuid5(NAMESPACE, f"{team}:{fingerprint}") for team, fingerprint in keys],
            [team for team, _ in keys],
            [fingerprint for _, fingerprint in keys],
            [missing[key].seen for key in keys],
            [_storable(missing[key].name, 400) for key in keys],
            [_storable(missing[key].description, 10_000) for key in keys],
        )


def _storable(text: str, characters: int) -> str:
    return text.replace("\0", "\ufffd")[:characters]
