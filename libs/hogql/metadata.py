"""What an editor asks of a query while it is written: is it right, what does it read, what is each name."""

from collections.abc import Callable
from dataclasses import dataclass, field

from libs.hogql import ast
from libs.hogql.compile import Project, compile_query
from libs.hogql.errors import HogQLError
from libs.hogql.parser import parse_expr, parse_select
from libs.hogql.resolver import Notice
from libs.hogql.schema import DATABASE
from libs.hogql.tree import walk

_EXPRESSION_BEFORE, _EXPRESSION_AFTER = "SELECT ", " FROM events"


@dataclass(frozen=True, slots=True)
class Remark:
    """A message about a span of the text; `fix` is what to put in its place."""

    message: str
    start: int | None = None
    end: int | None = None
    fix: str | None = None


@dataclass(slots=True)
class Metadata:
    """What is known of a text. It is valid if nothing is wrong with it."""

    errors: list[Remark] = field(default_factory=list)
    warnings: list[Remark] = field(default_factory=list)
    notices: list[Remark] = field(default_factory=list)
    table_names: list[str] = field(default_factory=list)
    stored_tables: list[str] = field(default_factory=list)


def query_metadata(text: str, project: Project) -> Metadata:
    """About a whole query."""
    return _about(text, project, lambda offset: offset)


def expression_metadata(text: str, project: Project) -> Metadata:
    """About one expression over events."""
    try:
        parse_expr(text)
    except HogQLError as error:
        return Metadata(errors=[_wrong(error, lambda offset: offset)])
    within = _EXPRESSION_BEFORE + text + _EXPRESSION_AFTER
    return _about(within, project, lambda offset: max(0, min(len(text), offset - len(_EXPRESSION_BEFORE))))


def _about(text: str, project: Project, place: Callable[[int], int]) -> Metadata:
    found = Metadata()
    notices: list[Notice] = []
    try:
        tree = parse_select(text)
        found.table_names = tables_read(tree)
        found.stored_tables = stored_tables(found.table_names)
        compile_query(text, project, notices=notices)
    except HogQLError as error:
        found.errors.append(_wrong(error, place))
    remarks = (Remark(one.message, place(one.start), place(one.end), one.fix) for one in notices)
    found.notices = list(dict.fromkeys(remarks))
    return found


def _wrong(error: HogQLError, place: Callable[[int], int]) -> Remark:
    ended = "mismatched input '<EOF>' expecting" in error.message
    start, end = (None if at is None else place(at) for at in (error.start, error.end))
    return Remark("Unexpected end of query" if ended else error.message, start, end)


def stored_tables(names: list[str]) -> list[str]:
    """What ClickHouse calls the rows of these tables."""
    tables = [DATABASE.table(name) for name in names]
    return sorted({DATABASE.stored_name(table) for table in tables if table is not None})


def tables_read(tree: ast.Query) -> list[str]:
    """The tables named in FROM, in order, without the names of WITH."""
    nodes = walk(tree)
    own = {node.name for node in nodes if isinstance(node, ast.CTE)}
    named = [
        ".".join(map(str, node.table.chain))
        for node in nodes
        if isinstance(node, ast.TableRef) and isinstance(node.table, ast.Field)
    ]
    return [name for name in dict.fromkeys(named) if name not in own]
