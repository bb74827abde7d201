"""Project API key -> team, for every service that meets events or keys: one query a batch, and a bounded cache."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from libs.kit.clock import Clock
from libs.kit.event_filters import EventFilter
from libs.kit.postgres import Postgres


@dataclass(frozen=True, slots=True)
class Team:
    """What others than web need to know about a project.

    required: by event, the properties that it must have, and the types that each may be of.
    """

    id: int
    api_token: str
    timezone: str = "UTC"
    anonymize_ips: bool = False
    ingested_event: bool = False
    person_processing_opt_out: bool = False
    heatmaps_opt_in: bool | None = None
    drop_events_older_than_seconds: int | None = None
    cookieless_server_hash_mode: int = 0
    event_filter: EventFilter | None = field(default=None, hash=False)
    required: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict, hash=False)

    @property
    def refuses_events(self) -> bool:
        """Whether the project does not want some of its events."""
        return bool(self.drop_events_older_than_seconds or self.event_filter or self.required)


_TEAMS = """
    SELECT id, api_token, timezone, anonymize_ips, ingested_event, person_processing_opt_out, heatmaps_opt_in,
           drop_events_older_than_seconds, cookieless_server_hash_mode,
           (SELECT jsonb_build_object('tree', filter_tree, 'live', mode = 'live')::text
            FROM posthog_eventfilterconfig AS filter
            WHERE filter.team_id = team.id AND mode <> 'disabled' AND filter_tree IS NOT NULL) AS event_filter,
           (SELECT jsonb_object_agg(event, properties)::text
            FROM (SELECT event, jsonb_object_agg(property, property_types) AS properties
                  FROM hedgerow_required_property AS required WHERE required.team_id = team.id GROUP BY event
                 ) AS of_events) AS required
    FROM posthog_team AS team WHERE api_token = ANY($1::text[])
"""


class Teams:
    """Teams by project API key.

    A known token is remembered for `seconds`, an unknown one only for `unknown_seconds`: a project made a moment ago
    must not lose its first events for long. At most `capacity` tokens are held; the one unused for longest goes first.
    """

    def __init__(
        self,
        postgres: Postgres,
        clock: Clock,
        *,
        seconds: float = 30.0,
        unknown_seconds: float = 1.0,
        capacity: int = 20_000,
    ):
        self._postgres = postgres
        self._clock = clock
        self._seconds = seconds
        self._unknown_seconds = unknown_seconds
        self._capacity = capacity
        self._cache: OrderedDict[str, tuple[float, Team | None]] = OrderedDict()

    async def by_tokens(self, tokens: Iterable[str]) -> dict[str, Team]:
        """The teams of those tokens that exist. At most one query. Raises what PostgreSQL's client raises."""
        wanted = set(tokens)
        found = {token: team for token in wanted if (team := self._cached(token)) is not _MISSING}
        if absent := [token for token in wanted if token not in found]:
            loaded = await self._load(absent)
            for token in absent:
                found[token] = team = loaded.get(token)
                self._remember(token, team)
        return {token: team for token, team in found.items() if isinstance(team, Team)}

    async def by_token(self, token: str) -> Team | None:
        """The team of one token."""
        return (await self.by_tokens((token,))).get(token)

    async def mark_ingested(self, ids: Iterable[int]) -> None:
        """These teams have events now: their first ones have come in."""
        await self._postgres.execute(
            "UPDATE posthog_team SET ingested_event = true WHERE id = ANY($1::int[]) AND NOT ingested_event",
            sorted(ids),
        )

    def forget(self, token: str) -> None:
        """Ask again next time: the team has just changed."""
        self._cache.pop(token, None)

    def _cached(self, token: str) -> "Team | _Missing | None":
        entry = self._cache.get(token)
        if entry is None or entry[0] <= self._clock.monotonic():
            return _MISSING
        self._cache.move_to_end(token)
        return entry[1]

    def _remember(self, token: str, team: Team | None) -> None:
        ttl = self._seconds if team else self._unknown_seconds
        self._cache[token] = (self._clock.monotonic() + ttl, team)
        self._cache.move_to_end(token)
        while len(self._cache) > self._capacity:
            self._cache.popitem(last=False)

    async def _load(self, tokens: list[str]) -> dict[str, Team]:
        # PostgreSQL has no text with NUL in it, so such a token cannot exist and must not be asked for
        rows = await self._postgres.fetch(_TEAMS, [token for token in tokens if "\0" not in token])
        return {row["api_token"]: _team(row) for row in rows}


def _team(row: Mapping[str, Any]) -> Team:
    found, required = row["event_filter"], row["required"]
    rules = {
        "event_filter": EventFilter(**msgspec.json.decode(found)) if found else None,
        "required": msgspec.json.decode(required) if required else {},
    }
    return Team(**{**row, **rules})


class _Missing:
    """Not in the cache, which is not the same as known to be unknown."""


_MISSING = _Missing()
