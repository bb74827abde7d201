"""Runs one query for one team."""

import asyncio
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import orjson

from libs.hogql.catalog import information_rows
from libs.hogql.compile import Compiled, compile_query
from libs.hogql.errors import HogQLError, TeamGuardError
from libs.hogql.limits import MAX_LIMIT
from libs.hogql.parser import parse_select
from libs.hogql.schema import DATABASE, database_for
from libs.kit import metrics
from libs.kit.access import Team
from libs.kit.clickhouse import ClickHouse
from libs.kit.clickhouse.client import Result
from libs.kit.clock import Clock
from libs.kit.errors import HedgerowError, QueryRefused
from services.query.preparing import Preparing, persons_mode
from services.query.refusals import explained
from services.query.schemas import HogQLQuery, QueryResponse, Timing
from services.query.settings import QuerySettings
from services.query.system_rows import MAX_ROWS, lines_of
from services.query.turns import Turns
from services.query.values import converted

INLINE_CHARACTERS = 4_000
_REFRESH_AGAIN = timedelta(minutes=3)


class QueryService:
    """The use case: text in, PostHog's envelope out."""

    def __init__(self, clickhouse: ClickHouse, preparing: Preparing, clock: Clock, settings: QuerySettings):
        self._clickhouse = clickhouse
        self.preparing = preparing
        self._clock = clock
        self._settings = settings
        self._turns = Turns(
            total=settings.concurrent_queries,
            per_team=settings.concurrent_queries_per_team,
            waiting=settings.waiting_queries,
            wait_seconds=settings.wait_seconds,
        )

    async def run(self, team: Team, query: HogQLQuery) -> QueryResponse:
        """The answer. Raises HogQLError, or InvalidRequest for what ClickHouse refused; RateLimited; DeadlineExceeded.

        Cancelling it stops the query in ClickHouse.
        """
        timings: list[Timing] = []
        started = self._clock.monotonic()
        try:
            with _timed("./compile", timings):
                compiled = await self._compile(team, query)
            values = {**compiled.values, **await self._rows(team, compiled, query)}
            async with self._turns.turn(team.id):
                with _timed("./clickhouse_execute", timings):
                    result = await self._execute(team, compiled, values)
        except HedgerowError as exc:
            metrics.QUERY_ERRORS.labels(exc.code).inc()
            raise
        finally:
            metrics.QUERY_SECONDS.labels(query.kind, "false").observe(self._clock.monotonic() - started)
        with _timed("./format", timings):
            return self._response(team, query, compiled, result, timings)

    async def _compile(self, team: Team, query: HogQLQuery) -> Compiled:
        short = len(query.query) <= INLINE_CHARACTERS
        tree = parse_select(query.query) if short else await asyncio.to_thread(parse_select, query.query)
        try:
            project = await self.preparing.project(
                team,
                tree,
                values=query.values,
                variables=query.variables,
                filters=query.filters,
                modifiers=query.modifiers,
            )
        except HogQLError as error:
            raise error.located(query.query) from None
        if short:
            return compile_query(query.query, project, tree=tree)
        return await asyncio.to_thread(compile_query, query.query, project, None, tree)

    async def _rows(self, team: Team, compiled: Compiled, query: HogQLQuery) -> dict[str, str]:
        """The rows that the query carries with it, by parameter."""
        found: dict[str, str] = {}
        for parameter, table in compiled.rows.items():
            if table.startswith("system.information_schema."):
                types = await self.preparing.repository.group_types(team.id)
                database = database_for(persons_mode(query.modifiers or {}), types)
                found[parameter] = lines_of(table, information_rows(table, database), team.id)
            else:
                rows = await self.preparing.repository.system_rows(team.id, table, MAX_ROWS + 1)
                found[parameter] = lines_of(table, rows, team.id)
        return found

    async def _execute(self, team: Team, compiled: Compiled, values: dict[str, Any]) -> Result:
        settings: dict[str, str | int] = {
            "transform_null_in": 1,
            "date_time_output_format": "iso",
            "output_format_json_validate_utf8": 1,  # a String may hold any bytes, JSON may not
            "max_result_bytes": self._settings.max_result_bytes,
            "max_result_rows": MAX_LIMIT * 2,  # LIMIT 50% has no bound of its own
            "result_overflow_mode": "throw",
            "max_ast_elements": 4_000_000,
            "max_expanded_ast_elements": 4_000_000,
            "max_query_size": 8 * 1024**2,
            "max_parser_depth": 10_000,
            # The same guard once more, where no SQL can reach it.
            "additional_table_filters": table_filters(compiled.tables, team.id),
        }
        if self._settings.max_bytes_to_read:
            settings["max_bytes_to_read"] = self._settings.max_bytes_to_read
        try:
            return await self._clickhouse.query(
                compiled.sql,
                values,
                settings=settings,
                timeout=self._settings.max_execution_seconds,
                query_id=f"{team.id}-{uuid4()}",
            )
        except QueryRefused as exc:
            raise explained(exc) from exc

    def _response(
        self, team: Team, query: HogQLQuery, compiled: Compiled, result: Result, timings: list[Timing]
    ) -> QueryResponse:
        page, rows = compiled.page, converted(result.rows, result.types, team.timezone)
        has_more = page.more_by_one and page.limit is not None and len(rows) > page.limit
        now = self._clock.now()
        return QueryResponse(
            results=rows[: page.limit] if has_more else rows,
            columns=list(compiled.columns),
            types=list(zip(compiled.columns, result.types, strict=True)),
            query=query.query,
            hogql=compiled.hogql,
            clickhouse=compiled.sql,
            limit=page.limit,
            offset=page.offset,
            hasMore=has_more,
            timings=timings,
            modifiers={
                "convertToProjectTimezone": True,
                "personsOnEventsMode": persons_mode(query.modifiers or {}),
                "inCohortVia": "subquery",
                "sessionTableVersion": "v2",
            },
            cache_key=_cache_key(team, query),
            last_refresh=_iso(now, "UTC"),
            next_allowed_client_refresh=_iso(now + _REFRESH_AGAIN, "UTC"),
            timezone=team.timezone,
            query_metadata={"rows_read": result.rows_read, "bytes_read": result.bytes_read},
        )


_STORED = frozenset(DATABASE.stored)


def table_filters(tables: frozenset[str], team_id: int) -> str:
    """The filter on each table with rows of several teams. Raises TeamGuardError if the query reads one that this does
    not know to have a team's column: then nothing would hold the line beside the SQL itself."""
    if not tables <= _STORED:
        raise TeamGuardError(f"No filter for {', '.join(sorted(tables - _STORED))}.")
    filters = ", ".join(f"'{table}': 'team_id = {team_id:d}'" for table in sorted(tables))
    return f"{{{filters}}}"


@contextmanager
def _timed(name: str, timings: list[Timing]) -> Iterator[None]:
    started = time.perf_counter()
    yield
    timings.append(Timing(k=name, t=round(time.perf_counter() - started, 6)))


def _iso(moment: datetime, zone: str) -> str:
    return moment.astimezone(ZoneInfo(zone)).isoformat().replace("+00:00", "Z")


def _cache_key(team: Team, query: HogQLQuery) -> str:
    described: dict[str, Any] = {**query.model_dump(mode="json"), "team_id": team.id, "timezone": team.timezone}
    digest = hashlib.md5(orjson.dumps(described, option=orjson.OPT_SORT_KEYS), usedforsecurity=False)
    return f"cache_{digest.hexdigest()}"
