"""`system.*`: what the project is made of. The rows are PostgreSQL's and come with the query, as lines of JSON."""

from types import MappingProxyType

from libs.hogql.schema.fields import ColumnField, Field, JsonField, Table

# kind -> type in the lines. Truth values are whole numbers here, as PostHog shows them.
_TYPES = {
    "integer": "Int64",
    "integer?": "Nullable(Int64)",
    "float": "Float64",
    "date": "Date",
    "string": "String",
    "string?": "Nullable(String)",
    "json": "String",
    "datetime": "DateTime64(6, 'UTC')",
    "datetime?": "Nullable(DateTime64(6, 'UTC'))",
}
_COLUMNS = {
    "dashboards": "name:string? description:string created_at:datetime deleted:integer filters:json variables:json",
    "cohorts": (
        "name:string? description:string deleted:integer filters:json groups:json query:json created_at:datetime? "
        "last_calculation:datetime? version:integer? count:integer? is_static:integer"
    ),
    "insights": (
        "short_id:string name:string? description:string? filters:json query:json query_metadata:json deleted:integer "
        "saved:integer created_at:datetime? updated_at:datetime?"
    ),
    "experiments": (
        "name:string description:string? created_at:datetime updated_at:datetime filters:json parameters:json "
        "start_date:datetime? end_date:datetime? archived:integer feature_flag_id:integer?"
    ),
    "feature_flags": (
        "key:string name:string filters:json rollout_percentage:integer? created_at:datetime deleted:integer"
    ),
    "surveys": (
        "name:string type:string questions:json appearance:json start_date:datetime? end_date:datetime? "
        "created_at:datetime"
    ),
    "teams": "name:string timezone:string test_account_filters:json created_at:datetime updated_at:datetime",
    "groups": "group_key:string group_type_index:integer group_properties:json created_at:datetime",
    "group_type_mappings": "group_type:string group_type_index:integer name_singular:string? name_plural:string?",
    "insight_variables": "name:string type:string code_name:string? values:json default_value:json",
    "exports": "export_format:string created_at:datetime export_context:json",
    "data_warehouse_sources": (
        "source_type:string prefix:string? created_at:datetime updated_at:datetime? deleted:integer? "
        "deleted_at:datetime?"
    ),
}
_STRING_IDS = frozenset(("insight_variables", "surveys", "data_warehouse_sources"))  # these are UUIDs
# Part of the language, and filled by nothing here: they answer with no rows.
_EMPTY = {
    "exchange_rate": "currency:string date:date rate:float",
    "persons_revenue_analytics": "person_id:string revenue:float mrr:float",
    "groups_revenue_analytics": "group_key:string revenue:float mrr:float",
}
# Made of the tables themselves, not of anybody's rows.
_CATALOG = {
    "information_schema.tables": "table_schema:string table_name:string table_type:string",
    "information_schema.columns": (
        "table_name:string column_name:string ordinal_position:integer data_type:string is_nullable:integer"
    ),
    "information_schema.relationships": (
        "table_name:string field_name:string foreign_table_name:string source_key:string foreign_key:string"
    ),
}


def _table(name: str, columns: str) -> Table:
    kinds = dict(entry.split(":") for entry in columns.split())
    fields: dict[str, Field] = {}
    for column, kind in kinds.items():
        bare = kind.rstrip("?")
        fields[column] = (
            JsonField(column, column, native=False) if kind == "json" else ColumnField(column, bare, bare != kind)
        )
    structure = ", ".join(f"`{column}` {_TYPES[kind]}" for column, kind in kinds.items())
    return Table(
        name=name,
        team_column="team_id",
        fields=MappingProxyType({**fields, "team_id": ColumnField("team_id", "integer")}),
        star=tuple(fields),
        structure=f"{structure}, `team_id` Int64",
    )


SYSTEM_TABLES = {
    **{
        f"system.{name}": _table(f"system.{name}", f"id:{'string' if name in _STRING_IDS else 'integer'} {columns}")
        for name, columns in _COLUMNS.items()
    },
    **{f"system.{name}": _table(f"system.{name}", columns) for name, columns in _CATALOG.items()},
}
EMPTY_TABLES = {name: _table(name, columns) for name, columns in _EMPTY.items()}
