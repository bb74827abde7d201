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
MAX_CHAIN = 1_000

# Each level of a tree costs every pass a few Python frames (on the heap since 3.11); the limits above bound them. What
# recurses in C counts against the same limit, and at 30,000 a nested JSON body ends the process: so there is room here
# for this many, no more, and only while a query is compiled.
_FRAMES = 8_000
_lock = threading.Lock()
_inside: list[int] = []  # the limit to go back to, once for each caller inside


@contextmanager
def deep_recursion() -> Iterator[None]:
    """Room for the deepest tree that the limits allow, for as long as it takes: outside, the interpreter's own limit
    holds, which keeps what recurses in C off the end of the stack. Running out all the same is an error of the tree."""
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
        wanted, tokens = self.index + ahead, self.tokens
        if wanted < len(tokens):
            return tokens[wanted]
        while len(tokens) <= wanted:
            if tokens and tokens[-1].kind == "eof":
                return tokens[-1]
            self.lexer.fill(tokens, tokens[-1].end if tokens else self.last_end)
        return tokens[wanted]

    def advance(self) -> Token:
        """Take the next token."""
        tokens, index = self.tokens, self.index
        token = tokens[index] if index < len(tokens) else self.peek()
        if token.kind != "eof":
            self.index = index + 1
        self.last_end = token.end
        return token

    def seek(self, offset: int) -> None:
        """Go on at `offset`, forgetting tokens read ahead."""
        del self.tokens[self.index :]
        end = Token("op", ")", offset, offset)  # what precedes is a value
        self.tokens.append(end)
        self.index += 1
        self.last_end = offset

    def at(self, text: str) -> bool:
        """Whether this sign comes next."""
        token = self.tokens[self.index] if self.index < len(self.tokens) else self.peek()
        return token.text == text and token.kind == "op"

    def at_word(self, word: str) -> bool:
        """Whether this word comes next."""
        token = self.tokens[self.index] if self.index < len(self.tokens) else self.peek()
        return token.word == word

    def at_words(self, first: str, second: str) -> bool:
        """Whether these words come next, in this order."""
        return self.at_word(first) and self.peek(1).word == second

    def take(self, text: str) -> Token | None:
        """Take this sign if it comes next."""
        return self.advance() if self.at(text) else None

    def take_word(self, word: str) -> bool:
        """Take this word if it comes next."""
        if not self.at_word(word):
            return False
        self.advance()
        return True

    def take_words(self, first: str, second: str) -> bool:
        """Take these words, in this order, if they come next."""
        if not self.at_words(first, second):
            return False
        self.advance()
        self.advance()
        return True

    def expect(self, text: str) -> Token:
        """Take this sign or complain."""
        return self.take(text) or self.fail(f"'{text}'")

    def expect_word(self, word: str) -> None:
        """Take this word or complain."""
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
