"""What begins with a word of its own: CASE, CAST, INTERVAL, TRIM, ARRAY, LAMBDA, COLUMNS."""

from libs.hogql import ast
from libs.hogql.ast import Constant, IntervalExpr
from libs.hogql.errors import HogQLSyntaxError, NotSupported
from libs.hogql.lexer import NAME, OP, Token
from libs.hogql.parser.calls import CallParser
from libs.hogql.parser.levels import NOT, TERNARY
from libs.hogql.words import STOPPERS, UNITS

_FORMS = frozenset(
    ("NOT", "CASE", "CAST", "TRY_CAST", "INTERVAL", "TRIM", "ARRAY", "LAMBDA", "COLUMNS", "DATE", "TIMESTAMP")
)


class FormParser(CallParser):
    """See the module. Each form is None if the word turns out to be a name."""

    def form(self, token: Token, called: bool) -> ast.Expr | None:
        """The form that this word begins, if it begins one."""
        word = token.word
        if word not in _FORMS:
            return None
        if word == "NOT":
            return self._not(token)
        if word == "CASE":
            return self._case(token)
        if word == "CAST" or word == "TRY_CAST":
            return self._cast(token, called)
        if word == "INTERVAL":
            return self._interval(token, called)
        if word == "TRIM":
            return self._trim(token, called)
        if word == "ARRAY":
            return self._array(token)
        if word == "LAMBDA":
            return self._lambda_word(token)
        return self._columns_word(token, called) if word == "COLUMNS" else self._refused_literal(token)

    def _not(self, token: Token) -> ast.Expr | None:
        if self.peek(1).sign in ",).=" or self.peek(1).kind == "eof":
            return None
        self.advance()
        return ast.Not(self.expression(NOT), start=token.start, end=self.last_end)

    def _case(self, token: Token) -> ast.Expr | None:
        if self.peek(1).kind is OP and self.peek(1).sign not in "([{-+<":
            return None
        self.advance()
        operand = None if self.at_word("WHEN") else self.expression(0)
        whens: list[tuple[ast.Expr, ast.Expr]] = []
        while self.take_word("WHEN"):
            condition = self.expression(0)
            self.expect_word("THEN")
            whens.append((condition, self.expression(0)))
        if not whens:
            self.fail("WHEN", self.here)
        otherwise = self.expression(0) if self.take_word("ELSE") else None
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
        return ast.TypeCast(expr, type_name, token.word == "TRY_CAST", start=token.start, end=self.last_end)

    def cast_type(self) -> str:
        """A type of one word, or of one with a time zone."""
        text = self.expect_name()
        if self.at_word("WITH") and self.peek(1).word in ("LOCAL", "TIME"):
            self.advance()
            local = self.take_word("LOCAL")
            self.expect_word("TIME")
            self.expect_word("ZONE")
            text += " with local time zone" if local else " with time zone"
        return text.lower()

    def _type_name(self) -> str:
        self.enter()
        text = self.expect_name().lower()
        while self.here.kind is NAME:
            text += " " + self.advance().text.lower()
        if self.take("("):
            inner = []
            while not self.take(")"):
                inner.append(self.advance().text if self.here.kind == "int" else self._type_name())
                if not self.take(","):
                    self.expect(")")
                    break
            text += f"({', '.join(inner)})"
        while self.at("[") and self.peek(1).sign == "]":
            self.advance()
            self.advance()
            text += "[]"
        self.depth -= 1
        return text

    def _interval(self, token: Token, called: bool) -> ast.Expr | None:
        after = self.peek(1)
        if after.kind == "string" and self.peek(2).word not in UNITS:
            self.advance()
            return self._interval_text(self.advance(), token.start)
        begins_value = after.kind in ("int", "float", "string", "quoted", "template") or (
            after.kind is NAME and after.word not in STOPPERS
        )
        begins_value = begins_value or (after.sign in "-+{")
        if not begins_value and not (called and self._unit_follows_bracket()):
            return None
        self.advance()
        expr = self.expression(0)
        if self.here.word not in UNITS:
            self.fail("SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER or YEAR", self.here)
        unit = self.advance().word.lower()
        return IntervalExpr(expr, unit, start=token.start, end=self.last_end)

    def _unit_follows_bracket(self) -> bool:
        depth, ahead = 0, 1
        while True:
            token = self.peek(ahead)
            if token.kind == "eof" or ahead > 1_000:
                return False
            if token.kind is OP:
                depth += (token.sign == "(") - (token.sign == ")")
                if depth == 0:
                    return self.peek(ahead + 1).word in UNITS
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
        if singular.upper() not in UNITS or singular != singular.lower():
            raise NotSupported(f"Unsupported interval unit: {unit}", start=token.start, end=token.end)
        return IntervalExpr(
            Constant(int(count), start=token.start, end=token.end), singular, start=start, end=token.end
        )

    def _trim(self, token: Token, called: bool) -> ast.Expr | None:
        side = self.peek(2).word
        if not called or side not in ("BOTH", "LEADING", "TRAILING") or self.peek(3).kind != "string":
            return None
        for _ in range(3):
            self.advance()
        chars = self.advance().text
        self.expect_word("FROM")
        expr = self.expression(0)
        self.expect(")")
        return ast.TrimExpr(side.lower(), chars, expr, start=token.start, end=self.last_end)

    def _array(self, token: Token) -> ast.Expr | None:
        if self.peek(1).sign != "[":
            return None
        self.advance()
        self.advance()
        return ast.Array(self.expressions("]"), start=token.start, end=self.last_end)

    def _lambda_word(self, token: Token) -> ast.Expr | None:
        if self.peek(1).kind not in ("name", "quoted") or self.peek(2).sign not in ",:":
            return None
        self.advance()
        args = [self.expect_name()]
        while self.take(","):
            args.append(self.expect_name())
        self.expect(":")
        return ast.Lambda(tuple(args), self.expression(TERNARY), start=token.start, end=self.last_end)

    def _columns_word(self, token: Token, called: bool) -> ast.Expr | None:
        if not called:
            return None
        self.advance()
        self.advance()
        regex: str | None = None
        replace: list[tuple[str, ast.Expr]] = []
        exclude: tuple[str, ...] = ()
        if self.here.kind == "string" and self.peek(1).sign == ")":
            regex = self.advance().text
        elif self.at("*"):
            self.advance()
            exclude = self.excluded_names() if self.at_word("EXCLUDE") else ()
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

    def _refused_literal(self, token: Token) -> ast.Expr | None:
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
