"""The tree as JSON and back: PostHog's node names and fields, so that programs need not read HogQL's text.

What its parser folds into calls (CASE, INTERVAL, `?:`, `??`, TRIM, `||`) is a call here too, with `written_as` saying
what it was. What it drops (NULLS LAST, NATURAL, IGNORE NULLS, ...) is a field that its form does not have; such fields
are there only when they say something.

json_writer.py  tree -> JSON      json_reader.py  JSON -> tree
"""

from collections.abc import Mapping
from typing import Any

from libs.hogql import ast
from libs.hogql.errors import HogQLError, QueryError
from libs.hogql.formatter import Formatter
from libs.hogql.json_reader import read
from libs.hogql.json_writer import Positions, Writer
from libs.hogql.parser import parse_expr, parse_select
from libs.hogql.parser.cursor import deep_recursion

_ERRORS = {"HogQLSyntaxError": "SyntaxError", "TooComplex": "SyntaxError", "NotSupported": "NotImplementedError"}


def to_json(tree: ast.Node, text: str | None = None) -> dict[str, Any]:
    """The tree as JSON values. With the text it was read from, each node has `start` and `end`: line (from 1), column
    and offset (from 0, in characters)."""
    with deep_recursion():
        written: dict[str, Any] = Writer(Positions(text) if text is not None else None).visit(tree)
    return written


def from_json(value: Mapping[str, Any]) -> ast.Node:
    """A query or an expression from its JSON form. Raises HogQLError for anything that no HogQL text stands for, so a
    tree that comes in this way has passed every limit and rule of the parser."""
    with deep_recursion():
        tree = read(value)
        try:
            text = Formatter().visit(tree)
            again = parse_select(text) if isinstance(tree, ast.SelectQuery | ast.SelectSetQuery) else parse_expr(text)
        except HogQLError as error:
            raise QueryError(f"This tree is no HogQL: {error.message}") from None
        if again != tree:
            raise QueryError("This tree is no HogQL: it cannot be written down as it is.")
    return tree


def error_form(error: HogQLError, text: str) -> dict[str, Any]:
    """What stands in the place of a tree when there is none."""
    name = type(error).__name__
    places = Positions(text)
    start = min(error.start or 0, len(text))
    end = min(error.end if error.end is not None else len(text), len(text))
    form = {"error": True, "type": _ERRORS.get(name, name), "message": error.message}
    return {**form, "start": places.at(start), "end": places.at(end)}
