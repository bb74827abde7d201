"""What an operator may stand beside: literals, names, brackets, templates, lambdas."""

import math

from libs.hogql import ast
from libs.hogql.ast import ArithmeticOperation, Constant, Field
from libs.hogql.errors import HogQLSyntaxError, NotSupported, TooComplex
from libs.hogql.lexer import EOF, NAME, OP, QUOTED, Token
from libs.hogql.parser.cursor import MAX_CHAIN
from libs.hogql.parser.forms import FormParser
from libs.hogql.parser.levels import NEGATE, OR, TERNARY
from libs.hogql.words import HARD, STOPPERS

_WORD_CONSTANTS = {"TRUE": True, "FALSE": False, "NULL": None, "INF": math.inf, "INFINITY": math.inf, "NAN": math.nan}
_SET_WORDS = frozenset(("UNION", "INTERSECT", "EXCEPT", "ORDER", "LIMIT", "OFFSET"))

_QUERIES = (ast.SelectQuery, ast.SelectSetQuery, ast.Placeholder)


class OperandParser(FormParser):
    """See the module."""

    def operand(self) -> ast.Expr:
        token = self.here
        kind = token.kind
        if kind is NAME:
            return self._word_operand(token)
        if kind is OP:
            return self._sign_operand(token)
        if kind is QUOTED:
            return self._named()
        if kind == "template":
            return self._template()
        if kind is EOF:
            self.fail("an expression", token)
        self.advance()
        if kind == "string":
            return Constant(token.text, start=token.start, end=token.end)
        if kind == "positional":
            return ast.PositionalRef(self.index_of(token), start=token.start, end=token.end)
        return self._number(token, 1, token.start)

    def _sign_operand(self, token: Token) -> ast.Expr:
        start = token.start
        if token.sign == "(":
            return self._parenthesised()
        if token.sign == "[":
            self.advance()
            return ast.Array(self.expressions("]"), start=start, end=self.last_end)
        if token.sign == "{":
            return self.braces()
        if token.sign == "*":
            return self._star()
        if token.sign in "-+":
            return self._signed()
        if self.at_tag():
            return self.tag()
        return self.fail("an expression", token)

    def _signed(self) -> ast.Expr:
        sign = self.advance()
        following = self.here
        if following.kind in ("int", "float"):
            self.advance()
            return self._number(following, -1 if sign.sign == "-" else 1, sign.start)
        if following.word in ("INF", "INFINITY", "NAN"):
            self.advance()
            value = float(following.word) * (-1 if sign.sign == "-" else 1)
            return Constant(value, start=sign.start, end=following.end)
        if sign.sign == "+":
            self.fail("a number", self.here)
        zero = Constant(0, start=sign.start, end=sign.end)
        return ArithmeticOperation("-", zero, self.expression(NEGATE + 1), start=sign.start, end=self.last_end)

    def _number(self, token: Token, sign: int, start: int) -> ast.Constant:
        text = token.text
        if token.kind == "float":
            try:
                value: int | float = float.fromhex(text) if text[:2] in ("0x", "0X") else float(text)
            except OverflowError:  # of fromhex only; float makes it infinite
                value = math.inf
            if math.isinf(value):
                raise HogQLSyntaxError(f"This number is too large: {text[:30]}", start=start, end=token.end)
            return Constant(value * sign, start=start, end=token.end)
        if len(text) > 80 and text[:2].lower() != "0b":
            raise TooComplex("This number has too many digits.", start=start, end=token.end)
        base = {"0x": 16, "0b": 2}.get(text[:2].lower(), 10) if len(text) > 2 else 10
        return Constant(int(text, base) * sign, start=start, end=token.end)

    def _word_operand(self, token: Token) -> ast.Expr:
        word = token.word
        if word == "":
            return self._named()
        after = self.peek(1)
        called = after.sign == "("
        if word in _WORD_CONSTANTS and not (called and word in ("TRUE", "FALSE")):
            self.advance()
            return Constant(_WORD_CONSTANTS[word], start=token.start, end=token.end)
        form = self.form(token, called)
        if form is not None:
            return form
        stops = word in STOPPERS and not called and not self.stands_as_name(token)
        if stops or word in HARD:
            self.fail("an expression", self.here)
        return self._named()

    def _named(self) -> ast.Expr:
        token = self.advance()
        after = self.here
        if after.kind is OP:
            if after.sign == "(":
                return self.call(token)
            if after.sign == ".":
                return self._dotted(token)
            if after.text == "->":
                return self._lambda_body((token.text,), token.start)
        return Field((token.text,), start=token.start, end=token.end)

    def _dotted(self, token: Token) -> ast.Expr:
        # all steps that are plain names at once; the others are operators
        chain = [token.text]
        while self.here.sign == "." and len(chain) < MAX_CHAIN:
            after = self.peek(1)
            if after.kind is not QUOTED and (after.kind is not NAME or after.word in HARD):
                break
            self.advance()
            self.advance()
            chain.append(after.text)
        return Field(tuple(chain), start=token.start, end=self.last_end)

    def _star(self) -> ast.Expr:
        token = self.advance()
        if self.at_word("EXCLUDE") and self.peek(1).sign == "(":
            excluded = self.excluded_names()
            return ast.ColumnsExpr(all_columns=True, exclude=excluded, start=token.start, end=self.last_end)
        if self.at_word("COLUMNS"):
            raise NotSupported("Spreading COLUMNS is only for the arguments of a call.", start=token.start)
        return Field(("*",), start=token.start, end=token.end)

    def _parenthesised(self) -> ast.Expr:
        if (args := self._lambda_arguments()) is not None:
            return self._lambda_body(args, self.last_end)
        start = self.advance().start
        if self.at_query():
            query = self.set_query()
            self.expect(")")
            return query
        first = self.expression(0)
        if isinstance(first, _QUERIES) and self.here.word in _SET_WORDS:
            query = self.set_query_from(first)
            self.expect(")")
            return query
        if not self.take(","):
            self.expect(")")
            return first
        items = (first, *self.expressions(")"))
        return ast.Tuple(items, start=start, end=self.last_end)

    def _lambda_arguments(self) -> tuple[str, ...] | None:
        ahead, args = 1, []
        while self.peek(ahead).kind in ("name", "quoted"):
            args.append(self.peek(ahead).text)
            ahead += 1
            if self.peek(ahead).sign != ",":
                break
            ahead += 1
        if self.peek(ahead).sign != ")" or self.peek(ahead + 1).text != "->":
            return None
        for _ in range(ahead + 1):
            self.advance()
        return tuple(args)

    def _lambda_body(self, args: tuple[str, ...], start: int) -> ast.Expr:
        self.advance()  # the arrow
        if self.at("{"):
            opened = self.here
            end = self.lexer.closing_brace(opened.end)
            inner = self.peek(1)
            if inner.word in ("RETURN", "LET", "IF", "FOR", "WHILE", "FN", "FUN", "THROW", "TRY"):
                raise NotSupported("You can not use blocks in HogQL", start=opened.start, end=end + 1)
        return ast.Lambda(args, self.expression(TERNARY), start=start, end=self.last_end)

    def braces(self) -> ast.Expr:
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
            items.append((key, self.expression(0)))
            if not self.take(","):
                self._close_brace(start)
                break
        return ast.Dict(tuple(items), start=start, end=self.last_end)

    def _rest_of_ternary(self, condition: ast.Expr) -> ast.Expr:
        self.expect("?")
        then = self.expression(0)
        self.expect(":")
        return ast.TernaryExpr(condition, then, self.expression(TERNARY), start=condition.start, end=self.last_end)

    def _close_brace(self, start: int) -> None:
        if self.here.kind is EOF:
            raise HogQLSyntaxError("Unmatched curly bracket", start=start, end=start + 1, hint="Add }.")
        self.expect("}")

    def _template(self) -> ast.Expr:
        token = self.advance()
        parts: list[ast.Expr] = []
        for part in token.parts:
            if isinstance(part, str):
                parts.append(Constant(part, start=token.start, end=token.end))
                continue
            value, _ = self.inside(part[0]).up_to_brace()
            parts.append(value)
        if not parts:
            return Constant("", start=token.start, end=token.end)
        if len(parts) == 1:
            return parts[0]
        return ast.Concat(tuple(parts), start=token.start, end=token.end)
