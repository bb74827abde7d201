"""Where the parser is in the text, and how it complains."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from libs.hogql.errors import HogQLSyntaxError, TooComplex
from libs.hogql.lexer import Lexer, Token
from libs.hogql.parser import names

MAX_DEPTH = 250
MAX_CHAIN = 2_500

# Each level of a tree costs every pass a few Python frames (on the heap since 3.11); the limits above bound them. What
# recurses in C counts against the same limit, and at 30,000 a nested JSON body ends the process: so there is room here
# for this many, no more, and only while a query is compiled.
_FRAMES = 8_000
_lock = threading.Lock()
_inside: list[int] = []  # the limit to go back to, once for each caller inside


@contextmanager
def deep_recursion() -> Iterator[None]:
    """Room for the deepest tree that the limits allow. Running out all the same is an error of the tree."""
    with _lock:
        _inside.append(_inside[0] if _inside else sys.getrecursionlimit())
        sys.setrecursionlimit(max(_FRAMES, sys.getrecursionlimit()))
    try:
        yield
    except RecursionError:
        raise TooComplex("input too deeply nested", start=0) from None
    finally:
        with _lock:
            limit = _inside.pop()
            if not _inside:
                sys.setrecursionlimit(limit)


class Cursor:
    """Tokens on demand, with look-ahead; `seek` starts over at an offset (after a tag)."""

    def __init__(self, text: str):
        self.lexer = Lexer(text)
        self.text = text
        self.tokens: list[Token] = []
        self.index = 0
        self.depth = 0
        self.last_end = 0

    def peek(self, ahead: int = 0) -> Token:
        """The token that comes next, or one after it."""
        wanted = self.index + ahead
        tokens = self.tokens
        while len(tokens) <= wanted:
            previous = tokens[-1] if tokens else None
            if previous is not None and previous.kind == "eof":
                return previous
            tokens.append(self.lexer.token(previous.end if previous else self.last_end, previous))
        return tokens[wanted]

    def advance(self) -> Token:
        """Take the next token."""
        token = self.peek()
        if token.kind != "eof":
            self.index += 1
        self.last_end = token.end
        return token

    def seek(self, offset: int) -> None:
        """Go on at `offset`, forgetting tokens read ahead."""
        del self.tokens[self.index :]
        end = Token("op", ")", offset, offset)  # what precedes is a value
        self.tokens.append(end)
        self.index += 1
        self.last_end = offset

    def at(self, *texts: str) -> bool:
        """Whether one of these signs comes next."""
        token = self.peek()
        return token.kind == "op" and token.text in texts

    def at_word(self, *words: str) -> bool:
        """Whether these words come next, in this order."""
        return all(self.peek(i).word == word for i, word in enumerate(words))

    def take(self, *texts: str) -> Token | None:
        """Take one of these signs if it comes next."""
        return self.advance() if self.at(*texts) else None

    def take_word(self, *words: str) -> bool:
        """Take these words, in this order, if they come next."""
        if not self.at_word(*words):
            return False
        for _ in words:
            self.advance()
        return True

    def expect(self, text: str) -> Token:
        """Take this sign or complain."""
        return self.take(text) or self.fail(f"'{text}'")

    def expect_word(self, *words: str) -> None:
        """Take these words or complain."""
        for word in words:
            if not self.take_word(word):
                self.fail(word)

    def expect_name(self) -> str:
        """A name, quoted or not."""
        token = self.peek()
        if token.kind == "quoted" or (token.kind == "name" and names.may_be_name(token.word)):
            return self.advance().text
        return self.fail("a name")

    def expect_alias(self) -> str:
        """A name that something may be given; a string will do too."""
        token = self.peek()
        name = self.advance().text if token.kind == "string" else self.expect_name()
        if name.lower() in names.RESERVED_ALIASES:
            raise HogQLSyntaxError(
                f'"{name}" cannot be an alias or identifier, as it\'s a reserved keyword',
                start=token.start,
                end=token.end,
                hint="Choose another name.",
            )
        return name

    def fail(self, expected: str, token: Token | None = None) -> NoReturn:
        """Complain about the next token, unless the text holds a character that is no token at all."""
        token = token or self.peek()
        if stray := self.lexer.first_stray(token.end):
            raise stray
        if token.kind == "op" and token.text == "}":
            raise HogQLSyntaxError("Unmatched curly bracket", start=token.start, end=token.end)
        shown = "<EOF>" if token.kind == "eof" else self.text[token.start : token.end][:60]
        if token.kind == "eof":
            raise HogQLSyntaxError(f"mismatched input '<EOF>' expecting {expected}", start=token.start)
        raise HogQLSyntaxError(f"mismatched input '{shown}' expecting {expected}", start=token.start, end=token.end)

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """One level further down."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooComplex("input too deeply nested", start=self.peek().start)
        yield
        self.depth -= 1
