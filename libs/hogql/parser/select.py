"""Queries and their clauses."""

from typing import Literal, cast

from libs.hogql import ast
from libs.hogql.errors import HogQLSyntaxError, NotSupported
from libs.hogql.parser import names
from libs.hogql.tree import changed
from libs.hogql.parser.expressions import ALIAS, COMPARE, TERNARY, ExpressionParser

_SET_WORDS = ("UNION", "INTERSECT", "EXCEPT")
_JOIN_WORDS = ("INNER", "LEFT", "RIGHT", "FULL", "OUTER", "ALL", "ANY", "ASOF", "SEMI", "ANTI")


class SelectParser(ExpressionParser):
    """See the module."""

    def whole_query(self) -> ast.Query:
        """Everything there is: one query."""
        query = self.set_query()
        self.take(";")
        if self.peek().kind != "eof":
            self.fail("the end of the query")
        return query

    def whole_expression(self) -> ast.Expr:
        """Everything there is: one expression."""
        if self.peek().kind == "eof":
            raise HogQLSyntaxError("Empty query", start=0)
        expr = self.expression()
        if self.peek().kind != "eof":
            self.fail("the end of the expression")
        return expr

    # --- set queries

    def set_query(self) -> ast.Query:
        """Selects joined by UNION, INTERSECT and EXCEPT, or one of them."""
        with self.deeper():
            return self.set_query_from(self._branch())

    def set_query_from(self, first: ast.Query) -> ast.Query:
        """The rest of a set query whose first branch is known."""
        rest: list[tuple[str, ast.Query]] = []
        while self.peek().word in _SET_WORDS:
            operator = self._set_operator()
            rest.append((operator, self._branch()))
        if not rest:
            return self._with_tail(first)
        ctes: tuple[ast.CTE, ...] = ()
        recursive = False
        if isinstance(first, ast.SelectQuery) and not self.text.startswith("(", first.start):
            # WITH before the first SELECT is seen by all branches.
            ctes, recursive, first = first.ctes, first.recursive, changed(first, ctes=(), recursive=False)
        node = ast.SelectSetQuery(first, tuple(rest), ctes, recursive, start=first.start, end=self.last_end)
        return self._with_tail(node)

    def _with_tail(self, query: ast.Query) -> ast.Query:
        if not (self.at_words("ORDER", "BY") or self.peek().word in ("LIMIT", "OFFSET")):
            return query
        order_by = self.order_by() if self.at_words("ORDER", "BY") else ()
        limit, offset, ties, percent = self._limit()
        if isinstance(query, ast.SelectQuery | ast.Placeholder):
            query = ast.SelectSetQuery(query, (), start=query.start)
        return changed(
            query,
            order_by=order_by or query.order_by,
            limit=limit if limit is not None else query.limit,
            offset=offset if offset is not None else query.offset,
            limit_with_ties=ties,
            limit_percent=percent,
            end=self.last_end,
        )

    def _set_operator(self) -> str:
        word = self.advance().word
        if self.take_word("ALL"):
            word += " ALL"
        elif self.take_word("DISTINCT"):
            word += " DISTINCT"
        word = "UNION DISTINCT" if word == "UNION" else word.replace("INTERSECT DISTINCT", "INTERSECT")
        return f"{word} BY NAME" if self.take_words("BY", "NAME") else word

    def _branch(self) -> ast.Query:
        token = self.peek()
        if token.word == "WITH":
            ctes, recursive = self._with()
            if self.take("("):
                inner = self.set_query()
                self.expect(")")
                if isinstance(inner, ast.Placeholder):
                    self.fail("a query")
                return changed(inner, ctes=(*ctes, *inner.ctes), recursive=recursive)
            return self._select(ctes, recursive, token.start)
        if self.take("("):
            query = self.set_query()
            self.expect(")")
            return query
        if token.text == "{" and token.kind == "op":
            placeholder = self._braces()
            if not isinstance(placeholder, ast.Placeholder):
                self.fail("a query", token)
            return placeholder
        if token.word != "SELECT":
            self.fail("SELECT")
        return self._select((), False, token.start)

    def _with(self) -> tuple[tuple[ast.CTE, ...], bool]:
        self.expect_word("WITH")
        recursive = self.at_word("RECURSIVE") and self.peek(1).text != "AS" and self.peek(1).kind != "op"
        if recursive:
            self.advance()
        ctes = [self._cte()]
        while self.take(","):
            if self.at_word("SELECT"):
                break
            ctes.append(self._cte())
        return tuple(ctes), recursive

    def _cte(self) -> ast.CTE:
        token = self.peek()
        if token.kind in ("name", "quoted") and self._is_table_cte():
            name = self.expect_alias()
            columns = self._bracketed_names() if self.at("(") else ()
            key = self._bracketed_names() if self.take_words("USING", "KEY") else ()
            self.expect_word("AS")
            materialized = self._materialized()
            self.expect("(")
            query = self.set_query()
            self.expect(")")
            if isinstance(query, ast.Placeholder):
                self.fail("a query")
            return ast.CTE(name, query, "subquery", columns, materialized, key, start=token.start, end=self.last_end)
        expr = self.expression(ALIAS + 1)
        self.expect_word("AS")
        name = self.expect_alias()
        return ast.CTE(name, expr, "column", start=token.start, end=self.last_end)

    def _is_table_cte(self) -> bool:
        after = self.peek(1)
        if after.word == "AS":
            following = self.peek(2)
            return following.text == "(" or following.word in ("NOT", "MATERIALIZED")
        if after.word == "USING":
            return True
        ahead = 2
        while after.text == "(" and self.peek(ahead).kind in ("name", "quoted") and self.peek(ahead + 1).text == ",":
            ahead += 2
        return (
            after.text == "("
            and self.peek(ahead + 1).text == ")"
            and self.peek(ahead + 2).word in ("AS", "USING")
            and (self.peek(ahead + 3).text == "(" or self.peek(ahead + 3).word in ("NOT", "MATERIALIZED", "KEY"))
        )

    def _bracketed_names(self) -> tuple[str, ...]:
        self.expect("(")
        return self.name_list()

    def _materialized(self) -> bool | None:
        if self.take_words("NOT", "MATERIALIZED"):
            return False
        return True if self.take_word("MATERIALIZED") else None

    # --- one select

    def _select(self, ctes: tuple[ast.CTE, ...], recursive: bool, start: int) -> ast.SelectQuery:
        self.expect_word("SELECT")
        distinct = self.at_word("DISTINCT") and self.peek(1).text not in (",", ".")
        if distinct:
            self.advance()
        if self.at_word("TOP") and self.peek(1).kind == "int":
            raise NotSupported("Unsupported: TOP", start=self.peek().start, hint="Use LIMIT.")
        items = [self._select_item()]
        while self.take(","):
            if self._ends_list():
                break
            items.append(self._select_item())
        chain = self._join_chain() if self.take_word("FROM") else None
        array_join, arrays = self._array_join()
        if chain is None and arrays:
            raise HogQLSyntaxError(
                "Using ARRAY JOIN without a FROM clause is not permitted", start=arrays[0].start, end=self.last_end
            )
        prewhere = self.expression(TERNARY) if self.take_word("PREWHERE") else None
        where = self.expression(TERNARY) if self.take_word("WHERE") else None
        if self.at_word("USING") or (self.at_word("SAMPLE") and self.peek(1).kind in ("int", "float")):
            raise NotSupported("Unsupported: SAMPLE of a SELECT", start=self.peek().start, hint="Sample the table.")
        group_by, mode, sets = self._group_by()
        having = self.expression(TERNARY) if self.take_word("HAVING") else None
        qualify = self.expression(TERNARY) if self.take_word("QUALIFY") else None
        windows = self._windows()
        order_by = self.order_by() if self.at_words("ORDER", "BY") else ()
        interpolate = self._interpolate()
        limit_by, limit, offset, ties, percent = self._limits()
        self._refuse_rest()
        return ast.SelectQuery(
            tuple(items), ctes, recursive, distinct, chain, array_join, arrays, prewhere, where, group_by, mode, sets,
            having, qualify, windows, order_by, interpolate, limit_by, limit, offset, ties, percent,
            start=start, end=self.last_end,
        )  # fmt: skip

    def _refuse_rest(self) -> None:
        token = self.peek()
        if token.word == "SETTINGS" and self.peek(1).kind == "name":
            raise NotSupported(
                "Unsupported: SETTINGS", start=token.start, end=token.end, hint="Settings are chosen by the server."
            )

    def _select_item(self) -> ast.Expr:
        token = self.peek()
        if token.kind in ("name", "quoted") and self.peek(1).text == ":" and self.peek(1).kind == "op":
            alias = self.expect_alias()
            self.advance()
            return ast.Alias(alias, self.expression(TERNARY), start=token.start, end=self.last_end)
        expr = self.expression()
        if isinstance(expr, ast.Alias) and expr.end == self.last_end:  # not `(expr AS a) b`
            return expr
        after = self.peek()
        if after.kind == "quoted" or (after.kind == "name" and names.may_alias_column(after.word)):
            if isinstance(expr, ast.Field) and after.word in ("INTO", "FORMAT") and self.peek(1).kind != "op":
                self.fail("the end of the query")
            alias = self.expect_alias()
            return ast.Alias(alias, expr, implicit=True, start=token.start, end=self.last_end)
        return expr

    def _array_join(
        self,
    ) -> tuple[Literal["ARRAY JOIN", "LEFT ARRAY JOIN", "INNER ARRAY JOIN"] | None, tuple[ast.Expr, ...]]:
        kind = "ARRAY JOIN"
        if self.peek().word in ("LEFT", "INNER") and self.peek(1).word == "ARRAY":
            kind = f"{self.advance().word} ARRAY JOIN"
        if not self.take_words("ARRAY", "JOIN"):
            return None, ()
        return cast(Literal["ARRAY JOIN", "LEFT ARRAY JOIN", "INNER ARRAY JOIN"], kind), self._aliased_arrays()

    def _aliased_arrays(self) -> tuple[ast.Expr, ...]:
        arrays = [self._select_item()]
        while self.take(","):
            if self._ends_list():
                break
            arrays.append(self._select_item())
        for array in arrays:
            if not isinstance(array, ast.Alias):
                raise HogQLSyntaxError("ARRAY JOIN arrays must have an alias", start=array.start, end=array.end)
        return tuple(arrays)

    def _group_by(
        self,
    ) -> tuple[
        tuple[ast.Expr, ...],
        Literal["all", "rollup", "cube", "grouping_sets", "totals"] | None,
        tuple[tuple[ast.Expr, ...], ...],
    ]:
        mode: Literal["all", "rollup", "cube", "grouping_sets", "totals"] | None = None
        exprs: tuple[ast.Expr, ...] = ()
        sets: tuple[tuple[ast.Expr, ...], ...] = ()
        if self.take_words("GROUP", "BY"):
            if self.at_word("ALL") and self.peek(1).text not in (",", "("):
                self.advance()
                mode = "all"
            elif self.peek().word in ("CUBE", "ROLLUP") and self.peek(1).text == "(":
                mode = "cube" if self.advance().word == "CUBE" else "rollup"
                self.advance()
                exprs = self.expressions(")")
            elif self.take_words("GROUPING", "SETS"):
                mode, sets = "grouping_sets", self._grouping_sets()
            else:
                exprs = self.one_or_more()
        while self.at_word("WITH") and self.peek(1).word in ("CUBE", "ROLLUP", "TOTALS"):
            token = self.advance()
            kind = self.advance().word
            if mode is not None or not exprs:
                raise NotSupported(f"WITH {kind} is not supported here.", start=token.start, end=self.last_end)
            mode = cast(Literal["rollup", "cube", "totals"], kind.lower())
        return exprs, mode, sets

    def _grouping_sets(self) -> tuple[tuple[ast.Expr, ...], ...]:
        self.expect("(")
        sets = []
        while not self.take(")"):
            self.expect("(")
            sets.append(self.expressions(")"))
            if not self.take(","):
                self.expect(")")
                break
        return tuple(sets)

    def _windows(self) -> tuple[tuple[str, ast.WindowExpr], ...]:
        if not self.take_word("WINDOW"):
            return ()
        windows = []
        while True:
            name = self.expect_name()
            self.expect_word("AS")
            self.expect("(")
            windows.append((name, self.window()))
            self.expect(")")
            if not self.take(","):
                return tuple(windows)

    def window(self) -> ast.WindowExpr:
        """What stands in the brackets of OVER."""
        start = self.peek().start
        partition: tuple[ast.Expr, ...] = ()
        if self.take_words("PARTITION", "BY"):
            partition = self.one_or_more()
        order_by = self.order_by() if self.at_words("ORDER", "BY") else ()
        method: Literal["ROWS", "RANGE"] | None = None
        first = last = None
        if self.peek().word in ("ROWS", "RANGE"):
            method = cast(Literal["ROWS", "RANGE"], self.advance().word)
            if self.take_word("BETWEEN"):
                first = self._bound()
                self.expect_word("AND")
                last = self._bound()
            else:
                first = self._bound()
        return ast.WindowExpr(partition, order_by, method, first, last, start=start, end=self.last_end)

    def _bound(self) -> ast.WindowFrame:
        start = self.peek().start
        if self.take_words("CURRENT", "ROW"):
            return ast.WindowFrame("CURRENT ROW", start=start, end=self.last_end)
        value = None if self.take_word("UNBOUNDED") else self.expression(TERNARY + 3)
        if self.peek().word not in ("PRECEDING", "FOLLOWING"):
            self.fail("PRECEDING or FOLLOWING")
        kind = cast(Literal["PRECEDING", "FOLLOWING"], self.advance().word)
        return ast.WindowFrame(kind, value, start=start, end=self.last_end)

    def order_by(self) -> tuple[ast.OrderExpr, ...]:
        """ORDER BY and its keys."""
        self.expect_word("ORDER")
        self.expect_word("BY")
        keys = [self._order_key()]
        while self.take(","):
            if self._ends_list():
                break
            keys.append(self._order_key())
        return tuple(keys)

    def _order_key(self) -> ast.OrderExpr:
        start = self.peek().start
        expr = self.expression()
        order: Literal["ASC", "DESC"] = "ASC"
        if self.peek().word in ("ASC", "ASCENDING", "DESC", "DESCENDING"):
            order = "ASC" if self.advance().word.startswith("ASC") else "DESC"
        nulls: Literal["FIRST", "LAST"] | None = None
        if self.at_word("NULLS") and self.peek(1).word in ("FIRST", "LAST"):
            self.advance()
            nulls = cast(Literal["FIRST", "LAST"], self.advance().word)
        collate = None
        if self.take_word("COLLATE"):
            token = self.advance()
            if token.kind != "string":
                self.fail("a string", token)
            collate = token.text
        fill = self._fill() if self.at_words("WITH", "FILL") else None
        return ast.OrderExpr(expr, order, nulls, collate, fill, start=start, end=self.last_end)

    def _fill(self) -> ast.WithFill:
        start = self.peek().start
        self.expect_word("WITH")
        self.expect_word("FILL")
        low = self.expression(TERNARY) if self.take_word("FROM") else None
        high = self.expression(TERNARY) if self.take_word("TO") else None
        step = self.expression(TERNARY) if self.take_word("STEP") else None
        return ast.WithFill(low, high, step, start=start, end=self.last_end)

    def _interpolate(self) -> ast.Interpolate | None:
        if not self.at_word("INTERPOLATE"):
            return None
        start = self.advance().start
        pairs: list[tuple[ast.Expr, ast.Expr | None]] = []
        if self.take("("):
            while not self.take(")"):
                column = self.expression(ALIAS + 1)
                pairs.append((column, self.expression(ALIAS + 1) if self.take_word("AS") else None))
                if not self.take(","):
                    self.expect(")")
                    break
        return ast.Interpolate(tuple(pairs), start=start, end=self.last_end)

    # --- limits

    def _limits(self) -> tuple[ast.LimitBy | None, ast.Expr | None, ast.Expr | None, bool, bool]:
        limit_by = None
        if self.at_word("LIMIT"):
            start = self.advance().start
            first = self._limit_number()
            percent = self.take("%") is not None
            second, kind = self._limit_second()
            if self.take_word("BY"):
                n, offset = (second, first) if kind == "," else (first, second)
                assert n is not None  # noqa: S101
                exprs = self.one_or_more()
                limit_by = ast.LimitBy(n, offset, exprs, start=start, end=self.last_end)
            else:
                ties = self.take_words("WITH", "TIES")
                if second is None and self.take_word("OFFSET"):
                    second = self._limit_number()
                return None, first, second, ties, percent
        limit, offset, ties, percent = self._limit()
        return limit_by, limit, offset, ties, percent

    def _limit(self) -> tuple[ast.Expr | None, ast.Expr | None, bool, bool]:
        if self.take_word("LIMIT"):
            limit = self._limit_number()
            percent = self.take("%") is not None
            offset, _ = self._limit_second()
            ties = self.take_words("WITH", "TIES")
            if offset is None and self.take_word("OFFSET"):
                offset = self._limit_number()
            return limit, offset, ties, percent
        if self.take_word("OFFSET"):
            return None, self._limit_number(), False, False
        return None, None, False, False

    def _limit_second(self) -> tuple[ast.Expr | None, str]:
        # `LIMIT 5, 10` is limit 5 offset 10 here (the reverse of MySQL), but `LIMIT 1, 3 BY a` is 3 from the second on.
        if self.take(","):
            return self._limit_number(), ","
        if self.take_word("OFFSET"):
            return self._limit_number(), "OFFSET"
        return None, ""

    def _limit_number(self) -> ast.Expr:
        return self.expression(TERNARY)

    # --- FROM

    def _join_chain(self) -> ast.JoinChain:
        with self.deeper():
            start = self.peek().start
            first = self._table()
            joins: list[ast.Join | ast.Pivot] = []
            while (join := self._join()) is not None:
                joins.append(join)
            return ast.JoinChain(first, tuple(joins), start=start, end=self.last_end)

    def _join(self) -> ast.Join | ast.Pivot | None:
        token = self.peek()
        if self.take(","):
            if self._ends_list():
                return None
            return ast.Join("CROSS", self._table(), start=token.start, end=self.last_end)
        if token.word in ("PIVOT", "UNPIVOT") and self.peek(1).text == "(":
            return self._pivot()
        if self.take_words("CROSS", "JOIN"):
            return ast.Join("CROSS", self._table(), start=token.start, end=self.last_end)
        pairing: Literal["NATURAL", "POSITIONAL"] | None = None
        if token.word in ("NATURAL", "POSITIONAL") and self.peek(1).word in (*_JOIN_WORDS, "JOIN"):
            pairing = cast(Literal["NATURAL", "POSITIONAL"], self.advance().word)
        kind = self._join_kind()
        if kind is None:
            return None
        table = self._table()
        return ast.Join(kind, table, self._constraint(), pairing, start=token.start, end=self.last_end)

    def _pivot(self) -> ast.Pivot:
        token = self.advance()
        nulls = token.word == "UNPIVOT" and self.peek().word in ("INCLUDE", "EXCLUDE") and self.peek(1).word == "NULLS"
        include = nulls and self.advance().word == "INCLUDE"
        if nulls:
            self.advance()
        self.expect("(")
        exprs = [self.expression()]
        while self.take(","):
            if self.at_word("FOR"):
                break
            exprs.append(self.expression())
        self.expect_word("FOR")
        columns = [self._pivot_column()]
        while not self.at(")") and not self.at_words("GROUP", "BY"):
            columns.append(self._pivot_column())
        group_by = self.one_or_more() if self.take_words("GROUP", "BY") else ()
        self.expect(")")
        alias = self._table_alias()
        named = self._bracketed_names() if alias is not None and self.at("(") else ()
        kind = cast(Literal["PIVOT", "UNPIVOT"], token.word)
        return ast.Pivot(
            kind, tuple(exprs), tuple(columns), group_by, alias, named, include, start=token.start, end=self.last_end
        )

    def _pivot_column(self) -> ast.PivotColumn:
        start = self.peek().start
        column = self.expression(COMPARE + 1)
        self.expect_word("IN")
        self.expect("(")
        return ast.PivotColumn(column, self.expressions(")"), start=start, end=self.last_end)

    def _join_kind(self) -> str | None:
        ahead = 0
        while self.peek(ahead).word in _JOIN_WORDS:
            ahead += 1
        if self.peek(ahead).word != "JOIN":
            return None
        token = self.peek()
        words = [self.advance().word for _ in range(ahead)]
        self.advance()
        side = [word for word in words if word in ("INNER", "LEFT", "RIGHT", "FULL")]
        strictness = [word for word in words if word in ("ALL", "ANY", "ASOF", "SEMI", "ANTI")]
        if len(side) > 1 or len(strictness) > 1 or (side == ["INNER"] and strictness and strictness[0] in ("SEMI",)):
            raise HogQLSyntaxError(f"There is no such join: {' '.join(words)}", start=token.start, end=self.last_end)
        if strictness and strictness[0] == "ASOF" and not side:
            side = ["INNER"]
        if not side:
            side = ["LEFT"] if strictness and strictness[0] in ("SEMI", "ANTI") else ["INNER"]
        if side[0] in ("LEFT", "RIGHT", "FULL"):
            return " ".join(side + strictness)
        return " ".join(strictness + side)

    def _constraint(self) -> ast.JoinConstraint | None:
        token = self.peek()
        if self.take_word("ON"):
            expr = self.expression(TERNARY)
            if self.at(","):
                raise NotSupported("JOIN ... ON with multiple expressions", start=token.start, hint="Use AND.")
            return ast.JoinConstraint("ON", (expr,), start=token.start, end=self.last_end)
        if self.take_word("USING"):
            exprs = self.expressions(")") if self.take("(") else (self.expression(TERNARY),)
            return ast.JoinConstraint("USING", exprs, start=token.start, end=self.last_end)
        return None

    def _table(self) -> ast.TableRef:
        start = self.peek().start
        table, args = self._source()
        alias = self._table_alias()
        columns = self._bracketed_names() if alias is not None and self.at("(") else ()
        final = self.take_word("FINAL")
        sample = self._sample() if self.at_word("SAMPLE") else None
        return ast.TableRef(table, args, alias, columns, final, sample, start=start, end=self.last_end)

    def _table_alias(self) -> str | None:
        if self.take_word("AS"):
            return self.expect_alias()
        token = self.peek()
        if token.kind == "quoted" or (token.kind == "name" and names.may_alias_table(token.word)):
            if token.word in ("INTO", "FORMAT") and self.peek(1).kind in ("name", "string"):
                self.fail("the end of the query")
            return self.expect_alias()
        return None

    def _source(
        self,
    ) -> tuple[
        ast.Field
        | ast.SelectQuery
        | ast.SelectSetQuery
        | ast.ValuesQuery
        | ast.HogQLXTag
        | ast.Placeholder
        | ast.JoinChain,
        tuple[ast.Expr, ...] | None,
    ]:
        token = self.peek()
        if token.kind == "op" and token.text == "(":
            return self._bracketed_source(), None
        if token.kind == "op" and token.text == "{":
            node = self._braces()
            if not isinstance(node, ast.Placeholder):
                self.fail("a table", token)
            return node, None
        if self.at_tag():
            return self.tag(), None
        if token.kind == "name" and token.word in names.STOPPERS | {"SELECT"} and self.peek(1).text not in (",", ")"):
            self.fail("a table")
        chain = [self.expect_name()]
        while self.take("."):
            chain.append(self.expect_name())
        field = ast.Field(tuple(chain), start=token.start, end=self.last_end)
        return field, self.expressions(")") if self.take("(") else None

    def _bracketed_source(
        self,
    ) -> ast.SelectQuery | ast.SelectSetQuery | ast.ValuesQuery | ast.Placeholder | ast.JoinChain:
        self.expect("(")
        source: ast.SelectQuery | ast.SelectSetQuery | ast.ValuesQuery | ast.Placeholder | ast.JoinChain
        if self.at_word("VALUES"):
            source = self._values()
        elif self._at_query():
            source = self.set_query()
        else:
            chain = self._join_chain()
            only = chain.first
            plain = not chain.joins and only.alias is None and not only.final and only.sample is None
            if plain and isinstance(only.table, ast.SelectQuery | ast.SelectSetQuery | ast.Placeholder):
                source = self.set_query_from(only.table)
            else:
                source = chain
        self.expect(")")
        return source

    def _values(self) -> ast.ValuesQuery:
        start = self.peek().start
        self.expect_word("VALUES")
        rows = []
        while True:
            self.expect("(")
            rows.append(self.expressions(")"))
            if not self.take(","):
                break
        return ast.ValuesQuery(tuple(rows), start=start, end=self.last_end)

    def _sample(self) -> ast.SampleExpr:
        start = self.advance().start
        ratio = self._ratio()
        percent = self.take("%") is not None
        offset = self._ratio() if self.take_word("OFFSET") else None
        return ast.SampleExpr(ratio, offset, percent, start=start, end=self.last_end)

    def _ratio(self) -> tuple[ast.Expr, ast.Expr | None]:
        if self.peek().kind not in ("int", "float") and not self.at("{"):
            self.fail("a number")
        first = self._operand()
        return first, self._operand() if self.take("/") else None
