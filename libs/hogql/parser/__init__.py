"""Tokens -> tree: recursive descent for clauses, precedence climbing for expressions. Linear in the text.

cursor.py       where we are in the text; what is expected; the depth limit
names.py        which words may be names, and where
expressions.py  everything with a value
tags.py         HogQLX
select.py       queries and their clauses
"""

from libs.hogql import ast
from libs.hogql.errors import HogQLError
from libs.hogql.parser.cursor import deep_recursion
from libs.hogql.parser.select import SelectParser

__all__ = ["parse_expr", "parse_select"]


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
