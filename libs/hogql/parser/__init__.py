"""Tokens -> tree: recursive descent for clauses, precedence climbing for expressions. Linear in the text.

build.py        compiled, or the same source in plain Python
cursor.py       where we are in the text; what is expected; the limits
tags.py         HogQLX
calls.py        lists and calls
forms.py        CASE, CAST, INTERVAL and the like
operands.py     what operators stand beside
expressions.py  operators; levels.py, how tightly they bind
tables.py       FROM
clauses.py      what comes behind it
select.py       whole queries

Each .pxd gives the C types of the .py beside it; nothing else differs between the two builds.
"""

from libs.hogql import ast
from libs.hogql.errors import HogQLError
from libs.hogql.parser.build import prepare

#: Which build serves: "cython" or "python".
CHOSEN = prepare()

from libs.hogql.parser.cursor import deep_recursion  # noqa: E402  (once the build is chosen)
from libs.hogql.parser.select import SelectParser  # noqa: E402

__all__ = ["CHOSEN", "parse_expr", "parse_select"]


def parse_select(text: str) -> ast.Query:
    """A whole query, with one `;` at its end if you like. Raises HogQLSyntaxError with line and column."""
    try:
        with deep_recursion():
            return SelectParser(text).whole_query()
    except HogQLError as error:
        raise error.located(text) from None


def parse_expr(text: str) -> ast.Expr:
    """One expression. Raises HogQLSyntaxError with line and column."""
    try:
        with deep_recursion():
            return SelectParser(text).whole_expression()
    except HogQLError as error:
        raise error.located(text) from None
