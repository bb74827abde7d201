"""What tables and their fields are made of.

A field is a column, a JSON document (its stored text, and the JSON column that is read for paths into it), an
expression in HogQL over the same table, a join to another table that is made when it is used, or a set of further
fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ColumnField:
    """A stored column. `kind` is resolved.Kind."""

    column: str
    kind: str
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class JsonField:
    """A JSON document: `raw` gives it back as it was sent, `column` is read for paths into it. `typed` are the paths
    that the table stores as Nullable(String). `native`: `column` is of ClickHouse's JSON type, not text. `described`:
    whose property definitions say what its members are (`event`, `person`, `group_0`...)."""

    column: str
    raw: str
    typed: frozenset[str] = frozenset()
    native: bool = True
    described: str = ""


@dataclass(frozen=True, slots=True)
class ExpressionField:
    """Computed from other fields of the same table. `kind` is what the schema says of it."""

    hogql: str
    kind: str = "expression"


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


@dataclass(frozen=True, slots=True)
class JoinField:
    """The fields of another table, joined when one of them is used: where each `pairs` holds (HogQL over this table,
    field of the other), and `condition`, HogQL over the other, holds.
    `bounded_by`: a time of this table that is near those of the other."""

    table: str
    pairs: tuple[tuple[str, str], ...]
    kind: str = "LEFT"
    condition: str = ""
    bounded_by: str = ""


@dataclass(frozen=True, slots=True)
class AliasField:
    """Another name for a field of the same table."""

    chain: tuple[str, ...]


Field = ColumnField | JsonField | PropertyField | ExpressionField | GroupField | JoinField | AliasField


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A stored table with rows of many teams: `team_column` tells them apart. `star` is what `*` stands for, in order;
    SAMPLE takes a share of the values of `sample_column`, so that what belongs together stays together. `structure`:
    the rows are not ClickHouse's but come with the query, as lines of JSON of this shape."""

    name: str
    team_column: str
    fields: Mapping[str, Field]
    star: tuple[str, ...]
    sample_column: str = ""
    structure: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class LazyTable:
    """A table made of the rows of `stored` when it is read: grouped by `keys`, of every other field the value of the
    highest `version`; or, without a version, of the fields that `made` gives in HogQL over those rows.

    Its columns are fields of `stored`. `where` and `having` are HogQL over `stored` too. `bounds`: rows of which the
    expression on the right is more than `margin_days` beyond a bound of the field on the left need not be read.
    """

    name: str
    stored: str
    fields: Mapping[str, Field]
    star: tuple[str, ...]
    keys: tuple[str, ...]
    version: str = ""
    made: Mapping[str, str] = field(default_factory=dict)
    where: str = ""
    having: str = ""
    bounds: Mapping[str, str] = field(default_factory=dict)
    margin_days: int = 0
    team_column: str = "team_id"
    sample_column: str = ""


AnyTable = Table | LazyTable
