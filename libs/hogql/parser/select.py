"""Whole queries: WITH, SELECT, set operators."""

from typing import Literal

from libs.hogql import ast
from libs.hogql.ast import Alias, Field, SelectQuery
from libs.hogql.errors import HogQLSyntaxError, NotSupported
from libs.hogql.lexer import EOF, NAME, QUOTED
from libs.hogql.parser.clauses import ClauseParser
from libs.hogql.parser.levels import ALIAS
from libs.hogql.tree import changed
from libs.hogql.words import NO_COLUMN_ALIAS

_SET_WORDS = frozenset(("UNION", "INTERSECT", "EXCEPT"))
_QUERIES = (ast.SelectQuery, ast.SelectSetQuery)


class SelectParser(ClauseParser):
    """See the module."""

    def whole_query(self) -> ast.Query:
        """Everything there is: one query."""
        if self.at_tag():
            tag = self.tag()
            raise NotSupported("A tag is not a query.", start=tag.start, end=tag.end, hint="Select it.")
        query = self.set_query()
        self.take(";")
        if self.here.kind is not EOF:
            self.fail("the end of the query", self.here)
        return query

    def whole_expression(self) -> ast.Expr:
        """Everything there is: one expression."""
        if self.here.kind is EOF:
            raise HogQLSyntaxError("Empty query", start=0)
        expr = self.expression(0)
        if self.here.kind is not EOF:
            self.fail("the end of the expression", self.here)
        return expr

    def set_query(self) -> ast.Query:
        """Selects joined by UNION, INTERSECT and EXCEPT, or one of them."""
        self.enter()
        query = self.set_query_from(self._branch())
        self.depth -= 1
        return query

    def set_query_from(self, first: ast.Query) -> ast.Query:
        """The rest of a set query whose first branch is known."""
        rest: list[tuple[str, ast.Query]] = []
        while self.here.word in _SET_WORDS:
            operator = self._set_operator()
            rest.append((operator, self._branch()))
        if not rest:
            return self._with_tail(first)
        ctes: tuple[ast.CTE, ...] = ()
        recursive = False
        if type(first) is SelectQuery and not self.text.startswith("(", first.start):
            # WITH before the first SELECT is seen by all branches.
            ctes, recursive, first = first.ctes, first.recursive, changed(first, ctes=(), recursive=False)
        node = ast.SelectSetQuery(first, tuple(rest), ctes, recursive, start=first.start, end=self.last_end)
        return self._with_tail(node)

    def _with_tail(self, query: ast.Query) -> ast.Query:
        if not (self.at_words("ORDER", "BY") or self.here.word in ("LIMIT", "OFFSET")):
            return query
        order_by = self.order_by() if self.at_words("ORDER", "BY") else ()
        limit, offset, ties, percent = self.limit()
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
        word = "UNION DISTINCT" if word == "UNION" else word
        return f"{word} BY NAME" if self.take_words("BY", "NAME") else word

    def _branch(self) -> ast.Query:
        token = self.here
        if token.word == "WITH":
            ctes, recursive, inner = self._with()
            if inner is None and self.take("("):
                inner = self.set_query()
                self.expect(")")
            if inner is not None:
                if isinstance(inner, ast.Placeholder):
                    self.fail("a query", self.here)
                return changed(inner, ctes=(*ctes, *inner.ctes), recursive=recursive)
            return self._select(ctes, recursive, token.start)
        if self.take("("):
            query = self.set_query()
            self.expect(")")
            return query
        if token.sign == "{":
            placeholder = self.braces()
            if not isinstance(placeholder, ast.Placeholder):
                self.fail("a query", token)
            return placeholder
        if token.word != "SELECT":
            self.fail("SELECT", self.here)
        return self._select((), False, token.start)

    def _with(self) -> tuple[tuple[ast.CTE, ...], bool, ast.Query | None]:
        # the query too, if it stands in brackets behind a comma: only then it shows that no CTE begins there
        self.expect_word("WITH")
        recursive = self.at_word("RECURSIVE") and self.peek(1).text != "AS" and self.peek(1).kind != "op"
        if recursive:
            self.advance()
        ctes = [self._cte()]
        while self.take(","):
            if self.at_word("SELECT"):
                break
            if not self.at("("):
                ctes.append(self._cte())
                continue
            start = self.here.start
            expr = self.expression(ALIAS + 1)
            if isinstance(expr, _QUERIES) and not self.at_word("AS"):
                return tuple(ctes), recursive, expr
            ctes.append(self._column_cte(expr, start))
        return tuple(ctes), recursive, None

    def _cte(self) -> ast.CTE:
        token = self.here
        if token.kind in ("name", "quoted") and self._is_table_cte():
            name = self.expect_alias()
            columns = self.bracketed_names() if self.at("(") else ()
            key = self.bracketed_names() if self.take_words("USING", "KEY") else ()
            self.expect_word("AS")
            materialized = self._materialized()
            self.expect("(")
            query = self.set_query()
            self.expect(")")
            if isinstance(query, ast.Placeholder):
                self.fail("a query", self.here)
            return ast.CTE(name, query, "subquery", columns, materialized, key, start=token.start, end=self.last_end)
        return self._column_cte(self.expression(ALIAS + 1), token.start)

    def _column_cte(self, expr: ast.Expr, start: int) -> ast.CTE:
        self.expect_word("AS")
        name = self.expect_alias()
        return ast.CTE(name, expr, "column", start=start, end=self.last_end)

    def _is_table_cte(self) -> bool:
        after = self.peek(1)
        if after.word == "AS":
            following = self.peek(2)
            return following.sign == "(" or following.word in ("NOT", "MATERIALIZED")
        if after.word == "USING":
            return True
        ahead = 2
        while after.sign == "(" and self.peek(ahead).kind in ("name", "quoted") and self.peek(ahead + 1).sign == ",":
            ahead += 2
        return (
            after.sign == "("
            and self.peek(ahead + 1).sign == ")"
            and self.peek(ahead + 2).word in ("AS", "USING")
            and (self.peek(ahead + 3).sign == "(" or self.peek(ahead + 3).word in ("NOT", "MATERIALIZED", "KEY"))
        )

    def _materialized(self) -> bool | None:
        if self.take_words("NOT", "MATERIALIZED"):
            return False
        return True if self.take_word("MATERIALIZED") else None

    def _select(self, ctes: tuple[ast.CTE, ...], recursive: bool, start: int) -> ast.SelectQuery:
        self.expect_word("SELECT")
        distinct = self.at_word("DISTINCT") and self.peek(1).sign not in ",."
        if distinct:
            self.advance()
        if self.at_word("TOP") and self.peek(1).kind == "int":
            raise NotSupported("Unsupported: TOP", start=self.here.start, hint="Use LIMIT.")
        items = [self._select_item()]
        while self.take(","):
            if self.ends_list():
                break
            items.append(self._select_item())
        chain = self.join_chain() if self.take_word("FROM") else None
        array_join, arrays = self._array_join()
        if chain is None and arrays:
            raise HogQLSyntaxError(
                "Using ARRAY JOIN without a FROM clause is not permitted", start=arrays[0].start, end=self.last_end
            )
        prewhere = self.expression(0) if self.take_word("PREWHERE") else None
        where = self.expression(0) if self.take_word("WHERE") else None
        if self.at_word("USING") or (self.at_word("SAMPLE") and self.peek(1).kind in ("int", "float")):
            raise NotSupported("Unsupported: SAMPLE of a SELECT", start=self.here.start, hint="Sample the table.")
        group_by, mode, sets = self.group_by()
        having = self.expression(0) if self.take_word("HAVING") else None
        qualify = self.expression(0) if self.take_word("QUALIFY") else None
        windows = self.windows()
        order_by = self.order_by() if self.at_words("ORDER", "BY") else ()
        interpolate = self.interpolate()
        limit_by, limit, offset, ties, percent = self.limits()
        self._refuse_rest()
        return SelectQuery(
            tuple(items), ctes, recursive, distinct, chain, array_join, arrays, prewhere, where, group_by, mode, sets,
            having, qualify, windows, order_by, interpolate, limit_by, limit, offset, ties, percent,
            start=start, end=self.last_end,
        )  # fmt: skip

    def _refuse_rest(self) -> None:
        token = self.here
        if token.word == "SETTINGS" and self.peek(1).kind is NAME:
            raise NotSupported(
                "Unsupported: SETTINGS", start=token.start, end=token.end, hint="Settings are chosen by the server."
            )

    def _select_item(self) -> ast.Expr:
        token = self.here
        if (token.kind is NAME or token.kind is QUOTED) and self.peek(1).sign == ":":
            alias = self.expect_alias()
            self.advance()
            return Alias(alias, self.expression(0), start=token.start, end=self.last_end)
        expr = self.expression(0)
        if type(expr) is Alias and expr.end == self.last_end:  # not `(expr AS a) b`
            return expr
        after = self.here
        if after.kind is QUOTED or (after.kind is NAME and after.word not in NO_COLUMN_ALIAS):
            if type(expr) is Field and after.word in ("INTO", "FORMAT") and self.peek(1).kind != "op":
                self.fail("the end of the query", self.here)
            alias = self.expect_alias()
            return Alias(alias, expr, implicit=True, start=token.start, end=self.last_end)
        return expr

    def _array_join(
        self,
    ) -> tuple[Literal["ARRAY JOIN", "LEFT ARRAY JOIN", "INNER ARRAY JOIN"] | None, tuple[ast.Expr, ...]]:
        kind: Literal["ARRAY JOIN", "LEFT ARRAY JOIN", "INNER ARRAY JOIN"] = "ARRAY JOIN"
        if self.here.word in ("LEFT", "INNER") and self.peek(1).word == "ARRAY":
            kind = "LEFT ARRAY JOIN" if self.advance().word == "LEFT" else "INNER ARRAY JOIN"
        if not self.take_words("ARRAY", "JOIN"):
            return None, ()
        return kind, self._aliased_arrays()

    def _aliased_arrays(self) -> tuple[ast.Expr, ...]:
        arrays = self.one_or_more()
        for array in arrays:
            if type(array) is not Alias:
                raise HogQLSyntaxError("ARRAY JOIN arrays must have an alias", start=array.start, end=array.end)
        return arrays
