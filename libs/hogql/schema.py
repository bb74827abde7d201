"""The tables that queries see, and what of ClickHouse stands behind them.

A field is a column, a JSON document (its stored text, and the JSON column that is read for paths into it), an
expression in HogQL over the same table, or a set of further fields (`person.…`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class ColumnField:
    """A stored column. `kind` is resolved.Kind."""

    column: str
    kind: str
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class JsonField:
    """A JSON document: `raw` gives it back as it was sent, `column` is read for paths into it. `typed` are the paths
    that the table stores as Nullable(String)."""

    column: str
    raw: str
    typed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ExpressionField:
    """Computed from other fields of the same table."""

    hogql: str


@dataclass(frozen=True, slots=True)
class PropertyField:
    """One property that is text by its nature; empty when it is missing."""

    column: str
    raw: str
    name: str
    typed: bool = False


@dataclass(frozen=True, slots=True)
class GroupField:
    """Fields behind a dot."""

    fields: Mapping[str, "Field"]


Field = ColumnField | JsonField | PropertyField | ExpressionField | GroupField


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table with rows of many teams: `team_column` tells them apart. `star` is what `*` stands for, in order; SAMPLE
    takes a share of the values of `sample_column`, so that what belongs together stays together."""

    name: str
    team_column: str
    fields: Mapping[str, Field]
    star: tuple[str, ...]
    sample_column: str = ""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# As in the table's definition (a test compares): a typed path is read without asking for its type.
HOT_PATHS = frozenset(("$browser", "$current_url", "$device_type", "$os", "$pathname", "$session_id"))

_ELEMENTS = {
    "elements_chain_href": 'extract(elements_chain, \'(?::|")href="(.*?)"\')',
    "elements_chain_texts": 'arrayDistinct(extractAll(elements_chain, \'(?::|")text="(.*?)"\'))',
    "elements_chain_ids": 'arrayDistinct(extractAll(elements_chain, \'(?::|")attr_id="(.*?)"\'))',
    "elements_chain_elements": (
        "arrayDistinct(extractAll(elements_chain, '(?:^|;)(a|button|form|input|select|textarea|label)(?:\\\\.|$|:)'))"
    ),
}
_FROM_PROPERTIES = ("$session_id", "$window_id", "$group_0", "$group_1", "$group_2", "$group_3", "$group_4")

_PERSON: Mapping[str, Field] = MappingProxyType(
    {
        "id": ColumnField("person_id", "uuid"),
        "created_at": ColumnField("person_created_at", "datetime"),
        "properties": JsonField("person_properties", "person_properties_raw"),
    }
)

EVENTS = Table(
    name="events",
    team_column="team_id",
    fields=MappingProxyType(
        {
            "uuid": ColumnField("uuid", "uuid"),
            "event": ColumnField("event", "string"),
            "properties": JsonField("properties", "properties_raw", HOT_PATHS),
            "timestamp": ColumnField("timestamp", "datetime"),
            "team_id": ColumnField("team_id", "integer"),
            "distinct_id": ColumnField("distinct_id", "string"),
            "elements_chain": ColumnField("elements_chain", "string"),
            "created_at": ColumnField("created_at", "datetime"),
            "captured_at": ColumnField("captured_at", "datetime", nullable=True),
            "inserted_at": ColumnField("inserted_at", "datetime"),
            **{
                name: PropertyField("properties", "properties_raw", name, name in HOT_PATHS)
                for name in _FROM_PROPERTIES
            },
            "person_mode": ColumnField("person_mode", "unknown"),
            "historical_migration": ColumnField("historical_migration", "boolean"),
            **{name: ExpressionField(text) for name, text in _ELEMENTS.items()},
            "person_id": ColumnField("person_id", "uuid"),
            "person": GroupField(_PERSON),
            "poe": GroupField(_PERSON),
            "pdi": GroupField(
                {
                    "distinct_id": ColumnField("distinct_id", "string"),
                    "person_id": ColumnField("person_id", "uuid"),
                    "person": GroupField(_PERSON),
                }
            ),
        }
    ),
    star=(
        "uuid", "event", "properties", "timestamp", "distinct_id", "elements_chain", "created_at", "$session_id",
        "$window_id", "person_mode", *_FROM_PROPERTIES[2:], *_ELEMENTS,
    ),
    sample_column="distinct_id",
)  # fmt: skip


def stored_columns(table: Table) -> list[str]:
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
            case ExpressionField():
                pass
    return list(names)


TABLES: Mapping[str, Table] = MappingProxyType({"events": EVENTS})

# Part of the language, without rows yet: named in the error, so that nobody searches for a typing mistake.
LATER = _words(
    "persons person_distinct_ids person_distinct_id_overrides groups sessions session_replay_events "
    "cohort_people static_cohort_people log_entries logs heatmaps query_log raw_persons raw_sessions "
    "raw_groups"
)
