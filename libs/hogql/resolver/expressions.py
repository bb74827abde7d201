"""Expressions: operators, access into arrays, tuples and documents, lambdas."""

from dataclasses import replace

from libs.hogql import ast, rules
from libs.hogql import resolved as r
from libs.hogql.clauses import ARITHMETIC_FUNCTIONS
from libs.hogql.errors import NotSupported, QueryError
from libs.hogql.resolver.calls import Calls
from libs.hogql.resolver.cohorts import cohort_named, members_of
from libs.hogql.resolver.values import as_number, constant, read_as
from libs.hogql.scope import JsonRef, checked_index


class Expressions(Calls):
    """See the module."""

    def visit_constant(self, node: ast.Constant) -> r.RExpr:
        return constant(node.value, node)

    def visit_and(self, node: ast.And) -> r.RExpr:
        return r.Logic("and", tuple(self._condition(expr) for expr in node.exprs))

    def visit_or(self, node: ast.Or) -> r.RExpr:
        return r.Logic("or", tuple(self._condition(expr) for expr in node.exprs))

    def visit_not(self, node: ast.Not) -> r.RExpr:
        return rules.call("not", self._condition(node.expr))

    def visit_compare_operation(self, node: ast.CompareOperation) -> r.RExpr:
        if node.op.endswith("cohort"):
            members = r.Subquery(self.query(self._members(node.right)))
            return r.Compare("not in" if node.op.startswith("not") else "in", self._value(node.left), members)
        if self._is_unset_date(node.left) or self._is_unset_date(node.right):
            return r.Value(True, r.BOOLEAN)
        return self._compare(node.op, self._value(node.left), self._value(node.right))

    def _members(self, node: ast.Expr) -> ast.SelectQuery:
        """The query for the members of the cohort that is written here."""
        cohort = cohort_named(node, self.context.cohorts)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            message = f"Searching for cohort by name. Replace with numeric ID {cohort.id} to protect against renaming."
            self._notice(node, message, str(cohort.id))
        else:
            quoted = self.texts.visit(ast.Constant(cohort.name))
            self._notice(node, f"Cohort #{cohort.id} can also be specified as {quoted}", quoted)
        return members_of(cohort)

    def visit_is_distinct_from(self, node: ast.IsDistinctFrom) -> r.RExpr:
        left, right = self._value(node.left), self._value(node.right)
        same = r.Function("isNotDistinctFrom", (left, right), type=r.BOOLEAN)
        return same if node.negated else r.Function("not", (same,), type=r.BOOLEAN)

    def visit_between_expr(self, node: ast.BetweenExpr) -> r.RExpr:
        expr, low, high = self._value(node.expr), self._value(node.low), self._value(node.high)
        return r.Between(read_as(expr, low) if isinstance(expr, r.Property) else expr, low, high, node.negated)

    def visit_arithmetic_operation(self, node: ast.ArithmeticOperation) -> r.RExpr:
        left, right = self._value(node.left), self._value(node.right)
        zero = isinstance(node.left, ast.Constant) and node.left.start == node.start and node.left.value == 0
        if node.op == "-" and zero and isinstance(right, r.Value) and isinstance(right.value, int | float):
            return r.Value(-right.value, right.type)
        value = rules.call(ARITHMETIC_FUNCTIONS[node.op], as_number(left), as_number(right))
        kinds = {left.type.kind, right.type.kind}
        kind: r.Kind = "datetime" if "datetime" in kinds and node.op in "+-" and "interval" in kinds else "unknown"
        return replace(value, type=r.Type(kind, value.type.nullable))

    def visit_concat(self, node: ast.Concat) -> r.RExpr:
        return rules.concat(tuple(self._value(expr) for expr in node.exprs))

    def visit_type_cast(self, node: ast.TypeCast) -> r.RExpr:
        if node.or_null:
            raise NotSupported("TRY_CAST is not allowed in clickhouse dialect", start=node.start, end=node.end)
        found = rules.CASTS.get(node.type_name)
        if found is None:
            known = ", ".join(sorted(rules.CASTS))
            raise QueryError(
                f"Unsupported type cast to '{node.type_name}'", start=node.start, end=node.end, hint=f"Types: {known}."
            )
        value = self._value(node.expr)
        target, kind = found
        if target == "toDateTime":
            return rules.RULES["toDateTime"]((value,), self.context.timezone)
        return replace(rules.call(target, value), type=r.Type(kind, value.type.nullable))

    def visit_interval_expr(self, node: ast.IntervalExpr) -> r.RExpr:
        value = rules.call(f"toInterval{node.unit.title()}", as_number(self._value(node.expr)))
        return replace(value, type=r.Type("interval", value.type.nullable))

    def visit_case_expr(self, node: ast.CaseExpr) -> r.RExpr:
        otherwise = self._value(node.otherwise) if node.otherwise is not None else r.Value(None)
        args: list[r.RExpr] = []
        for when, then in node.whens:
            if node.operand is None:
                args.append(self._condition(when))
            else:
                args.append(self._compare("=", self._value(node.operand), self._value(when)))
            args.append(self._value(then))
        return rules.call("if" if len(node.whens) == 1 else "multiIf", *args, otherwise)

    def visit_ternary_expr(self, node: ast.TernaryExpr) -> r.RExpr:
        return rules.call("if", self._condition(node.condition), self._value(node.then), self._value(node.otherwise))

    def visit_nullish(self, node: ast.Nullish) -> r.RExpr:
        left, right = self._value(node.left), self._value(node.right)
        return r.Function("ifNull", (left, right), type=r.Type(left.type.kind, right.type.nullable))

    def visit_trim_expr(self, node: ast.TrimExpr) -> r.RExpr:
        target = {"both": "trimBoth", "leading": "trimLeft", "trailing": "trimRight"}[node.side]
        return rules.call(target, self._value(node.expr), rules.text(node.chars))

    def visit_array_access(self, node: ast.ArrayAccess) -> r.RExpr:
        reference = self._json_reference(node)
        if reference is not None:
            return self._expression(reference)
        index = node.property
        if isinstance(index, ast.Constant) and isinstance(index.value, int):
            checked_index(int(index.value), node, "array[1]")
        value, key = self._value(node.array), self._value(node.property)
        if isinstance(value, r.Property) and isinstance(index, ast.Constant) and isinstance(index.value, str | int):
            return replace(value, path=(*value.path, index.value))
        return rules.call("arrayElement", value, key)

    def visit_tuple_access(self, node: ast.TupleAccess) -> r.RExpr:
        reference = self._json_reference(node)
        if reference is not None:
            return self._expression(reference)
        if isinstance(node.index, int):
            checked_index(node.index, node, "array.1")
        value = self._value(node.expr)
        if isinstance(value, r.Property):
            return replace(value, path=(*value.path, node.index))
        return self._tuple_steps(value, (node.index,), node)

    def _json_reference(self, node: ast.Expr) -> JsonRef | None:
        """`properties['a'].b[1]`: one path, whichever way each step is written."""
        path: list[str | int] = []
        base = node
        while isinstance(base, ast.ArrayAccess | ast.TupleAccess):
            if isinstance(base, ast.TupleAccess):
                path.append(base.index)
                base = base.expr
            elif isinstance(base.property, ast.Constant) and type(base.property.value) in (str, int):
                path.append(base.property.value)  # type: ignore[arg-type]
                base = base.array
            else:
                return None
        if not isinstance(base, ast.Field) or base.chain[-1] == "*":
            return None
        reference = self._reference(base)
        if not isinstance(reference, JsonRef):
            return None
        for step in path:
            if step == 0:
                checked_index(0, node, "array[1]" if isinstance(node, ast.ArrayAccess) else "array.1")
        return replace(reference, path=(*reference.path, *reversed(path)))

    def visit_array_slice(self, node: ast.ArraySlice) -> r.RExpr:
        low = self._value(node.start_expr) if node.start_expr is not None else r.Value(1)
        array = self._value(node.array)
        if node.end_expr is None:
            return rules.call("arraySlice", array, low)
        length = rules.call("plus", rules.call("minus", self._value(node.end_expr), low), r.Value(1))
        return rules.call("arraySlice", array, low, length)

    def visit_array(self, node: ast.Array) -> r.RExpr:
        return replace(rules.call("array", *[self._value(expr) for expr in node.exprs]), type=r.Type("array", False))

    def visit_tuple(self, node: ast.Tuple) -> r.RExpr:
        return replace(rules.call("tuple", *[self._value(expr) for expr in node.exprs]), type=r.Type("tuple", False))

    def visit_dict(self, node: ast.Dict) -> r.RExpr:
        parts = [rules.text("__hx_tag"), rules.text("__hx_obj")]
        for key, value in node.items:
            parts += [self._value(key), self._value(value)]  # type: ignore[list-item]
        return replace(rules.call("tuple", *parts), type=r.Type("tuple", False))

    def visit_hogqlx_tag(self, node: ast.HogQLXTag) -> r.RExpr:
        parts: list[r.RExpr] = [rules.text("__hx_tag"), rules.text(node.kind)]
        for name, value in node.attributes:
            if name == "children" and isinstance(value, ast.Array):
                # children of different kinds do not fit into one array
                children = [self._value(child) for child in value.exprs]
                parts += [rules.text(name), rules.call("tuple", *children)]
            else:
                parts += [rules.text(name), self._value(value)]
        return replace(rules.call("tuple", *parts), type=r.Type("tuple", False))

    def visit_lambda(self, node: ast.Lambda) -> r.RExpr:
        names = {}
        for arg in node.args:
            self.counter += 1
            names[arg] = r.Argument(f"_arg{self.counter}")
        self.scope.arguments.append(names)
        try:
            body = self._value(node.expr)
        finally:
            self.scope.arguments.pop()
        return r.LambdaExpr(tuple(names[arg].name for arg in node.args), body)

    # --- part of the language, but not run

    def visit_expr_call(self, node: ast.ExprCall) -> r.RExpr:
        raise NotSupported(
            "You can only call simple functions in HogQL, not expressions", start=node.start, end=node.end
        )

    def visit_positional_ref(self, node: ast.PositionalRef) -> r.RExpr:
        raise NotSupported(
            "Positional references are not allowed in clickhouse dialect", start=node.start, end=node.end
        )

    def visit_named_argument(self, node: ast.NamedArgument) -> r.RExpr:
        raise NotSupported("Named arguments are not supported.", start=node.start, end=node.end)

    def visit_spread_expr(self, node: ast.SpreadExpr) -> r.RExpr:
        raise NotSupported("Spreading columns is not supported.", start=node.start, end=node.end)

    def visit_columns_expr(self, node: ast.ColumnsExpr) -> r.RExpr:
        raise NotSupported("COLUMNS is only for the SELECT list.", start=node.start, end=node.end)
