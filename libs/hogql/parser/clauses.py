"""The clauses of a SELECT behind FROM: grouping, windows, order, limits."""

from typing import Literal

from libs.hogql import ast
from libs.hogql.ast import OrderExpr
from libs.hogql.errors import NotSupported
from libs.hogql.parser.levels import ALIAS, TERNARY
from libs.hogql.parser.tables import TableParser

_GroupMode = Literal["all", "rollup", "cube", "grouping_sets", "totals"]


class ClauseParser(TableParser):
    """See the module."""

    def group_by(
        self,
    ) -> tuple[
        tuple[ast.Expr, ...],
        _GroupMode | None,
        tuple[tuple[ast.Expr, ...], ...],
    ]:
        mode: _GroupMode | None = None
        exprs: tuple[ast.Expr, ...] = ()
        sets: tuple[tuple[ast.Expr, ...], ...] = ()
        if self.take_words("GROUP", "BY"):
            if self.at_word("ALL") and self.peek(1).sign not in ",(":
                self.advance()
                mode = "all"
            elif self.here.word in ("CUBE", "ROLLUP") and self.peek(1).sign == "(":
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
            mode = "rollup" if kind == "ROLLUP" else "cube" if kind == "CUBE" else "totals"
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

    def windows(self) -> tuple[tuple[str, ast.WindowExpr], ...]:
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
        start = self.here.start
        partition: tuple[ast.Expr, ...] = ()
        if self.take_words("PARTITION", "BY"):
            partition = self.one_or_more()
        order_by = self.order_by() if self.at_words("ORDER", "BY") else ()
        method: Literal["ROWS", "RANGE"] | None = None
        first = last = None
        if self.here.word in ("ROWS", "RANGE"):
            method = "ROWS" if self.advance().word == "ROWS" else "RANGE"
            if self.take_word("BETWEEN"):
                first = self._bound()
                self.expect_word("AND")
                last = self._bound()
            else:
                first = self._bound()
        return ast.WindowExpr(partition, order_by, method, first, last, start=start, end=self.last_end)

    def _bound(self) -> ast.WindowFrame:
        start = self.here.start
        if self.take_words("CURRENT", "ROW"):
            return ast.WindowFrame("CURRENT ROW", start=start, end=self.last_end)
        value = None if self.take_word("UNBOUNDED") else self.expression(TERNARY + 3)
        if self.here.word not in ("PRECEDING", "FOLLOWING"):
            self.fail("PRECEDING or FOLLOWING", self.here)
        kind: Literal["PRECEDING", "FOLLOWING"] = "PRECEDING" if self.advance().word == "PRECEDING" else "FOLLOWING"
        return ast.WindowFrame(kind, value, start=start, end=self.last_end)

    def order_by(self) -> tuple[ast.OrderExpr, ...]:
        """ORDER BY and its keys."""
        self.expect_word("ORDER")
        self.expect_word("BY")
        keys = [self._order_key()]
        while self.take(","):
            if self.ends_list():
                break
            keys.append(self._order_key())
        return tuple(keys)

    def _order_key(self) -> ast.OrderExpr:
        start = self.here.start
        expr = self.expression(0)
        order: Literal["ASC", "DESC"] = "ASC"
        if self.here.word in ("ASC", "ASCENDING", "DESC", "DESCENDING"):
            order = "ASC" if self.advance().word.startswith("ASC") else "DESC"
        nulls: Literal["FIRST", "LAST"] | None = None
        if self.at_word("NULLS") and self.peek(1).word in ("FIRST", "LAST"):
            self.advance()
            nulls = "FIRST" if self.advance().word == "FIRST" else "LAST"
        collate = None
        if self.take_word("COLLATE"):
            token = self.advance()
            if token.kind != "string":
                self.fail("a string", token)
            collate = token.text
        fill = self._fill() if self.at_words("WITH", "FILL") else None
        return OrderExpr(expr, order, nulls, collate, fill, start=start, end=self.last_end)

    def _fill(self) -> ast.WithFill:
        start = self.here.start
        self.expect_word("WITH")
        self.expect_word("FILL")
        low = self.expression(0) if self.take_word("FROM") else None
        high = self.expression(0) if self.take_word("TO") else None
        step = self.expression(0) if self.take_word("STEP") else None
        return ast.WithFill(low, high, step, start=start, end=self.last_end)

    def interpolate(self) -> ast.Interpolate | None:
        if not self.at_word("INTERPOLATE"):
            return None
        start = self.advance().start
        pairs: list[tuple[ast.Expr, ast.Expr | None]] = []
        if self.take("("):
            while not pairs or not self.take(")"):
                column = self.expression(ALIAS + 1)
                pairs.append((column, self.expression(ALIAS + 1) if self.take_word("AS") else None))
                if not self.take(","):
                    self.expect(")")
                    break
        return ast.Interpolate(tuple(pairs), start=start, end=self.last_end)

    def limits(self) -> tuple[ast.LimitBy | None, ast.Expr | None, ast.Expr | None, bool, bool]:
        limit_by = None
        if self.at_word("LIMIT"):
            start = self.advance().start
            first = self._limit_number()
            percent = self.take("%")
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
        limit, offset, ties, percent = self.limit()
        return limit_by, limit, offset, ties, percent

    def limit(self) -> tuple[ast.Expr | None, ast.Expr | None, bool, bool]:
        if self.take_word("LIMIT"):
            limit = self._limit_number()
            percent = self.take("%")
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
        return self.expression(0)
