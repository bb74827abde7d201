"""The tables that queries see, and what of ClickHouse stands behind them.

fields.py (what tables are made of), events.py, people.py, sessions.py, replay.py, telemetry.py, ai.py, system.py,
database.py (all of them, by name).
"""

from libs.hogql.schema.database import DATABASE, TABLES, Database, database_for, stored_columns
from libs.hogql.schema.events import EVENTS, HOT_PATHS, OVERRIDE, PERSONS_MODES
from libs.hogql.schema.fields import (
    AliasField,
    AnyTable,
    ColumnField,
    ExpressionField,
    Field,
    GroupField,
    JoinField,
    JsonField,
    LazyTable,
    PropertyField,
    Table,
)

__all__ = [
    "DATABASE",
    "EVENTS",
    "HOT_PATHS",
    "OVERRIDE",
    "PERSONS_MODES",
    "TABLES",
    "AliasField",
    "AnyTable",
    "ColumnField",
    "Database",
    "ExpressionField",
    "Field",
    "GroupField",
    "JoinField",
    "JsonField",
    "LazyTable",
    "PropertyField",
    "Table",
    "database_for",
    "stored_columns",
]
