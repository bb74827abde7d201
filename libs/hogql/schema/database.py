"""Every table, by the name that queries use."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from libs.hogql.schema import ai, people, replay, sessions, system, telemetry
from libs.hogql.schema.events import OVERRIDE, events_table
from libs.hogql.schema.fields import AnyTable, ColumnField, Field, GroupField, JsonField, LazyTable, PropertyField

_FIXED: dict[str, AnyTable] = {
    "persons": people.PERSONS,
    "groups": people.groups_table(),
    "sessions": sessions.SESSIONS,
    "session_replay_events": replay.SESSION_REPLAY_EVENTS,
    "query_log": telemetry.QUERY_LOG,
    "person_distinct_ids": people.PERSON_DISTINCT_IDS,
    "person_distinct_id_overrides": people.PERSON_DISTINCT_ID_OVERRIDES,
    "cohort_people": people.COHORT_PEOPLE,
    "static_cohort_people": people.STATIC_COHORT_PEOPLE,
    "log_entries": telemetry.LOG_ENTRIES,
    "console_logs_log_entries": telemetry.CONSOLE_LOGS,
    "batch_export_log_entries": telemetry.BATCH_EXPORT_LOGS,
    "logs": telemetry.LOGS,
    "document_embeddings": telemetry.DOCUMENT_EMBEDDINGS,
    "error_tracking_issue_fingerprint_overrides": telemetry.ISSUE_OVERRIDES,
    "raw_persons": people.RAW_PERSONS,
    "raw_person_distinct_ids": people.RAW_PERSON_DISTINCT_IDS,
    "raw_person_distinct_id_overrides": people.RAW_PERSON_DISTINCT_ID_OVERRIDES,
    "raw_groups": people.RAW_GROUPS,
    "raw_cohort_people": people.RAW_COHORT_PEOPLE,
    "raw_session_replay_events": replay.RAW_SESSION_REPLAY_EVENTS,
    "heatmaps": telemetry.HEATMAPS,
    "ai_events": ai.AI_EVENTS,
    "app_metrics": telemetry.APP_METRICS,
    "raw_sessions": sessions.RAW_SESSIONS,
    "raw_heatmaps": telemetry.RAW_HEATMAPS,
    "raw_ai_events": ai.RAW_AI_EVENTS,
    "raw_app_metrics": telemetry.RAW_APP_METRICS,
    "raw_query_log": telemetry.RAW_QUERY_LOG,
    "raw_document_embeddings": telemetry.RAW_DOCUMENT_EMBEDDINGS,
    "raw_error_tracking_issue_fingerprint_overrides": telemetry.RAW_ISSUE_OVERRIDES,
    **system.SYSTEM_TABLES,
    **system.EMPTY_TABLES,
}
# Joined to, but not named in a query.
_INNER: dict[str, AnyTable] = {f"groups_{index}": people.groups_table(index) for index in range(5)}
_LISTED = ("events", "groups", "persons", "sessions", "session_replay_events", "query_log", *system.SYSTEM_TABLES)


@dataclass(frozen=True, slots=True, eq=False)
class Database:
    """The tables as one project sees them. `inner` ones are only reached through fields of others; `listed` are those
    that the schema browser shows. `names`: of all tables and columns, here and in ClickHouse."""

    tables: Mapping[str, AnyTable]
    inner: Mapping[str, AnyTable]
    names: frozenset[str]

    def table(self, name: str) -> AnyTable | None:
        """The table of this name, as a query writes it."""
        return self.tables.get(name.removeprefix("posthog."))

    def joined(self, name: str) -> AnyTable:
        """The table that a field leads to."""
        return self.inner.get(name) or self.tables[name]

    def stored_name(self, table: AnyTable) -> str:
        """What ClickHouse calls the rows of a table."""
        return self.tables[table.stored].name if isinstance(table, LazyTable) else table.name

    @property
    def listed(self) -> Mapping[str, AnyTable]:
        """Those that people are shown."""
        return {name: self.tables[name] for name in _LISTED if name in self.tables}

    @property
    def stored(self) -> Iterable[str]:
        """The names of ClickHouse's tables behind all of these, those of other projects' rows included."""
        tables = (table for table in self.tables.values() if not isinstance(table, LazyTable))
        return sorted({table.name for table in tables if not table.structure})


@lru_cache(maxsize=256)
def database_for(persons_mode: str = OVERRIDE, group_types: tuple[tuple[int, str], ...] = ()) -> Database:
    """The tables in one of the modes of `events`, with the project's names for its types of groups."""
    events = events_table(persons_mode, group_types)
    tables: dict[str, AnyTable] = {"events": events, **_FIXED}
    names = {*tables, *(table.name for table in tables.values())}
    names.update(name for table in tables.values() for name in stored_columns(table))
    return Database(MappingProxyType(tables), MappingProxyType(_INNER), frozenset(names))


def stored_columns(table: AnyTable) -> list[str]:
    """The columns behind a table's fields."""
    names: dict[str, None] = {}
    pending: list[Field] = list(table.fields.values())
    while pending:
        match pending.pop(0):
            case ColumnField(column):
                names[column] = None
            case JsonField(column, raw) | PropertyField(column, raw):
                names.update({column: None, raw: None})
            case GroupField(fields):
                pending.extend(fields.values())
    return list(names)


DATABASE = database_for()
TABLES = DATABASE.tables
