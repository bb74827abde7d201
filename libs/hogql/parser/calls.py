"""Lists and calls: what stands between brackets and commas."""

from libs.hogql import ast
from libs.hogql.ast import Call
from libs.hogql.errors import NotSupported
from libs.hogql.lexer import EOF, NAME, OP, QUOTED, Token
from libs.hogql.parser.tags import TagParser
from libs.hogql.words import AFTER_A_NAME, STOPPERS

_QUERIES = (ast.SelectQuery, ast.SelectSetQuery, ast.Placeholder)
# Not ORDER: behind an argument, even a query, it belongs to the call.
_AFTER_A_BRANCH = frozenset(("UNION", "INTERSECT", "EXCEPT", "LIMIT", "OFFSET"))


class CallParser(TagParser):
    """See the module."""

    def set_query(self) -> ast.Query:
        """See select.py."""
        raise NotImplementedError

    def set_query_from(self, first: ast.Query) -> ast.Query:
        """See select.py."""
        raise NotImplementedError

    def order_by(self) -> tuple[ast.OrderExpr, ...]:
        """See clauses.py."""
        raise NotImplementedError

    def window(self) -> ast.WindowExpr:
        """See clauses.py."""
        raise NotImplementedError

    def expressions(self, close: str) -> tuple[ast.Expr, ...]:
        """A comma list up to and with `close`; a comma may stand at its end."""
        items: list[ast.Expr] = []
        while not self.take(close):
            items.append(self.item())
            if not self.take(","):
                self.expect(close)
                break
        return tuple(items)

    def one_or_more(self) -> tuple[ast.Expr, ...]:
        """A comma list that no bracket closes; a comma may stand at its end."""
        items = [self.expression(0)]
        while self.take(","):
            if self.ends_list():
                break
            items.append(self.expression(0))
        return tuple(items)

    def item(self) -> ast.Expr:
        token = self.here
        if token.word and self.at_query():
            return self.set_query()
        if (token.kind is NAME or token.kind is QUOTED) and self.peek(1).text == ":=":
            self.advance()
            self.advance()
            value = self.expression(0)
            return ast.NamedArgument(token.text, value, start=token.start, end=self.last_end)
        if token.sign == "*" and self.peek(1).word == "COLUMNS":
            self.advance()
            return ast.SpreadExpr(self.expression(0), start=token.start, end=self.last_end)
        value = self.expression(0)
        if self.here.word in _AFTER_A_BRANCH and isinstance(value, _QUERIES):
            return self.set_query_from(value)
        return value

    def at_query(self) -> bool:
        if self.at_word("SELECT"):
            after = self.peek(1)
            return after.sign not in "),.=" and after.text != "::" and after.kind is not EOF
        return self.at_word("WITH") and self.peek(1).sign not in "),."

    def ends_list(self) -> bool:
        token = self.here
        if token.kind is OP:
            return token.sign in ")]};"
        if token.kind is EOF:
            return True
        return bool(token.word) and token.word in STOPPERS and not self.stands_as_name(token)

    def stands_as_name(self, token: Token) -> bool:
        after = self.peek(1)
        if token.word in ("GROUP", "ORDER"):
            return after.word != "BY"
        if after.kind is OP:
            # `select a, from <Recent/>`: a tag, not a comparison
            return after.text in AFTER_A_NAME and not (token.word == "FROM" and self.begins_tag(after))
        return after.word in ("FROM", "AS") and token.word not in ("FROM", "AS")

    def name_list(self) -> tuple[str, ...]:
        """Names up to and with a closing bracket."""
        found = [self.expect_name()]
        while self.take(","):
            if self.at(")"):
                break
            found.append(self.expect_name())
        self.expect(")")
        return tuple(found)

    def excluded_names(self) -> tuple[str, ...]:
        self.expect_word("EXCLUDE")
        self.expect("(")
        return self.name_list()

    def call(self, name: Token) -> ast.Expr:
        distinct, args, order_by = self._arguments(name)
        params = None
        if self.at("(") and not distinct and not order_by:
            params = args
            distinct, args, order_by = self._arguments(name)
        within: tuple[ast.OrderExpr, ...] = ()
        if self.at_words("WITHIN", "GROUP"):
            self.advance()
            self.advance()
            self.expect("(")
            within = self.order_by()
            self.expect(")")
        filter_expr = None
        if self.at_word("FILTER") and self.peek(1).sign == "(":
            self.advance()
            self.advance()
            self.expect_word("WHERE")
            filter_expr = self.expression(0)
            self.expect(")")
        call = Call(
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

    def _arguments(self, name: Token) -> tuple[bool, tuple[ast.Expr, ...], tuple[ast.OrderExpr, ...]]:
        self.expect("(")
        distinct = self.at_word("DISTINCT") and self.peek(1).sign not in "),."
        if distinct:
            self.advance()
        args: list[ast.Expr] = []
        order_by: tuple[ast.OrderExpr, ...] = ()
        while not self.take(")"):
            if self.at_words("ORDER", "BY"):
                order_by = self.order_by()
                self.expect(")")
                break
            args.append(self.item())
            if self.at_words("ORDER", "BY"):
                continue
            if not self.take(","):
                if name.word == "SUBSTRING" and self.at_word("FROM"):
                    raise NotSupported(
                        "Unsupported: SUBSTRING with FROM",
                        start=name.start,
                        end=self.here.end,
                        hint="Write substring(text, first, length).",
                    )
                self.expect(")")
                break
        return distinct, tuple(args), order_by
