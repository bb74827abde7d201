"""The tables and fields that queries see, in PostHog's words: for the schema browser, notices and suggestions."""

from collections.abc import Iterator, Mapping
from typing import Any

from libs.hogql.schema import (
    DATABASE,
    AliasField,
    AnyTable,
    ColumnField,
    Database,
    ExpressionField,
    Field,
    GroupField,
    JoinField,
    JsonField,
    PropertyField,
)

_NAMED = {
    "integer": "Integer", "float": "Float", "string": "String", "datetime": "DateTime", "date": "Date",
    "boolean": "Boolean", "array": "Array", "json": "JSON", "uuid": "UUID",
}  # fmt: skip
_QUOTED_IF = frozenset("@-!$+")


def type_name(kind: str) -> str:
    """What notices call a kind of value."""
    return _NAMED.get(kind, "Unknown")


def hogql_value(name: str) -> str:
    """A name as it is put into a query."""
    return f"`{name}`" if _QUOTED_IF & set(name) else name


def field_kind(field: Field) -> str:
    """The kind of a field in the schema's answer."""
    match field:
        case ColumnField(_, kind):
            return "string" if kind == "uuid" else kind
        case JsonField():
            return "json"
        case PropertyField():
            return "string"
        case ExpressionField():
            return "expression"
        case GroupField():
            return "virtual_table"
        case JoinField():
            return "lazy_table"
        case AliasField():
            return "field_traverser"


def database_schema(database: Database = DATABASE) -> dict[str, Any]:
    """The answer to DatabaseSchemaQuery."""
    return {"tables": {name: _table(name, table) for name, table in database.listed.items()}, "joins": []}


def _table(name: str, table: AnyTable) -> dict[str, Any]:
    fields = {field: _field(field, of) for field, of in table.fields.items() if field != table.team_column}
    kind = "system" if name.startswith("system.") else "posthog"
    return {"type": kind, "id": name, "name": name, "fields": fields}


def _field(name: str, field: Field) -> dict[str, Any]:
    found = {"name": name, "hogql_value": hogql_value(name), "type": field_kind(field), "schema_valid": True}
    if isinstance(field, GroupField):
        return {**found, "fields": list(field.fields)}
    if isinstance(field, JoinField):
        return {**found, "table": field.table, "fields": list(DATABASE.joined(field.table).fields)}
    return {**found, "chain": list(field.chain)} if isinstance(field, AliasField) else found


def fields_of(fields: Mapping[str, Field]) -> Iterator[tuple[str, str]]:
    """Name and suggested detail of each."""
    for name, field in fields.items():
        kind = field_kind(field)
        yield (
            name,
            {"json": "Object", "virtual_table": "Table", "lazy_table": "Table", "expression": "Expression"}.get(
                kind, type_name(kind)
            ),
        )


def information_rows(table: str, database: Database) -> list[dict[str, Any]]:
    """The rows of `system.information_schema.*` for somebody who sees this database."""
    kind = table.rpartition(".")[2]
    if kind == "tables":
        return [
            {"table_schema": "system" if name.startswith("system.") else "posthog", "table_name": name,
             "table_type": _table_type(name)}
            for name in database.listed
        ]  # fmt: skip
    if kind == "columns":
        return [
            {"table_name": name, "column_name": field, "ordinal_position": place, "data_type": _data_type(of),
             "is_nullable": int(isinstance(of, ColumnField) and of.nullable)}
            for name, found in database.listed.items()
            for place, (field, of) in enumerate(found.fields.items(), 1)
            if not isinstance(of, JoinField | AliasField) and field != found.team_column
        ]  # fmt: skip
    return [
        {"table_name": name, "field_name": field, "foreign_table_name": of.table, "source_key": of.pairs[0][0],
         "foreign_key": of.pairs[0][1]}
        for name, found in database.listed.items()
        for field, of in found.fields.items()
        if isinstance(of, JoinField)
    ]  # fmt: skip


def _table_type(name: str) -> str:
    if name.startswith("system.information_schema."):
        return "information_schema"
    return "system" if name.startswith("system.") else "posthog"


def _data_type(field: Field) -> str:
    match field:
        case ColumnField(_, kind):
            return type_name(kind)
        case JsonField():
            return "JSON"
        case PropertyField():
            return "String"
        case ExpressionField(_, kind):
            return "Expression" if kind == "expression" else type_name(kind)
    return "Struct"
