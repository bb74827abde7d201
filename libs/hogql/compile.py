"""HogQL in, ClickHouse SQL out: the passes, in order.

parser      text -> tree                                 lexer.py, parser/
resolver    names -> columns, functions, sources         resolver/, scope.py, schema/, functions.py, rules.py
            cohorts, filters, types of properties,       resolver/cohorts.py, filters.py, posthog_functions.py
            what may not be seen
limits      how many rows                                limits.py
timezones   texts -> instants; times -> project's zone   timezones.py
nulls       comparisons that mind missing values         nulls.py  (on properties as such, whose types it knows)
plain       properties of which only text is of use      properties.py
lazy        tables made when read; joins led to          lazy.py
properties  properties -> paths of a JSON column         properties.py
guard       this team's rows only; then checked          guard.py
printer     resolved tree -> SQL, values apart           printer.py
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from libs.hogql import ast
from libs.hogql import resolved as r
from libs.hogql.errors import HogQLError, TooComplex
from libs.hogql.filters import Filters
from libs.hogql.guard import guarded, verify
from libs.hogql.hogql_printer import HogQLPrinter
from libs.hogql.lazy import Lazy
from libs.hogql.limits import DEFAULT_LIMIT, MAX_LIMIT, Page, limited
from libs.hogql.nulls import Nulls
from libs.hogql.parser import parse_select
from libs.hogql.parser.cursor import deep_recursion
from libs.hogql.printer import ClickHousePrinter
from libs.hogql.properties import PlainReads, Properties
from libs.hogql.resolver import Cohort, Context, Notice, Resolver
from libs.hogql.schema import OVERRIDE, database_for
from libs.hogql.timezones import Timezones

MAX_SQL_LENGTH = 4_000_000


@dataclass(frozen=True, slots=True)
class Compiled:
    """A statement ready to run. `values` fill its `{vN:Type}`; `columns` are what the user calls the result's columns;
    `hogql` is the query, normalised. `rows`: further values to fill, each with this team's rows of a table, as lines of
    JSON. `tables` are ClickHouse's, as many as it reads."""

    sql: str
    values: Mapping[str, Any]
    columns: tuple[str, ...]
    page: Page
    hogql: str
    rows: Mapping[str, str] = field(default_factory=dict)
    tables: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Project:
    """For whom a query is compiled."""

    team_id: int
    timezone: str = "UTC"
    week_start_day: int = 0
    values: Mapping[str, Any] = field(default_factory=dict)
    default_limit: int = DEFAULT_LIMIT
    max_limit: int = MAX_LIMIT
    persons_mode: str = OVERRIDE
    group_types: tuple[tuple[int, str], ...] = ()
    property_types: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    actions: Mapping[str, ast.Expr] = field(default_factory=dict)
    cohorts: tuple[Cohort, ...] = ()
    filters: Filters = field(default_factory=Filters)
    denied: frozenset[str] = frozenset()
    hidden: Mapping[str, frozenset[str]] = field(default_factory=dict)


def compile_query(
    text: str, project: Project, notices: list[Notice] | None = None, tree: ast.Query | None = None
) -> Compiled:
    """One query of one team. Raises HogQLError, with line and column, for anything that is wrong with it.

    `notices` gets what there is to say of its fields and cohorts, up to what is wrong. `tree` is
    the text, where it was parsed already.
    """
    tree = parse_select(text) if tree is None else tree
    try:
        with deep_recursion():
            return compile_tree(tree, project, notices)
    except HogQLError as error:
        raise error.located(text) from None


def _finish(query: r.RQuery) -> r.RQuery:
    """The passes that a lazy table's own subquery has not been through."""
    for one_pass in (Nulls(), PlainReads()):
        query = one_pass.visit(query)
    return query


def compile_tree(tree: ast.Query, project: Project, notices: list[Notice] | None = None) -> Compiled:
    """The passes after the parser."""
    context = Context(
        project.timezone,
        project.week_start_day,
        project.values,
        database_for(project.persons_mode, project.group_types),
        project.property_types,
        project.actions,
        project.cohorts,
        project.filters,
        project.denied,
        project.hidden,
    )
    resolver = Resolver(context, notices)
    statement = resolver.statement(tree)
    statement, page = limited(statement, project.default_limit, project.max_limit)
    lazy = Lazy(context, frozenset(resolver.user_aliases), _finish)
    for one_pass in (Timezones(project.timezone), Nulls(), PlainReads(), lazy, Properties()):
        statement = one_pass.visit(statement)
    statement = guarded(statement, project.team_id)
    verify(statement, project.team_id)
    printer = ClickHousePrinter()
    sql = printer.visit(statement)
    if len(sql) > MAX_SQL_LENGTH:
        raise TooComplex("The query grows too large when its names are filled in.", start=0)
    columns = tuple(item.label for item in r.columns_of(statement.query))
    return Compiled(
        sql, printer.values, columns, page, HogQLPrinter().visit(tree), printer.rows, frozenset(printer.tables)
    )
