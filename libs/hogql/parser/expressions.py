"""Operators, by precedence climbing."""

from libs.hogql import ast
from libs.hogql.ast import Alias, And, ArithmeticOperation, CompareOperation, Constant, Field, Or
from libs.hogql.errors import NotSupported, TooComplex
from libs.hogql.lexer import NAME, OP, Token
from libs.hogql.parser.cursor import MAX_CHAIN, MAX_HEIGHT
from libs.hogql.parser.levels import (
    ADD,
    ALIAS,
    AND,
    BETWEEN,
    CAST,
    COMPARE,
    DISTINCT,
    IGNORE,
    IS_NULL,
    MULTIPLY,
    NULLISH,
    OR,
    POSTFIX,
    SPACESHIP,
    TERNARY,
)  # fmt: skip
from libs.hogql.parser.operands import OperandParser
from libs.hogql.words import AFTER_A_LIMIT, KEYWORDS, UNITS

_COMPARE = {
    "=": "=", "==": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">=",
    "=~": "=~", "~": "=~", "!~": "!~", "=~*": "=~*", "~*": "=~*", "!~*": "!~*",
}  # fmt: skip
_OPERATORS: dict[str, int] = {
    **dict.fromkeys(_COMPARE, COMPARE),
    "+": ADD, "-": ADD, "||": ADD, "*": MULTIPLY, "/": MULTIPLY, "%": MULTIPLY,
    "?": TERNARY, "??": NULLISH, "<=>": SPACESHIP, "::": CAST,
    "[": POSTFIX, "(": POSTFIX, ".": POSTFIX, "?.": POSTFIX,
}  # fmt: skip
_WORDS: dict[str, int] = {
    "AND": AND, "OR": OR, "IS": IS_NULL, "IN": COMPARE, "LIKE": COMPARE, "ILIKE": COMPARE, "NOT": COMPARE,
    "BETWEEN": BETWEEN, "AS": ALIAS, "IGNORE": IGNORE,
}  # fmt: skip
_NEGATED = {"IN": COMPARE, "LIKE": COMPARE, "ILIKE": COMPARE, "BETWEEN": BETWEEN}
_TYPES = UNITS | {"DATE", "TIME", "TIMESTAMP", "INTERVAL"}
_NONE = -1  # not an operator


class ExpressionParser(OperandParser):
    """See the module."""

    def expression(self, least: int) -> ast.Expr:
        """The longest expression whose operators bind at least as tightly as `least`."""
        self.enter()
        beside, self.height = self.height, 0
        start = self.here.start
        left = self.operand()
        chain, most = 0, POSTFIX
        while True:
            level = self._level_of(self.here)
            if level == _NONE or level < least or level > most:
                break
            chain += 1
            if chain > MAX_CHAIN:
                raise TooComplex(f"More than {MAX_CHAIN:,} operators in one chain.", start=self.here.start)
            left = self._operator(left, level, start)
            most = COMPARE if type(left) is Alias else POSTFIX  # `a as x = 1` is `(a as x) = 1`
        self.depth -= 1
        self.height += chain + 1
        if self.height > MAX_HEIGHT:
            raise TooComplex("input too deeply nested", start=start)
        self.height = max(self.height, beside)
        return left

    def _level_of(self, token: Token) -> int:
        if token.kind is OP:
            if token.sign == "%" and self._ends_limit(self.peek(1)):
                return _NONE
            return _OPERATORS.get(token.text, _NONE)
        word = token.word
        if word == "" or word not in _WORDS:
            return _NONE
        if word == "NOT":
            return _NEGATED.get(self.peek(1).word, _NONE)
        if word == "IGNORE" and self.peek(1).word != "NULLS":
            return _NONE
        return DISTINCT if word == "IS" and self._is_distinct() else _WORDS[word]

    def _ends_limit(self, after: Token) -> bool:
        # `LIMIT 10 %`: a share, if nothing follows that it could be divided by
        if after.kind is OP:
            return after.sign in "),;}"
        return after.kind == "eof" or after.word in AFTER_A_LIMIT

    def _is_distinct(self) -> bool:
        return self.peek(1).word == "DISTINCT" or (self.peek(1).word == "NOT" and self.peek(2).word == "DISTINCT")

    def _operator(self, left: ast.Expr, level: int, start: int) -> ast.Expr:
        token = self.advance()
        if level == POSTFIX:
            return self._postfix(left, token, start)
        if token.kind is NAME:
            return self._word_operator(left, token, start)
        text = token.text
        if level == COMPARE:
            return CompareOperation(_COMPARE[text], left, self.expression(COMPARE + 1), start=start, end=self.last_end)
        if text == "||":
            return ast.Concat(self._chain(left, text, ADD), start=start, end=self.last_end)
        if level in (ADD, MULTIPLY):
            return ArithmeticOperation(text, left, self.expression(level + 1), start=start, end=self.last_end)
        if text == "??":
            return ast.Nullish(left, self.expression(NULLISH + 1), start=start, end=self.last_end)
        if text == "<=>":
            return ast.IsDistinctFrom(left, self.expression(SPACESHIP + 1), True, start=start, end=self.last_end)
        if text == "?":
            then = self.expression(0)
            self.expect(":")
            return ast.TernaryExpr(left, then, self.expression(TERNARY), start=start, end=self.last_end)
        word = self.here.word
        if word in KEYWORDS and word not in _TYPES:
            self.fail("a type", self.here)
        return ast.TypeCast(left, self.cast_type(), start=start, end=self.last_end)

    def _word_operator(self, left: ast.Expr, token: Token, start: int) -> ast.Expr:
        word = token.word
        if word == "AND":
            return And(self._chain(left, word, AND), start=start, end=self.last_end)
        if word == "OR":
            return Or(self._chain(left, word, OR), start=start, end=self.last_end)
        if word == "AS":
            alias = self.expect_column_alias()
            return Alias(alias, left, start=start, end=self.last_end)
        if word == "IS":
            return self._is(left, start)
        if word == "IGNORE":
            self.advance()
            return ast.IgnoreNulls(left, start=start, end=self.last_end)
        negated = word == "NOT"
        word = self.advance().word if negated else word
        if word == "BETWEEN":
            low = self.expression(BETWEEN + 1)
            self.expect_word("AND")
            return ast.BetweenExpr(left, low, self.expression(BETWEEN + 1), negated, start=start, end=self.last_end)
        op = ("not " if negated else "") + word.lower()
        if word == "IN" and self.take_word("COHORT"):
            op += " cohort"
        return CompareOperation(op, left, self.expression(COMPARE + 1), start=start, end=self.last_end)

    def _is(self, left: ast.Expr, start: int) -> ast.Expr:
        negated = self.take_word("NOT")
        if self.take_word("DISTINCT"):
            self.expect_word("FROM")
            return ast.IsDistinctFrom(left, self.expression(DISTINCT + 1), negated, start=start, end=self.last_end)
        token = self.here
        self.expect_word("NULL")
        null = Constant(None, start=token.start, end=token.end)
        return CompareOperation("!=" if negated else "=", left, null, start=start, end=self.last_end)

    def _chain(self, left: ast.Expr, operator: str, level: int) -> tuple[ast.Expr, ...]:
        exprs = [left, self.expression(level + 1)]
        while self.here.word == operator or (self.here.kind is OP and self.here.text == operator):
            self.advance()
            exprs.append(self.expression(level + 1))
        return tuple(exprs)

    def _postfix(self, left: ast.Expr, token: Token, start: int) -> ast.Expr:
        nullish = token.text == "?."
        bare_null = type(left) is Constant and left.value is None and not self.text[left.end : token.start].strip()
        if bare_null and token.sign == "." and self.here.kind != "int":
            self.fail("the end of the expression", token)
        if token.sign == "(":
            return ast.ExprCall(left, self.expressions(")"), start=start, end=self.last_end)
        if token.sign == "[" or (nullish and self.take("[")):
            return self._index(left, start, nullish)
        step: str | int
        if self.here.kind == "int":
            step = self.index_of(self.advance())
        elif not nullish and self.at("*") and type(left) is Field:
            self.advance()
            return self._columns_of(left, start)
        else:
            step = self.expect_name()
        if type(left) is Field and left.chain[-1] != "*":
            return Field((*left.chain, step), left.nullish or nullish, start=start, end=self.last_end)
        if isinstance(step, str) and self.at("("):
            raise NotSupported(
                "You can only call simple functions in HogQL, not expressions", start=start, end=self.last_end
            )
        return ast.TupleAccess(left, step, nullish, start=start, end=self.last_end)

    def _columns_of(self, table: ast.Field, start: int) -> ast.Expr:
        if self.at_word("EXCLUDE") and self.peek(1).sign == "(":
            excluded = self.excluded_names()
            name = ".".join(map(str, table.chain))
            return ast.ColumnsExpr(all_columns=True, table=name, exclude=excluded, start=start, end=self.last_end)
        return Field((*table.chain, "*"), start=start, end=self.last_end)

    def _index(self, left: ast.Expr, start: int, nullish: bool) -> ast.Expr:
        low = None if self.at(":") else self.expression(0)
        if low is None or self.at(":"):
            self.expect(":")
            high = None if self.at("]") else self.expression(0)
            self.expect("]")
            return ast.ArraySlice(left, low, high, start=start, end=self.last_end)
        self.expect("]")
        return ast.ArrayAccess(left, low, nullish, start=start, end=self.last_end)
