"""Everything with a value, by precedence climbing. The numbers are the levels of the language, loosest first."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

from libs.hogql import ast
from libs.hogql.errors import HogQLSyntaxError, NotSupported, TooComplex
from libs.hogql.lexer import Token
from libs.hogql.parser import names
from libs.hogql.parser.cursor import MAX_CHAIN, MAX_DEPTH
from libs.hogql.parser.tags import TagParser

ALIAS, TERNARY, OR, AND, NOT, BETWEEN, NULLISH, SPACESHIP, DISTINCT, IS_NULL, IGNORE = range(1, 12)
COMPARE, ADD, MULTIPLY, NEGATE, CAST, POSTFIX = 12, 13, 14, 15, 16, 17

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
_WORD_CONSTANTS = {"TRUE": True, "FALSE": False, "NULL": None, "INF": math.inf, "INFINITY": math.inf, "NAN": math.nan}
N = TypeVar("N", bound=ast.Node)
_TYPE_WORDS = frozenset(("WITH", "LOCAL", "TIME", "ZONE", "PRECISION", "WITHOUT", "VARYING"))


class ExpressionParser(TagParser):
    """See the module."""

    def set_query(self) -> ast.Query:
        """See SelectParser."""
        raise NotImplementedError

    def order_by(self) -> tuple[ast.OrderExpr, ...]:
        """See SelectParser."""
        raise NotImplementedError

    def window(self) -> ast.WindowExpr:
        """See SelectParser."""
        raise NotImplementedError

    def expression(self, least: int = 0) -> ast.Expr:
        """The longest expression whose operators bind at least as tightly as `least`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooComplex("input too deeply nested", start=self.peek().start)
        start = self.peek().start
        left = self._operand()
        chain, most = 0, POSTFIX
        while True:
            level = self._level_of(self.peek())
            if level is None or level < least or level > most:
                break
            chain += 1
            if chain > MAX_CHAIN:
                raise TooComplex(f"More than {MAX_CHAIN:,} operators in one chain.", start=self.peek().start)
            left = self._operator(left, level, start)
            most = COMPARE if isinstance(left, ast.Alias) else POSTFIX  # `a as x = 1` is `(a as x) = 1`
        self.depth -= 1
        return left

    def expressions(self, close: str) -> tuple[ast.Expr, ...]:
        """A comma list up to and with `close`; a comma may stand at its end."""
        items: list[ast.Expr] = []
        while not self.take(close):
            items.append(self._item())
            if not self.take(","):
                self.expect(close)
                break
        return tuple(items)

    def one_or_more(self) -> tuple[ast.Expr, ...]:
        """A comma list that no bracket closes; a comma may stand at its end."""
        items = [self.expression()]
        while self.take(","):
            if self._ends_list():
                break
            items.append(self.expression())
        return tuple(items)

    def _item(self) -> ast.Expr:
        token = self.peek()
        if self._at_query():
            return self.set_query()
        if token.kind in ("name", "quoted") and self.peek(1).text == ":=":
            self.advance()
            self.advance()
            value = self.expression()
            return ast.NamedArgument(token.text, value, start=token.start, end=self.last_end)
        if token.text == "*" and self.peek(1).word == "COLUMNS":
            self.advance()
            return ast.SpreadExpr(self.expression(), start=token.start, end=self.last_end)
        return self.expression()

    def _ends_list(self) -> bool:
        token = self.peek()
        if token.kind == "eof" or (token.kind == "op" and token.text in (")", "]", "}", ";")):
            return True
        return token.word in names.STOPPERS and not self._stands_as_name(token)

    def _stands_as_name(self, token: Token) -> bool:
        after = self.peek(1)
        if token.word in ("GROUP", "ORDER"):
            return after.word != "BY"
        if after.kind == "op":
            return after.text in names.AFTER_A_NAME
        return after.word in ("FROM", "AS") and token.word not in ("FROM", "AS")

    # --- operators

    def _level_of(self, token: Token) -> int | None:
        if token.kind == "op":
            if token.text == "%" and self._ends_limit(self.peek(1)):
                return None
            return _OPERATORS.get(token.text)
        if token.kind != "name" or token.word not in _WORDS:
            return None
        if token.word == "NOT":
            return {"IN": COMPARE, "LIKE": COMPARE, "ILIKE": COMPARE, "BETWEEN": BETWEEN}.get(self.peek(1).word)
        if token.word == "IGNORE" and self.peek(1).word != "NULLS":
            return None
        return DISTINCT if token.word == "IS" and self._is_distinct() else _WORDS[token.word]

    def _ends_limit(self, after: Token) -> bool:
        # `LIMIT 10 %`: a share, if nothing follows that it could be divided by
        if after.kind == "op":
            return after.text in (")", ",", ";", "}")
        return after.kind == "eof" or after.word in names.AFTER_A_LIMIT

    def _is_distinct(self) -> bool:
        return self.peek(1).word == "DISTINCT" or (self.peek(1).word == "NOT" and self.peek(2).word == "DISTINCT")

    def _operator(self, left: ast.Expr, level: int, start: int) -> ast.Expr:
        token = self.advance()
        if level == POSTFIX:
            return self._postfix(left, token, start)
        if token.kind == "name":
            return self._word_operator(left, token, start)
        text = token.text
        if text in _COMPARE:
            return self._made(ast.CompareOperation, start, _COMPARE[text], left, self.expression(COMPARE + 1))
        if text == "||":
            return self._chain(ast.Concat, left, "||", ADD, start)
        if level in (ADD, MULTIPLY):
            return self._made(ast.ArithmeticOperation, start, text, left, self.expression(level + 1))
        if text == "??":
            return self._made(ast.Nullish, start, left, self.expression(NULLISH + 1))
        if text == "<=>":
            return self._made(ast.IsDistinctFrom, start, left, self.expression(SPACESHIP + 1), True)
        if text == "?":
            then = self.expression(TERNARY)
            self.expect(":")
            return self._made(ast.TernaryExpr, start, left, then, self.expression(TERNARY))
        word = self.peek().word
        if word in names.KEYWORDS and word not in names.UNITS | {"DATE", "TIME", "TIMESTAMP", "INTERVAL"}:
            self.fail("a type")
        return self._made(ast.TypeCast, start, left, self._cast_type())

    def _word_operator(self, left: ast.Expr, token: Token, start: int) -> ast.Expr:
        word = token.word
        if word == "AND":
            return self._chain(ast.And, left, word, AND, start)
        if word == "OR":
            return self._chain(ast.Or, left, word, OR, start)
        if word == "AS":
            return self._made(ast.Alias, start, self.expect_alias(), left)
        if word == "IS":
            return self._is(left, start)
        if word == "IGNORE":
            self.advance()
            return self._made(ast.IgnoreNulls, start, left)
        negated = word == "NOT"
        word = self.advance().word if negated else word
        if word == "BETWEEN":
            low = self.expression(BETWEEN + 1)
            self.expect_word("AND")
            return self._made(ast.BetweenExpr, start, left, low, self.expression(BETWEEN + 1), negated)
        op = ("not " if negated else "") + word.lower()
        if word == "IN" and self.take_word("COHORT"):
            op += " cohort"
        return self._made(ast.CompareOperation, start, op, left, self.expression(COMPARE + 1))

    def _is(self, left: ast.Expr, start: int) -> ast.Expr:
        negated = self.take_word("NOT")
        if self.take_word("DISTINCT"):
            self.expect_word("FROM")
            return self._made(ast.IsDistinctFrom, start, left, self.expression(DISTINCT + 1), negated)
        token = self.peek()
        self.expect_word("NULL")
        null = ast.Constant(None, start=token.start, end=token.end)
        return self._made(ast.CompareOperation, start, "!=" if negated else "=", left, null)

    def _chain(self, node: Callable[..., ast.Expr], left: ast.Expr, operator: str, level: int, start: int) -> ast.Expr:
        exprs = [left, self.expression(level + 1)]
        while self.at_word(operator) or self.at(operator):
            self.advance()
            exprs.append(self.expression(level + 1))
        return self._made(node, start, tuple(exprs))

    def _postfix(self, left: ast.Expr, token: Token, start: int) -> ast.Expr:
        nullish = token.text == "?."
        if isinstance(left, ast.Constant) and left.value is None and token.text == "." and self.peek().kind != "int":
            self.fail("the end of the expression", token)
        if token.text == "(":
            return self._made(ast.ExprCall, start, left, self.expressions(")"))
        if token.text == "[" or (nullish and self.take("[")):
            return self._index(left, start, nullish)
        step: str | int
        if self.peek().kind == "int":
            step = int(self.advance().text)
        elif not nullish and self.at("*") and isinstance(left, ast.Field):
            self.advance()
            return self._columns_of(left, start)
        else:
            step = self.expect_name()
        if isinstance(left, ast.Field) and left.chain[-1] != "*":
            return ast.Field((*left.chain, step), left.nullish or nullish, start=start, end=self.last_end)
        if isinstance(step, str) and self.at("("):
            raise NotSupported(
                "You can only call simple functions in HogQL, not expressions", start=start, end=self.last_end
            )
        return self._made(ast.TupleAccess, start, left, step, nullish)

    def _columns_of(self, table: ast.Field, start: int) -> ast.Expr:
        if self.at_word("EXCLUDE") and self.peek(1).text == "(":
            excluded = self._excluded()
            name = ".".join(map(str, table.chain))
            return ast.ColumnsExpr(all_columns=True, table=name, exclude=excluded, start=start, end=self.last_end)
        return ast.Field((*table.chain, "*"), start=start, end=self.last_end)

    def _index(self, left: ast.Expr, start: int, nullish: bool) -> ast.Expr:
        low = None if self.at(":") else self.expression()
        if self.take(":"):
            high = None if self.at("]") else self.expression()
            self.expect("]")
            return self._made(ast.ArraySlice, start, left, low, high)
        self.expect("]")
        return self._made(ast.ArrayAccess, start, left, low, nullish)

    def _made(self, node: Callable[..., N], start: int, *fields: Any) -> N:
        return node(*fields, start=start, end=self.last_end)

    # --- operands

    def _operand(self) -> ast.Expr:
        token = self.peek()
        match token.kind:
            case "int" | "float":
                self.advance()
                return self._number(token, 1)
            case "string":
                self.advance()
                return ast.Constant(token.text, start=token.start, end=token.end)
            case "template":
                return self._template()
            case "quoted":
                return self._named(quoted=True)
            case "positional":
                self.advance()
                return ast.PositionalRef(int(token.text), start=token.start, end=token.end)
            case "name":
                return self._word_operand(token)
            case "op":
                return self._sign_operand(token)
            case _:
                return self.fail("an expression")

    def _sign_operand(self, token: Token) -> ast.Expr:
        start = token.start
        if token.text == "(":
            return self._parenthesised()
        if token.text == "[":
            self.advance()
            return self._made(ast.Array, start, self.expressions("]"))
        if token.text == "{":
            return self._braces()
        if token.text == "*":
            return self._star()
        if token.text in ("-", "+"):
            return self._signed()
        if self.at_tag():
            return self.tag()
        return self.fail("an expression")

    def _signed(self) -> ast.Expr:
        sign = self.advance()
        following = self.peek()
        if following.kind in ("int", "float"):
            self.advance()
            return self._number(following, -1 if sign.text == "-" else 1, sign.start)
        if following.word in ("INF", "INFINITY", "NAN"):
            self.advance()
            value = float(following.word) * (-1 if sign.text == "-" else 1)
            return ast.Constant(value, start=sign.start, end=following.end)
        if sign.text == "+":
            self.fail("a number")
        zero = ast.Constant(0, start=sign.start, end=sign.end)
        return self._made(ast.ArithmeticOperation, sign.start, "-", zero, self.expression(NEGATE + 1))

    def _number(self, token: Token, sign: int, start: int | None = None) -> ast.Constant:
        start = token.start if start is None else start
        text = token.text
        if token.kind == "float":
            value: int | float = float.fromhex(text) if text[:2] in ("0x", "0X") else float(text)
            if math.isinf(value):
                raise HogQLSyntaxError(f"This number is too large: {text[:30]}", start=start, end=token.end)
            return ast.Constant(value * sign, start=start, end=token.end)
        if len(text) > 80 and text[:2].lower() != "0b":
            raise TooComplex("This number has too many digits.", start=start, end=token.end)
        base = {"0x": 16, "0b": 2}.get(text[:2].lower(), 10)
        return ast.Constant(int(text, base) * sign, start=start, end=token.end)

    def _word_operand(self, token: Token) -> ast.Expr:
        word, after = token.word, self.peek(1)
        called = after.kind == "op" and after.text == "("
        if word in _WORD_CONSTANTS and not (called and word in ("TRUE", "FALSE")):
            self.advance()
            return ast.Constant(_WORD_CONSTANTS[word], start=token.start, end=token.end)
        special = _SPECIAL.get(word)
        if special is not None:
            node = special(self, token, called)
            if node is not None:
                return node
        if word in names.STOPPERS and not called and not self._stands_as_name(token):
            self.fail("an expression")
        if not names.may_be_name(word):
            self.fail("an expression")
        return self._named(quoted=False)

    def _named(self, *, quoted: bool) -> ast.Expr:
        token = self.advance()
        if self.at("->"):
            return self._lambda_body((token.text,), token.start)
        if self.at("("):
            return self._call(token)
        return ast.Field((token.text,), start=token.start, end=token.end)

    def _not(self, token: Token, called: bool) -> ast.Expr | None:
        if (self.peek(1).kind == "op" and self.peek(1).text in (",", ")", ".", "=")) or self.peek(1).kind == "eof":
            return None
        self.advance()
        return self._made(ast.Not, token.start, self.expression(NOT))

    def _case(self, token: Token, called: bool) -> ast.Expr | None:
        if self.peek(1).kind == "op" and self.peek(1).text not in ("(", "[", "{", "-", "<"):
            return None
        self.advance()
        operand = None if self.at_word("WHEN") else self.expression()
        whens: list[tuple[ast.Expr, ast.Expr]] = []
        while self.take_word("WHEN"):
            condition = self.expression()
            self.expect_word("THEN")
            whens.append((condition, self.expression()))
        if not whens:
            self.fail("WHEN")
        otherwise = self.expression() if self.take_word("ELSE") else None
        self.expect_word("END")
        return ast.CaseExpr(operand, tuple(whens), otherwise, start=token.start, end=self.last_end)

    def _cast(self, token: Token, called: bool) -> ast.Expr | None:
        if not called:
            return None
        self.advance()
        self.advance()
        expr = self.expression(TERNARY)
        self.expect_word("AS")
        type_name = self._type_name()
        self.expect(")")
        return self._made(ast.TypeCast, token.start, expr, type_name, token.word == "TRY_CAST")

    def _cast_type(self) -> str:
        words = [self.expect_name()]
        while self.peek().kind == "name" and self.peek().word in _TYPE_WORDS and words[-1].upper() != "ZONE":
            words.append(self.advance().text)
        return " ".join(words).lower()

    def _type_name(self) -> str:
        text = self._cast_type()
        if self.take("("):
            inner = []
            while not self.take(")"):
                inner.append(self.advance().text if self.peek().kind == "int" else self._type_name())
                if not self.take(","):
                    self.expect(")")
                    break
            text += f"({', '.join(inner)})"
        while self.at("[") and self.peek(1).text == "]":
            self.advance()
            self.advance()
            text += "[]"
        return text

    def _interval(self, token: Token, called: bool) -> ast.Expr | None:
        after = self.peek(1)
        if after.kind == "string" and self.peek(2).word not in names.UNITS:
            self.advance()
            return self._interval_text(self.advance(), token.start)
        begins_value = after.kind in ("int", "float", "string", "quoted", "template") or (
            after.kind == "name" and after.word not in names.STOPPERS
        )
        begins_value = begins_value or (after.kind == "op" and after.text in ("-", "{"))
        if not begins_value and not (called and self._unit_follows_bracket()):
            return None
        self.advance()
        expr = self.expression(TERNARY)
        if self.peek().word not in names.UNITS:
            self.fail("SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER or YEAR")
        unit = self.advance().word.lower()
        return ast.IntervalExpr(expr, unit, start=token.start, end=self.last_end)

    def _unit_follows_bracket(self) -> bool:
        depth, ahead = 0, 1
        while True:
            token = self.peek(ahead)
            if token.kind == "eof" or ahead > 1_000:
                return False
            if token.kind == "op":
                depth += (token.text == "(") - (token.text == ")")
                if depth == 0:
                    return self.peek(ahead + 1).word in names.UNITS
            ahead += 1

    def _interval_text(self, token: Token, start: int) -> ast.Expr:
        count, _, unit = token.text.partition(" ")
        if not count or not unit or " " in unit:
            raise NotSupported(
                "Unsupported interval type: must be in the format '<count> <unit>'", start=token.start, end=token.end
            )
        if not (count.isascii() and count.isdigit()) or len(count) > 18:
            raise NotSupported(
                f"Unsupported interval count: '{count}' is not a valid integer", start=token.start, end=token.end
            )
        singular = unit.removesuffix("s")
        if singular.upper() not in names.UNITS or singular != singular.lower():
            raise NotSupported(f"Unsupported interval unit: {unit}", start=token.start, end=token.end)
        return ast.IntervalExpr(
            ast.Constant(int(count), start=token.start, end=token.end), singular, start=start, end=token.end
        )

    def _trim(self, token: Token, called: bool) -> ast.Expr | None:
        side = self.peek(2).word
        if not called or side not in ("BOTH", "LEADING", "TRAILING") or self.peek(3).kind != "string":
            return None
        for _ in range(3):
            self.advance()
        chars = self.advance().text
        self.expect_word("FROM")
        expr = self.expression()
        self.expect(")")
        return self._made(ast.TrimExpr, token.start, side.lower(), chars, expr)

    def _array(self, token: Token, called: bool) -> ast.Expr | None:
        if self.peek(1).text != "[" or self.peek(1).kind != "op":
            return None
        self.advance()
        self.advance()
        return self._made(ast.Array, token.start, self.expressions("]"))

    def _lambda_word(self, token: Token, called: bool) -> ast.Expr | None:
        if self.peek(1).kind not in ("name", "quoted") or self.peek(2).text not in (",", ":"):
            return None
        self.advance()
        args = [self.expect_name()]
        while self.take(","):
            args.append(self.expect_name())
        self.expect(":")
        return ast.Lambda(tuple(args), self.expression(), start=token.start, end=self.last_end)

    def _columns_word(self, token: Token, called: bool) -> ast.Expr | None:
        if not called:
            return None
        self.advance()
        self.advance()
        regex: str | None = None
        replace: list[tuple[str, ast.Expr]] = []
        exclude: tuple[str, ...] = ()
        if self.peek().kind == "string" and self.peek(1).text == ")":
            regex = self.advance().text
        elif self.at("*"):
            self.advance()
            exclude = self._excluded() if self.at_word("EXCLUDE") else ()
            if self.take_word("REPLACE"):
                self.expect("(")
                replace = [(alias.alias, alias.expr) for alias in self._aliases(self.expressions(")"))]
            self.expect(")")
            return ast.ColumnsExpr(
                all_columns=True, exclude=exclude, replace=tuple(replace), start=token.start, end=self.last_end
            )
        else:
            return ast.ColumnsExpr(columns=self.expressions(")"), start=token.start, end=self.last_end)
        self.expect(")")
        return ast.ColumnsExpr(regex=regex, start=token.start, end=self.last_end)

    def _aliases(self, exprs: tuple[ast.Expr, ...]) -> list[ast.Alias]:
        for expr in exprs:
            if not isinstance(expr, ast.Alias):
                raise HogQLSyntaxError("REPLACE takes `expr AS name`.", start=expr.start, end=expr.end)
        return [expr for expr in exprs if isinstance(expr, ast.Alias)]

    def _refused_literal(self, token: Token, called: bool) -> ast.Expr | None:
        if self.peek(1).kind == "string":
            raise NotSupported(
                f"Unsupported: {token.word} literals",
                start=token.start,
                end=self.peek(1).end,
                hint=f"Write to{token.word.title()}('...') instead."
                if token.word == "DATE"
                else "Write toDateTime('...').",
            )
        return None

    def _star(self) -> ast.Expr:
        token = self.advance()
        if self.at_word("EXCLUDE") and self.peek(1).text == "(":
            excluded = self._excluded()
            return ast.ColumnsExpr(all_columns=True, exclude=excluded, start=token.start, end=self.last_end)
        if self.at_word("COLUMNS"):
            raise NotSupported("Spreading COLUMNS is only for the arguments of a call.", start=token.start)
        return ast.Field(("*",), start=token.start, end=token.end)

    def _excluded(self) -> tuple[str, ...]:
        self.expect_word("EXCLUDE")
        self.expect("(")
        return self.name_list()

    def name_list(self) -> tuple[str, ...]:
        """Names up to and with a closing bracket."""
        found = [self.expect_name()]
        while self.take(","):
            if self.at(")"):
                break
            found.append(self.expect_name())
        self.expect(")")
        return tuple(found)

    def _parenthesised(self) -> ast.Expr:
        if (args := self._lambda_arguments()) is not None:
            return self._lambda_body(args, self.last_end)
        start = self.advance().start
        if self._at_query():
            query = self.set_query()
            self.expect(")")
            return query
        if self.at(")"):
            self.advance()
            return ast.Tuple((), start=start, end=self.last_end)
        first = self.expression()
        if isinstance(first, ast.SelectQuery | ast.SelectSetQuery) and self.peek().word in _SET_WORDS:
            query = self.set_query_from(first)
            self.expect(")")
            return query
        if not self.take(","):
            self.expect(")")
            return first
        items = (first, *self.expressions(")"))
        return ast.Tuple(items, start=start, end=self.last_end)

    def set_query_from(self, first: ast.Query) -> ast.Query:
        """See SelectParser."""
        raise NotImplementedError

    def _at_query(self) -> bool:
        if self.at_word("SELECT"):
            after = self.peek(1)
            return not (after.kind == "op" and after.text in (")", ",", ".", "=", "::")) and after.kind != "eof"
        return self.at_word("WITH") and self.peek(1).text not in (")", ",", ".")

    def _lambda_arguments(self) -> tuple[str, ...] | None:
        ahead, args = 1, []
        while self.peek(ahead).kind in ("name", "quoted"):
            args.append(self.peek(ahead).text)
            ahead += 1
            if self.peek(ahead).text != ",":
                break
            ahead += 1
        if self.peek(ahead).text != ")" or self.peek(ahead + 1).text != "->":
            return None
        for _ in range(ahead + 1):
            self.advance()
        return tuple(args)

    def _lambda_body(self, args: tuple[str, ...], start: int) -> ast.Expr:
        self.expect("->")
        if self.at("{"):
            opened = self.peek()
            end = self.lexer.closing_brace(opened.end)
            inner = self.peek(1)
            if inner.word in ("RETURN", "LET", "IF", "FOR", "WHILE", "FN", "FUN", "THROW", "TRY"):
                raise NotSupported("You can not use blocks in HogQL", start=opened.start, end=end + 1)
        return ast.Lambda(args, self.expression(TERNARY), start=start, end=self.last_end)

    def _braces(self) -> ast.Expr:
        start = self.advance().start
        items: list[tuple[ast.Expr, ast.Expr]] = []
        while not self.take("}"):
            key = self.expression(OR)
            if not items and self.take("}"):
                return ast.Placeholder(key, start=start, end=self.last_end)
            if not items and self.at("?"):
                key = self._rest_of_ternary(key)
                self._close_brace(start)
                return ast.Placeholder(key, start=start, end=self.last_end)
            if not self.at(":"):
                self._close_brace(start)
            self.expect(":")
            items.append((key, self.expression()))
            if not self.take(","):
                self._close_brace(start)
                break
        return ast.Dict(tuple(items), start=start, end=self.last_end)

    def _rest_of_ternary(self, condition: ast.Expr) -> ast.Expr:
        self.expect("?")
        then = self.expression(TERNARY)
        self.expect(":")
        return self._made(ast.TernaryExpr, condition.start, condition, then, self.expression(TERNARY))

    def _close_brace(self, start: int) -> None:
        if self.peek().kind == "eof":
            raise HogQLSyntaxError("Unmatched curly bracket", start=start, end=start + 1, hint="Add }.")
        self.expect("}")

    def _template(self) -> ast.Expr:
        token = self.advance()
        parts: list[ast.Expr] = []
        for part in token.parts:
            if isinstance(part, str):
                parts.append(ast.Constant(part, start=token.start, end=token.end))
                continue
            inner = type(self)(self.text)
            inner.last_end, inner.depth = part[0], self.depth
            parts.append(inner.expression())
            inner.expect("}")
        if not parts:
            return ast.Constant("", start=token.start, end=token.end)
        if len(parts) == 1:
            return parts[0]
        return ast.Concat(tuple(parts), start=token.start, end=token.end)

    # --- calls

    def _call(self, name: Token) -> ast.Expr:
        distinct, args, order_by = self._arguments()
        params = None
        if self.at("(") and not distinct and not order_by:
            params = args
            distinct, args, order_by = self._arguments()
        within: tuple[ast.OrderExpr, ...] = ()
        if self.at_words("WITHIN", "GROUP"):
            self.advance()
            self.advance()
            self.expect("(")
            within = self.order_by()
            self.expect(")")
        filter_expr = None
        if self.at_word("FILTER") and self.peek(1).text == "(":
            self.advance()
            self.advance()
            self.expect_word("WHERE")
            filter_expr = self.expression()
            self.expect(")")
        call = ast.Call(
            name.text, args, params, distinct, order_by, filter_expr, within, start=name.start, end=self.last_end
        )
        if not self.at_word("OVER"):
            return call
        self.advance()
        if self.take("("):
            over: ast.WindowExpr | str = self.window()
            self.expect(")")
        else:
            over = self.expect_name()
        return ast.WindowFunction(call, over, start=name.start, end=self.last_end)

    def _arguments(self) -> tuple[bool, tuple[ast.Expr, ...], tuple[ast.OrderExpr, ...]]:
        self.expect("(")
        distinct = self.at_word("DISTINCT") and self.peek(1).text not in (")", ",", ".")
        if distinct:
            self.advance()
        args: list[ast.Expr] = []
        order_by: tuple[ast.OrderExpr, ...] = ()
        while not self.take(")"):
            if self.at_words("ORDER", "BY"):
                order_by = self.order_by()
                self.expect(")")
                break
            args.append(self._item())
            if self.at_words("ORDER", "BY"):
                continue
            if not self.take(","):
                self.expect(")")
                break
        return distinct, tuple(args), order_by


_SET_WORDS = frozenset(("UNION", "INTERSECT", "EXCEPT", "ORDER", "LIMIT", "OFFSET"))
_SPECIAL: dict[str, Callable[[ExpressionParser, Token, bool], ast.Expr | None]] = {
    "NOT": ExpressionParser._not,
    "CASE": ExpressionParser._case,
    "CAST": ExpressionParser._cast,
    "TRY_CAST": ExpressionParser._cast,
    "INTERVAL": ExpressionParser._interval,
    "TRIM": ExpressionParser._trim,
    "ARRAY": ExpressionParser._array,
    "LAMBDA": ExpressionParser._lambda_word,
    "COLUMNS": ExpressionParser._columns_word,
    "DATE": ExpressionParser._refused_literal,
    "TIMESTAMP": ExpressionParser._refused_literal,
}
