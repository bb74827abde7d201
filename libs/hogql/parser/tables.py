"""FROM: tables, joins, pivots, samples."""

import re
from typing import Literal

from libs.hogql import ast
from libs.hogql.ast import Field, JoinChain, TableRef
from libs.hogql.errors import HogQLSyntaxError, NotSupported
from libs.hogql.lexer import NAME, QUOTED
from libs.hogql.parser.expressions import ExpressionParser
from libs.hogql.parser.levels import COMPARE
from libs.hogql.words import NO_TABLE_ALIAS, STOPPERS

_JOIN_WORDS = frozenset(("INNER", "LEFT", "RIGHT", "FULL", "OUTER", "ALL", "ANY", "ASOF", "SEMI", "ANTI"))
_JOINS = re.compile(
    "((ALL|ANY|ASOF) )?INNER|INNER (ALL|ANY|ASOF)|ALL|ANY|SEMI|ANTI|ASOF( SEMI| ANTI)?"
    "|((ALL|ANY|ASOF|SEMI|ANTI) )?(LEFT|RIGHT)( OUTER)?|(LEFT|RIGHT)( OUTER)? (ALL|ANY|ASOF|SEMI|ANTI)"
    "|((ALL|ANY|ASOF) )?FULL( OUTER)?|FULL( OUTER)? (ALL|ANY|ASOF)"
)
_NO_TABLE = STOPPERS | {"SELECT"}
_Source = (
    ast.Field | ast.SelectQuery | ast.SelectSetQuery | ast.ValuesQuery | ast.HogQLXTag | ast.Placeholder | ast.JoinChain
)


class TableParser(ExpressionParser):
    """See the module."""

    def join_chain(self) -> ast.JoinChain:
        self.enter()
        start = self.here.start
        first = self._table()
        joins: list[ast.Join | ast.Pivot] = []
        while (join := self._join()) is not None:
            joins.append(join)
        self.depth -= 1
        return JoinChain(first, tuple(joins), start=start, end=self.last_end)

    def _join(self) -> ast.Join | ast.Pivot | None:
        token = self.here
        if self.take(","):
            return ast.Join("CROSS", self._table(), start=token.start, end=self.last_end)
        if not token.word:
            return None
        if token.word in ("PIVOT", "UNPIVOT") and (self.peek(1).sign == "(" or self.peek(2).word == "NULLS"):
            return self._pivot()
        if self.take_words("CROSS", "JOIN"):
            return ast.Join("CROSS", self._table(), start=token.start, end=self.last_end)
        pairing: Literal["NATURAL", "POSITIONAL"] | None = None
        if token.word in ("NATURAL", "POSITIONAL") and (
            self.peek(1).word == "JOIN" or self.peek(1).word in _JOIN_WORDS
        ):
            self.advance()
            pairing = "NATURAL" if token.word == "NATURAL" else "POSITIONAL"
        kind = self._join_kind()
        if kind is None:
            return None
        table = self._table()
        return ast.Join(kind, table, self._constraint(), pairing, start=token.start, end=self.last_end)

    def _pivot(self) -> ast.Pivot:
        token = self.advance()
        include = token.word == "UNPIVOT" and self.take_words("INCLUDE", "NULLS")
        self.expect("(")
        exprs = [self.expression(0)]
        while token.word == "PIVOT" and self.take(","):
            if self.at_word("FOR"):
                break
            exprs.append(self.expression(0))
        self.expect_word("FOR")
        columns = [self._pivot_column()]
        while not self.at(")") and not self.at_words("GROUP", "BY"):
            columns.append(self._pivot_column())
        group_by = self.one_or_more() if self.take_words("GROUP", "BY") else ()
        self.expect(")")
        alias = self._table_alias()
        named = self.bracketed_names() if alias is not None and self.at("(") else ()
        kind: Literal["PIVOT", "UNPIVOT"] = "PIVOT" if token.word == "PIVOT" else "UNPIVOT"
        return ast.Pivot(
            kind, tuple(exprs), tuple(columns), group_by, alias, named, include, start=token.start, end=self.last_end
        )

    def _pivot_column(self) -> ast.PivotColumn:
        start = self.here.start
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
        token = self.here
        said = [self.advance().word for _ in range(ahead)]
        self.advance()
        side = [word for word in said if word in ("INNER", "LEFT", "RIGHT", "FULL")]
        strictness = [word for word in said if word in ("ALL", "ANY", "ASOF", "SEMI", "ANTI")]
        if said and not _JOINS.fullmatch(" ".join(said)):
            raise HogQLSyntaxError(f"There is no such join: {' '.join(said)}", start=token.start, end=self.last_end)
        if len(strictness) > 1:
            return " ".join(strictness)
        if strictness and strictness[0] == "ASOF" and not side:
            side = ["INNER"]
        if not side:
            side = ["LEFT"] if strictness and strictness[0] in ("SEMI", "ANTI") else ["INNER"]
        if side[0] in ("LEFT", "RIGHT", "FULL"):
            return " ".join(side + strictness)
        return " ".join(strictness + side)

    def _constraint(self) -> ast.JoinConstraint | None:
        token = self.here
        if self.take_word("ON"):
            expr = self.expression(0)
            if self.take(",") and not self.ends_list():
                raise NotSupported("JOIN ... ON with multiple expressions", start=token.start, hint="Use AND.")
            return ast.JoinConstraint("ON", (expr,), start=token.start, end=self.last_end)
        if self.take_word("USING"):
            exprs = self.expressions(")") if self.take("(") else self.one_or_more()
            return ast.JoinConstraint("USING", exprs, start=token.start, end=self.last_end)
        return None

    def _table(self) -> ast.TableRef:
        start = self.here.start
        table, args = self._source()
        alias = self._table_alias()
        columns = self.bracketed_names() if alias is not None and self.at("(") else ()
        final = self.take_word("FINAL")
        sample = self._sample() if self.at_word("SAMPLE") else None
        return TableRef(table, args, alias, columns, final, sample, start=start, end=self.last_end)

    def _table_alias(self) -> str | None:
        if self.take_word("AS"):
            return self.expect_alias()
        token = self.here
        if token.kind is QUOTED or (token.kind is NAME and token.word not in NO_TABLE_ALIAS):
            if token.word in ("INTO", "FORMAT") and self.peek(1).kind in ("name", "string"):
                self.fail("the end of the query", self.here)
            return self.expect_alias()
        return None

    def bracketed_names(self) -> tuple[str, ...]:
        self.expect("(")
        return self.name_list()

    def _source(self) -> tuple[_Source, tuple[ast.Expr, ...] | None]:
        token = self.here
        if token.sign == "(":
            return self._bracketed_source(), None
        if token.sign == "{":
            node = self.braces()
            if not isinstance(node, ast.Placeholder):
                self.fail("a table", token)
            return node, None
        if self.at_tag():
            return self.tag(), None
        if token.word in _NO_TABLE and self.peek(1).sign not in ",)":
            self.fail("a table", self.here)
        chain = [self.expect_name()]
        while self.take("."):
            chain.append(self.expect_name())
        field = Field(tuple(chain), start=token.start, end=self.last_end)
        return field, self.expressions(")") if self.take("(") else None

    def _bracketed_source(
        self,
    ) -> ast.SelectQuery | ast.SelectSetQuery | ast.ValuesQuery | ast.Placeholder | ast.JoinChain:
        self.expect("(")
        source: ast.SelectQuery | ast.SelectSetQuery | ast.ValuesQuery | ast.Placeholder | ast.JoinChain
        if self.at_word("VALUES"):
            source = self._values()
        elif self.at_query():
            source = self.set_query()
        else:
            chain = self.join_chain()
            only = chain.first
            plain = not chain.joins and only.alias is None and not only.final and only.sample is None
            if plain and isinstance(only.table, ast.SelectQuery | ast.SelectSetQuery | ast.Placeholder):
                source = self.set_query_from(only.table)
            else:
                source = chain
        self.expect(")")
        return source

    def _values(self) -> ast.ValuesQuery:
        start = self.here.start
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
        percent = self.take("%")
        offset = self._ratio() if self.take_word("OFFSET") else None
        return ast.SampleExpr(ratio, offset, percent, start=start, end=self.last_end)

    def _ratio(self) -> tuple[ast.Expr, ast.Expr | None]:
        if self.at("{"):
            return self.braces(), None
        first = self._sample_number()
        return first, self._sample_number() if self.take("/") else None

    def _sample_number(self) -> ast.Expr:
        if self.here.kind not in ("int", "float"):
            self.fail("a number", self.here)
        return self.operand()
