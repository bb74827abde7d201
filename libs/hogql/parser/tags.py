"""HogQLX: `<kind name='text' other={expr}>text {expr} <inner/></kind>` as a value."""

import re

from libs.hogql import ast
from libs.hogql.errors import HogQLSyntaxError
from libs.hogql.lexer import Token
from libs.hogql.parser.cursor import Cursor

_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")
_TEXT = re.compile(r"[^<{]+")


class TagParser(Cursor):
    """Reads tags from the text itself, for their content is not made of tokens."""

    def expression(self, least: int) -> ast.Expr:
        """See expressions.py."""
        raise NotImplementedError

    def inside(self, start: int) -> "TagParser":
        """A parser like this one for what begins at `start`, as deep as this one is."""
        return type(self)(self.text, start, self.depth)

    def up_to_brace(self) -> tuple[ast.Expr, int]:
        """An expression and where the brace ends that closes it. Nothing is read behind it: it need not be tokens."""
        value = self.expression(0)
        if not self.at("}"):
            self.fail("'}'", self.here)
        return value, self.here.end

    def at_tag(self) -> bool:
        """Whether the `<` that comes next begins a tag; asked only where a value is expected."""
        return self.begins_tag(self.here)

    def begins_tag(self, token: Token) -> bool:
        return token.sign == "<" and _NAME.match(self.text, token.end) is not None

    def tag(self) -> ast.HogQLXTag:
        """A tag and everything in it."""
        node, end = self._tag_at(self.here.start)
        self.seek(end)
        return node

    def _tag_at(self, start: int) -> tuple[ast.HogQLXTag, int]:
        self.enter()
        kind, position = self._tag_name(start + 1)
        attributes: list[tuple[str, ast.Expr]] = []
        position = self.lexer.skip(position)
        while not self.text.startswith(("/>", ">"), position):
            name, position = self._tag_name(position)
            value, position = self._attribute(position)
            attributes.append((name, value))
            position = self.lexer.skip(position)
        if self.text.startswith("/>", position):
            end = position + 2
        else:
            children, end = self._children(kind, position + 1)
            if children:
                attributes.append(("children", ast.Array(tuple(children), start=start, end=end)))
        self.depth -= 1
        return ast.HogQLXTag(kind, tuple(attributes), start=start, end=end), end

    def _tag_name(self, position: int) -> tuple[str, int]:
        match = _NAME.match(self.text, position)
        if match is None:
            raise HogQLSyntaxError("A name was expected in this tag.", start=position)
        return match.group(), match.end()

    def _attribute(self, position: int) -> tuple[ast.Expr, int]:
        after = self.lexer.skip(position)
        if not self.text.startswith("=", after):
            return ast.Constant(True, start=position, end=position), position
        start = self.lexer.skip(after + 1)
        if self.text.startswith("{", start):
            return self._braced(start)
        token = self.lexer.token(start, None)
        if token.kind != "string":
            raise HogQLSyntaxError("A string or {expression} was expected.", start=start)
        return ast.Constant(token.text, start=token.start, end=token.end), token.end

    def _braced(self, start: int) -> tuple[ast.Expr, int]:
        return self.inside(start + 1).up_to_brace()

    def _children(self, kind: str, position: int) -> tuple[list[ast.Expr], int]:
        children: list[ast.Expr] = []
        while True:
            if position >= len(self.text):
                raise HogQLSyntaxError(f"The tag {kind} is not closed.", start=position, hint=f"Add </{kind}>.")
            if text := _TEXT.match(self.text, position):
                if text.group().strip():
                    children.append(ast.Constant(text.group(), start=position, end=text.end()))
                position = text.end()
            elif self.text.startswith("{", position):
                child, position = self._braced(position)
                children.append(child)
            elif self.text.startswith("</", position):
                return children, self._closing(kind, position)
            else:
                tag, position = self._tag_at(position)
                children.append(tag)

    def _closing(self, kind: str, position: int) -> int:
        name, after = self._tag_name(position + 2)
        if name != kind:
            raise HogQLSyntaxError(
                f"Opening and closing HogQLX tags must match. Got {kind} and {name}", start=position, end=after
            )
        end = self.lexer.skip(after)
        if not self.text.startswith(">", end):
            raise HogQLSyntaxError("This tag is not closed.", start=position, hint="Add >.")
        return end + 1
