"""Resolved tree -> ClickHouse SQL and the values bound to it. A value never becomes part of the text."""

import re
from typing import Any

from libs.hogql import resolved as r
from libs.hogql.clauses import COMPARISON_FUNCTIONS, ClausePrinter


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_QUOTABLE = re.compile(r"[A-Za-z0-9_$ -]+")
_FUNCTION = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_REGEX = {"=~": (False, False), "!~": (True, False), "=~*": (False, True), "!~*": (True, True)}
_JOINS = frozenset(
    f"{a} {b}".strip() for a in ("", "INNER", "LEFT", "RIGHT", "FULL", "ALL", "ANY", "ASOF", "CROSS")
    for b in ("", "INNER", "ALL", "ANY", "ASOF", "SEMI", "ANTI")
)  # fmt: skip
_NATIVE_KEYWORDS = _words(
    "select from where group order by limit offset having union all distinct as on using join inner left "
    "right full cross and or not in is null like between case when then else end with array interval cast "
    "final sample prewhere settings format into true false nan inf date timestamp values window over "
    "partition"
)


def identifier(name: str) -> str:
    """A name as SQL. What the passes before let through holds no quote and no backslash; this refuses the rest."""
    if _PLAIN.fullmatch(name) and name.lower() not in _NATIVE_KEYWORDS:
        return name
    if not _QUOTABLE.fullmatch(name):
        raise ValueError(f"not an identifier of ours: {name!r}")
    return f"`{name}`"


def parameter_type(value: Any) -> str:
    """The ClickHouse type that carries a value exactly; for a whole number the narrowest, as for a literal (some
    functions take UInt8 only)."""
    if isinstance(value, bool):
        return "Bool"
    if isinstance(value, int):
        prefix, magnitude, spare = ("UInt", value, 0) if value >= 0 else ("Int", -value - 1, 1)
        bits = max(8, 1 << (magnitude.bit_length() + spare - 1).bit_length())
        return f"{prefix}{bits}"
    return "Float64" if isinstance(value, float) else "String"


class ClickHousePrinter(ClausePrinter):
    """Writes one statement. `values` are the parameters of the text so far, by name; `rows` those that somebody has to
    fill with the rows of a table, by name; `tables` what it reads."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.rows: dict[str, str] = {}
        self.tables: set[str] = set()
        self._names: dict[tuple[type, Any], str] = {}

    def _bind(self, value: Any) -> str:
        key = (type(value), repr(value))
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = f"v{len(self._names)}"
            self.values[name] = value
        return f"{{{name}:{parameter_type(value)}}}"

    # --- expressions

    def visit_value(self, node: r.Value) -> str:
        if node.value is None:
            return "NULL"
        if isinstance(node.value, bool):
            return "true" if node.value else "false"
        return self._bind(node.value)

    def visit_word(self, node: r.Word) -> str:
        return node.text

    def visit_column(self, node: r.Column) -> str:
        return f"{identifier(node.source)}.{identifier(node.name)}"

    def visit_sub_column(self, node: r.SubColumn) -> str:
        path = ".".join([f"`{step}`" for step in node.path if identifier(step)])
        return f"{identifier(node.source)}.{identifier(node.column)}.{'^' if node.whole else ''}{path}"

    def visit_alias_ref(self, node: r.AliasRef) -> str:
        return identifier(node.name)

    def visit_argument(self, node: r.Argument) -> str:
        return identifier(node.name)

    def visit_guard(self, node: r.Guard) -> str:
        self.values["team_id"] = node.team_id
        return f"equals({identifier(node.source)}.{identifier(node.column)}, {{team_id:Int64}})"

    def visit_function(self, node: r.Function) -> str:
        if not _FUNCTION.fullmatch(node.name):
            raise ValueError(f"not a function of ours: {node.name!r}")
        params = f"({self.listed(node.params)})" if node.params else ""
        text = f"{node.name}{params}({'DISTINCT ' if node.distinct else ''}{self.listed(node.args)})"
        text = text if node.where is None else f"{text} FILTER (WHERE {self.visit(node.where)})"
        return f"{text} IGNORE NULLS" if node.ignore_nulls else text

    def visit_named(self, node: r.Named) -> str:
        return f"({self.visit(node.expr)} AS {identifier(node.name)})"

    def visit_compare(self, node: r.Compare) -> str:
        left, right = self.visit(node.left), self.visit(node.right)
        if node.op in _REGEX:
            negated, any_case = _REGEX[node.op]
            text = f"match({left}, {f'''concat('(?i)', {right})''' if any_case else right})"
            return f"not({text})" if negated else text
        return f"{COMPARISON_FUNCTIONS[node.op]}({left}, {right})"

    def visit_between(self, node: r.Between) -> str:
        word = "NOT BETWEEN" if node.negated else "BETWEEN"
        return f"({self.visit(node.expr)} {word} {self.visit(node.low)} AND {self.visit(node.high)})"

    def visit_logic(self, node: r.Logic) -> str:
        if len(node.exprs) == 1:
            return self.visit(node.exprs[0])
        return f"{node.op}({self.listed(node.exprs)})"

    def visit_lambda_expr(self, node: r.LambdaExpr) -> str:
        return f"({', '.join([identifier(arg) for arg in node.args])}) -> {self.visit(node.expr)}"

    def visit_windowed(self, node: r.Windowed) -> str:
        over = identifier(node.over) if isinstance(node.over, str) else f"({self.visit(node.over)})"
        return f"{self.visit(node.function)} OVER {over}"

    def visit_window(self, node: r.Window) -> str:
        return self.window(node.partition_by, node.order_by, node.method, node.first, node.last)

    def visit_frame(self, node: r.Frame) -> str:
        if node.kind == "CURRENT ROW":
            return node.kind
        if node.value is None:
            return f"UNBOUNDED {node.kind}"
        # a frame takes a literal only; the resolver let through a whole number only
        number = node.value.value if isinstance(node.value, r.Value) else None
        return f"{int(number)} {node.kind}" if isinstance(number, int) else "CURRENT ROW"

    def visit_subquery(self, node: r.Subquery) -> str:
        return f"({self.visit(node.query)})"

    def visit_order(self, node: r.Order) -> str:
        nulls = f" NULLS {node.nulls}" if node.nulls else ""
        fill = f" {self.visit(node.fill)}" if node.fill is not None else ""
        return f"{self.visit(node.expr)} {'DESC' if node.descending else 'ASC'}{nulls}{fill}"

    def visit_fill(self, node: r.Fill) -> str:
        return " ".join(["WITH FILL", *self.sentence(("FROM", node.first), ("TO", node.last), ("STEP", node.step))])

    # --- sources

    def visit_table_source(self, node: r.TableSource) -> str:
        table = node.table
        if not table.structure:
            self.tables.add(table.name)
            return f"{identifier(table.name)} AS {identifier(node.alias)}"
        name = f"rows_{re.sub('[^a-z_]', '_', table.name)}"
        self.rows[name] = table.name
        structure = table.structure.replace("'", "\\'")
        return f"format(JSONEachRow, '{structure}', {{{name}:String}}) AS {identifier(node.alias)}"

    def visit_query_source(self, node: r.QuerySource) -> str:
        return f"({self.visit(node.query)}) AS {identifier(node.alias)}"

    def visit_cte_source(self, node: r.CteSource) -> str:
        return f"{identifier(node.name)} AS {identifier(node.alias)}"

    def visit_numbers_source(self, node: r.NumbersSource) -> str:
        return f"numbers({self.listed(node.args)}) AS {identifier(node.alias)}"

    def visit_joined(self, node: r.Joined) -> str:
        source = self.visit(node.source)
        if not node.kind:
            return source
        if node.kind not in _JOINS:
            raise ValueError(f"not a join of ours: {node.kind!r}")
        if node.on is None:
            return f"CROSS JOIN {source}"
        return f"{node.kind} JOIN {source} ON {self.visit(node.on)}"

    # --- queries

    def visit_item(self, node: r.Item) -> str:
        return f"{self.visit(node.expr)} AS {identifier(node.sql_name)}"

    def visit_select(self, node: r.Select) -> str:
        parts = [f"SELECT {'DISTINCT ' if node.distinct else ''}{self.listed(node.items)}"]
        if node.sources:
            parts.append("FROM " + " ".join([self.visit(joined) for joined in node.sources]))
        parts += self.lists(((node.array_join or "").removeprefix("INNER "), node.arrays))
        parts += self.sentence(("PREWHERE", node.prewhere), ("WHERE", node.where))
        parts += self.grouping(node.group_mode, node.group_by, node.grouping_sets)
        parts += self.sentence(("HAVING", node.having))
        if node.windows:
            parts.append("WINDOW " + ", ".join([f"{identifier(n)} AS ({self.visit(w)})" for n, w in node.windows]))
        parts += self.lists(("ORDER BY", node.order_by))
        if node.interpolate is not None:
            pairs = [
                identifier(name) + (f" AS {self.visit(expr)}" if expr is not None else "")
                for name, expr in node.interpolate
            ]
            parts.append(f"INTERPOLATE ({', '.join(pairs)})" if pairs else "INTERPOLATE")
        if node.limit_by is not None:
            parts.append(self.limit_by(node.limit_by.n, node.limit_by.offset, node.limit_by.exprs))
        return " ".join([*parts, *self.limits(node.limit, node.offset, ties=node.with_ties)])

    def visit_set_query(self, node: r.SetQuery) -> str:
        return self.branches(node.first, node.rest)

    def branch(self, query: r.RQuery) -> str:
        return f"({self.visit(query)})" if isinstance(query, r.SetQuery) else self.visit(query)

    def visit_statement(self, node: r.Statement) -> str:
        if not node.ctes:
            return self.visit(node.query)
        ctes = ", ".join([f"{identifier(name)} AS ({self.visit(query)})" for name, query in node.ctes])
        query = self.visit(node.query)
        if isinstance(node.query, r.SetQuery):
            query = f"SELECT * FROM ({query})"  # noqa: S608 - printed by us; WITH belongs to one SELECT
        return f"WITH {ctes} {query}"
