"""What may come at the cursor. The text is usually not a query yet, so it is read as if it went on in several ways."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from libs.hogql import ast, functions
from libs.hogql.catalog import fields_of, hogql_value
from libs.hogql.errors import HogQLError
from libs.hogql.parser import parse_select
from libs.hogql.schema import DATABASE, TABLES, AliasField, AnyTable, Field, GroupField, JoinField, JsonField
from libs.hogql.tree import walk

MARK = "$$_POSTHOG_ANY_$$"
MAX_PROPERTIES = 220


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One line of the list."""

    label: str
    text: str
    kind: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Suggestions:
    """The list; `incomplete` when there are more than fit."""

    items: tuple[Suggestion, ...] = ()
    incomplete: bool = False


def suggested(text: str, end: int, properties: Sequence[str] = (), variables: Iterable[str] = ()) -> Suggestions:
    """What may stand at `end`. `properties` are the known ones of events, `variables` those of `{variables.x}`."""
    end = max(0, min(end, len(text)))
    before, after = text[:end], text[end:]
    marked = before + MARK
    for attempt in (marked + after, marked + "}" + after, marked + " FROM events", marked + "} FROM events"):
        try:
            nodes = walk(parse_select(attempt))
        except HogQLError:
            continue
        found = _at_mark(nodes, properties, variables)
        if found.items:
            return found
    return Suggestions()


def suggested_in_expression(
    text: str, end: int, properties: Sequence[str] = (), variables: Iterable[str] = ()
) -> Suggestions:
    """The same for an expression over events."""
    before = "SELECT "
    return suggested(" ".join([before + text, "FROM events"]), len(before) + end, properties, variables)


def _at_mark(nodes: list[ast.Node], properties: Sequence[str], variables: Iterable[str]) -> Suggestions:
    for node in nodes:
        if isinstance(node, ast.TableRef) and isinstance(node.table, ast.Field) and MARK in str(node.table.chain[-1]):
            return Suggestions(tuple(Suggestion(name, name, "Folder", "Table") for name in DATABASE.listed))
        if isinstance(node, ast.Placeholder) and isinstance(node.expr, ast.Field) and _marked(node.expr):
            names = [f"variables.{name}" for name in variables]
            return Suggestions(tuple(Suggestion(name, name, "Constant") for name in names))
    for query in reversed([node for node in nodes if isinstance(node, ast.SelectQuery)]):
        for node in walk(query):
            if isinstance(node, ast.Field) and _marked(node):
                return _of_field(node, query, properties)
    return Suggestions()


def _marked(node: ast.Field) -> bool:
    return any(MARK in str(step) for step in node.chain)


def _of_field(node: ast.Field, query: ast.SelectQuery, properties: Sequence[str]) -> Suggestions:
    sources = _sources(query)
    steps = [str(step) for step in node.chain[: next(i for i, step in enumerate(node.chain) if MARK in str(step))]]
    typed = str(node.chain[len(steps)]).replace(MARK, "")
    if steps and steps[0] in sources:
        table, *steps = steps
        sources = {table: sources[table]}
    elif not steps:
        aliases = [name for name, (_, aliased) in sources.items() if aliased]
        if aliases:
            return Suggestions(tuple(Suggestion(name, name, "Folder", "Table") for name in aliases))
    for table_of, _ in sources.values():
        found = _below(table_of.fields, steps)
        if isinstance(found, JsonField):
            return _properties(properties, typed)
        if found is not None:
            return Suggestions((*_fields(found), *(_functions() if not node.chain[:-1] else ())))
    return Suggestions()


def _sources(query: ast.SelectQuery) -> dict[str, tuple[AnyTable, bool]]:
    chain = query.select_from
    refs = [] if chain is None else [chain.first, *[join.table for join in chain.joins if isinstance(join, ast.Join)]]
    found: dict[str, tuple[AnyTable, bool]] = {}
    for ref in refs:
        name = ".".join(map(str, ref.table.chain)) if isinstance(ref.table, ast.Field) else ""
        if name in TABLES:
            found[ref.alias or name] = TABLES[name], ref.alias is not None
    return found


def _below(fields: Mapping[str, Field], steps: list[str]) -> Mapping[str, Field] | JsonField | None:
    for number, step in enumerate(steps):
        match fields.get(step):
            case JsonField() as found:
                return found
            case GroupField(inner):
                fields = inner
            case JoinField(table):
                fields = DATABASE.joined(table).fields
            case AliasField(chain):
                return _below(fields, [*chain, *steps[number + 1 :]])
            case _:
                return None
    return fields


def _fields(fields: Mapping[str, Field]) -> list[Suggestion]:
    return [Suggestion(name, hogql_value(name), "Variable", detail) for name, detail in fields_of(fields)]


def _functions() -> list[Suggestion]:
    names = sorted(definition.name for definition in functions.every() if not definition.name.startswith("_"))
    return [Suggestion(name, f"{name}()", "Function") for name in names]


def _properties(known: Sequence[str], typed: str) -> Suggestions:
    names = [name for name in known if typed.lower() in name.lower()]
    shown = names[:MAX_PROPERTIES]
    items = tuple(Suggestion(name, hogql_value(name), "Variable", "String") for name in shown)
    return Suggestions(items, len(names) > len(shown))
