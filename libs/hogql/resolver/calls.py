"""Calls of functions, aggregations and window functions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NoReturn

from libs.hogql import ast, functions, rules
from libs.hogql import resolved as r
from libs.hogql.errors import NotSupported, QueryError
from libs.hogql.posthog_functions import EXPANSIONS
from libs.hogql.resolver.names import Names
from libs.hogql.resolver.values import as_number, as_truth, is_truth, read_as

_NUMERIC_AGGREGATES = ("sum", "avg", "median", "quantile", "stddev", "var", "deltaSum")


class Calls(Names):
    """See the module."""

    def _compare(self, op: str, left: r.RExpr, right: r.RExpr) -> r.RExpr:
        if isinstance(left, r.Property):
            left = read_as(left, right)
        elif isinstance(right, r.Property):
            right = read_as(right, left)
        if is_truth(left):
            right = as_truth(right)
        elif is_truth(right):
            left = as_truth(left)
        return r.Compare(op, left, right)

    def visit_call(self, node: ast.Call) -> r.RExpr:
        if node.within_group:
            raise NotSupported(
                f"Aggregation '{node.name}' with WITHIN GROUP is not supported in ClickHouse dialect",
                start=node.start,
                end=node.end,
            )
        definition = functions.find(node.name)
        if definition is None:
            refused = functions.refusal(node.name)
            if refused is not None:
                message = f"Function '{node.name}' is not available."
                raise NotSupported(message, start=node.start, end=node.end, hint=refused)
            close = functions.closest(node.name)
            message = f"Unsupported function call '{node.name}(...)'"
            if close:
                message += f". Perhaps you meant '{close}(...)'?"
            raise QueryError(message, start=node.start, end=node.end, hint=f"Use {close}." if close else None)
        if definition.group == "window":
            raise QueryError(f"{node.name} needs OVER (...)", start=node.start, end=node.end)
        if definition.group == "expanded":
            return self._expanded_call(node, definition)
        return self._function(node, definition)

    def _expanded_call(self, node: ast.Call, definition: functions.FunctionDef) -> r.RExpr:
        """A function of PostHog's own, as the HogQL that it stands for."""
        self._refuse_call(node, definition)
        if node.name == "matchesAction":
            return self._condition(self._action(node))
        _check_arity(node, definition, len(node.args))
        return self._value(EXPANSIONS[definition.name](node.args))

    def _action(self, node: ast.Call) -> ast.Expr:
        if not any(source.table is not None and source.table.name == "events" for source in self.scope.sources):
            message = "matchesAction can only be used with the events table"
            raise NotSupported(message, start=node.start, end=node.end)
        _check_arity(node, functions.known("matchesAction"), len(node.args))
        wanted = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
        found = self.context.actions.get(str(wanted))
        if found is None:
            raise QueryError(f"Could not find action {str(wanted)[:100]}", start=node.start, end=node.end)
        return found

    def _function(self, node: ast.Call, definition: functions.FunctionDef) -> r.RExpr:
        self._refuse_call(node, definition)
        star = definition.name in ("count", "countIf") and bool(node.args) and _is_star(node.args[0])
        written = node.args[1:] if star else node.args
        _check_arity(node, definition, len(written) + (1 if star and definition.name == "countIf" else 0))
        with self._aggregating(node, definition):
            args = tuple(self._value(arg) for arg in written)
            params = tuple(self._value(param) for param in node.params or ())
            where = self._value(node.filter_expr) if node.filter_expr is not None else None
        for param, expr in zip(params, node.params or (), strict=True):
            if not isinstance(param, r.Value):
                raise QueryError("Parameters must be constants.", start=expr.start, end=expr.end)
        return self._made(node, definition, args, params, where)

    def _made(
        self,
        node: ast.Call,
        definition: functions.FunctionDef,
        args: tuple[r.RExpr, ...],
        params: tuple[r.RExpr, ...],
        where: r.RExpr | None,
    ) -> r.RExpr:
        if definition.name in rules.COMPARISONS:
            return self._compare(rules.COMPARISONS[definition.name], args[0], args[1])
        if definition.name in ("and", "or"):
            return r.Logic("and" if definition.name == "and" else "or", args)
        if definition.name in rules.RULES:
            if where is not None or node.distinct:
                raise QueryError(f"'{node.name}' takes neither DISTINCT nor FILTER.", start=node.start, end=node.end)
            try:
                return rules.RULES[definition.name](args, self.context.timezone)
            except ValueError as exc:
                raise QueryError(f"{node.name}: {exc}", start=node.start, end=node.end) from None
        target = definition.target
        if target.startswith(_NUMERIC_AGGREGATES) and definition.aggregate and args:
            args = (as_number(args[0]), *args[1:])
        if target in ("toStartOfWeek", "toLastDayOfWeek") and len(args) == 1:
            args = (*args, r.Word("3" if self.context.week_start_day == 1 else "0"))
        if definition.zoned and len(args) < definition.most:
            more: tuple[r.RExpr, ...] = (r.Word("6"),) if "64" in target and len(args) == 1 else ()
            args = (*args, *more, rules.text(self.context.timezone))
        value = rules.call(target, *args, params=params, distinct=node.distinct)
        return replace(value, where=where)

    def _refuse_call(self, node: ast.Call, definition: functions.FunctionDef) -> None:
        start, end = node.start, node.end
        if node.order_by:
            raise NotSupported(
                "ORDER BY inside a call is not supported.", start=start, end=end, hint="Use arraySort(groupArray(...))."
            )
        if (node.distinct or node.filter_expr is not None) and not definition.aggregate:
            raise QueryError(
                f"'{node.name}' is not an aggregation: DISTINCT and FILTER are for those.", start=start, end=end
            )
        kind = "Aggregation" if definition.aggregate else "Function"
        given = len(node.params or ())
        if node.params is None and definition.least_params:
            raise QueryError(
                f"Aggregation '{node.name}' requires parameters in addition to arguments", start=start, end=end
            )
        if not definition.least_params <= given <= definition.most_params and node.params is not None:
            raise QueryError(
                f"{kind} '{node.name}' expects {definition.most_params} parameter(s), found {given}",
                start=start,
                end=end,
            )

    @contextmanager
    def _aggregating(self, node: ast.Call, definition: functions.FunctionDef) -> Iterator[None]:
        outer = self.scope.inside_aggregate
        if definition.aggregate:
            if outer is not None:
                raise QueryError(
                    f"Aggregation '{node.name}' cannot be nested inside another aggregation '{outer}'.",
                    start=node.start,
                    end=node.end,
                )
            self.scope.inside_aggregate = node.name
        yield
        self.scope.inside_aggregate = outer

    def visit_window_function(self, node: ast.WindowFunction) -> r.RExpr:
        definition = functions.find(node.call.name)
        if definition is None or definition.group not in ("window", "aggregate"):
            return self.visit_call(node.call) if definition is None else self._not_window(node)
        function = self._function(node.call, definition)
        if not isinstance(function, r.Function):
            return self._not_window(node)
        over: r.Window | str
        if isinstance(node.over, str):
            if node.over not in self.scope.windows:
                raise QueryError(f"Unknown window `{node.over}`.", start=node.start, end=node.end)
            over = node.over
        else:
            over = self.visit(node.over)
        if definition.name in ("lag", "lead") and isinstance(over, r.Window):
            # in ClickHouse these look at the frame only; SQL's look at the whole partition
            args = (rules.call("toNullable", function.args[0]), *function.args[1:])
            function = replace(function, args=args)
            over = replace(over, method="ROWS", first=r.Frame("PRECEDING"), last=r.Frame("FOLLOWING"))
        return r.Windowed(function, over, function.type)

    def _not_window(self, node: ast.WindowFunction) -> NoReturn:
        raise QueryError(f"'{node.call.name}' cannot be used with OVER.", start=node.start, end=node.end)

    def visit_window_expr(self, node: ast.WindowExpr) -> r.Window:
        return r.Window(
            tuple(self._value(expr) for expr in node.partition_by),
            tuple(r.Order(self._value(key.expr), key.order == "DESC", key.nulls) for key in node.order_by),
            node.frame_method,
            self._frame(node.frame_start),
            self._frame(node.frame_end),
        )

    def _frame(self, node: ast.WindowFrame | None) -> r.Frame | None:
        if node is None:
            return None
        value = self._optional(node.frame_value)
        if value is not None and not (isinstance(value, r.Value) and isinstance(value.value, int)):
            raise QueryError("A frame is bounded by a whole number.", start=node.start, end=node.end)
        return r.Frame(node.frame_type, value)

    def visit_ignore_nulls(self, node: ast.IgnoreNulls) -> r.RExpr:
        value = self._value(node.expr)
        if isinstance(value, r.Function) and isinstance(node.expr, ast.Call) and functions.is_aggregate(node.expr.name):
            return replace(value, ignore_nulls=True)
        if isinstance(value, r.Windowed):
            return replace(value, function=replace(value.function, ignore_nulls=True))
        raise QueryError("IGNORE NULLS is for aggregations and window functions.", start=node.start, end=node.end)


def _check_arity(node: ast.Call, definition: functions.FunctionDef, given: int) -> None:
    if definition.least <= given <= definition.most:
        return
    if definition.name in rules.COMPARISONS:
        message = f"Comparison '{definition.name}' requires exactly two arguments"
    else:
        kind = "Aggregation" if definition.aggregate else "Function"
        if definition.least == definition.most:
            wanted, number = "", definition.least
        elif given < definition.least:
            wanted, number = "at least ", definition.least
        else:
            wanted, number = "at most ", definition.most
        plural = "" if number == 1 else "s"
        message = f"{kind} '{node.name}' expects {wanted}{number} argument{plural}, found {given}"
    raise QueryError(message, start=node.start, end=node.end)


def _is_star(node: ast.Expr) -> bool:
    return isinstance(node, ast.Field) and node.chain == ("*",)
