"""Where the parser is in the text, and how it complains."""

import sys
import threading
from typing import NoReturn

from libs.hogql.errors import HogQLSyntaxError, TooComplex
from libs.hogql.lexer import EOF, NAME, QUOTED, Lexer, Token, made
from libs.hogql.words import HARD, RESERVED_ALIASES

MAX_DEPTH = 250
MAX_CHAIN = 1_000
MAX_HEIGHT = 1_250  # of the whole tree: chains lean to the left, and may stand in each other

# Each level of a tree costs every pass a few Python frames (on the heap since 3.11); the limits above bound them. What
# recurses in C counts against the same limit, and at 30,000 a nested JSON body ends the process: so there is room here
# for this many, no more, and only while a query is compiled.
_FRAMES = 8_000
_MOST_DEPTH = MAX_DEPTH  # an int of C in cursor.pxd, which hides it from Python
_LONGEST_INDEX = 18  # digits
_KEPT = 64  # tokens that were taken, before they are let go: Token's free list is as long
_lock = threading.Lock()
_inside: list[int] = []  # the limit to go back to, once for each caller inside


class deep_recursion:  # noqa: N801  (a context manager, read as a verb)
    """Room for the deepest tree that the limits allow, for as long as it takes: outside, the interpreter's own limit
    holds, which keeps what recurses in C off the end of the stack. Running out all the same is an error of the tree."""

    def __enter__(self) -> None:
        with _lock:
            now = sys.getrecursionlimit()
            _inside.append(_inside[0] if _inside else now)
            if now < _FRAMES:
                sys.setrecursionlimit(_FRAMES)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: object) -> None:
        with _lock:
            limit = _inside.pop()
            if not _inside and limit != _FRAMES:
                sys.setrecursionlimit(limit)
        if isinstance(error, RecursionError):
            raise TooComplex("input too deeply nested", start=0) from None


class Cursor:
    """Tokens on demand, with look-ahead, from `start` on; `seek` starts over at an offset (after a tag).

    `here` is the token that comes next, `last_end` where the one before it ended.
    """

    def __init__(self, text: str, start: int = 0, depth: int = 0):
        self.lexer = Lexer(text)
        self.text = text
        self.depth = depth
        self.height = 0
        self.last_end = start
        self.here = self.lexer.token(start, None)
        self.later: list[Token] = []  # read ahead, from `index` on; what lies before is taken
        self.index = 0

    def peek(self, ahead: int) -> Token:
        """The token that stands so many behind the next one."""
        if ahead == 0:
            return self.here
        wanted, later = self.index + ahead - 1, self.later
        while len(later) <= wanted:
            last = later[len(later) - 1] if len(later) > self.index else self.here
            if last.kind is EOF:
                return last
            later.append(self.lexer.token(last.end, last))
        return later[wanted]

    def advance(self) -> Token:
        """Take the next token."""
        token, later = self.here, self.later
        if self.index < len(later):
            self.here = later[self.index]
            self.index += 1
            if self.index == _KEPT and len(later) == _KEPT:
                later.clear()
                self.index = 0
        elif token.kind is not EOF:
            self.here = self.lexer.token(token.end, token)
        self.last_end = token.end
        return token

    def seek(self, offset: int) -> None:
        """Go on at `offset`, forgetting tokens read ahead."""
        end = made("op", ")", offset, offset, "")  # what precedes is a value
        end.sign = ")"
        self.here = self.lexer.token(offset, end)
        self.later.clear()
        self.index = 0
        self.last_end = offset

    def at(self, sign: str) -> bool:
        """Whether this sign, of one character, comes next."""
        return self.here.sign == sign

    def at_word(self, word: str) -> bool:
        """Whether this word comes next."""
        return self.here.word is word

    def at_words(self, first: str, second: str) -> bool:
        """Whether these words come next, in this order."""
        return self.here.word is first and self.peek(1).word is second

    def take(self, sign: str) -> bool:
        """Take this sign if it comes next."""
        if self.here.sign != sign:
            return False
        self.advance()
        return True

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

    def expect(self, sign: str) -> None:
        """Take this sign or complain."""
        if not self.take(sign):
            self.fail(f"'{sign}'", self.here)

    def expect_word(self, word: str) -> None:
        """Take this word or complain."""
        if not self.take_word(word):
            self.fail(word, self.here)

    def expect_name(self) -> str:
        """A name, quoted or not."""
        token = self.here
        if token.kind is QUOTED or (token.kind is NAME and token.word not in HARD):
            self.advance()
            return token.text
        return self.fail("a name", token)

    def index_of(self, token: Token) -> int:
        """The number of a place, which has been taken: `.1`, `#1`."""
        if not token.text.isdigit():
            self.fail("a place", token)
        if len(token.text) > _LONGEST_INDEX:
            raise TooComplex("This number has too many digits.", start=token.start, end=token.end)
        return int(token.text)

    def expect_alias(self) -> str:
        """A name that something may be given."""
        token = self.here
        return self._allowed(self.expect_name(), token)

    def expect_column_alias(self) -> str:
        """A name that a value is given after AS; a string will do too."""
        token = self.here
        return self._allowed(self.advance().text if token.kind == "string" else self.expect_name(), token)

    def _allowed(self, name: str, token: Token) -> str:
        if name.lower() in RESERVED_ALIASES:
            raise HogQLSyntaxError(
                f'"{name}" cannot be an alias or identifier, as it\'s a reserved keyword',
                start=token.start,
                end=token.end,
                hint="Choose another name.",
            )
        return name

    def fail(self, expected: str, token: Token) -> NoReturn:
        """Complain about a token, unless the text holds a character that is no token at all."""
        if stray := self.lexer.first_stray(token.end):
            raise stray
        if token.sign == "}":
            raise HogQLSyntaxError("Unmatched curly bracket", start=token.start, end=token.end)
        shown = "<EOF>" if token.kind is EOF else self.text[token.start : token.end][:60]
        if token.kind is EOF:
            raise HogQLSyntaxError(f"mismatched input '<EOF>' expecting {expected}", start=token.start)
        raise HogQLSyntaxError(f"mismatched input '{shown}' expecting {expected}", start=token.start, end=token.end)

    def enter(self) -> None:
        """One level further down; whoever enters counts `depth` down again, unless it fails."""
        self.depth += 1
        if self.depth > _MOST_DEPTH:
            raise TooComplex("input too deeply nested", start=self.here.start)
