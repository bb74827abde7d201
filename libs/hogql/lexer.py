# cython: boundscheck=False, wraparound=False
"""Text -> tokens, made one at a time. Compiled when there is a compiler (lexer.pxd has the C types); also plain Python.

The parser asks for tokens as it goes, because what follows depends on where it is: `<b>it's</b>` is a tag where a value
is expected, and its text has no tokens; after a value the same `<` compares.
"""

import re

from libs.hogql.errors import HogQLSyntaxError, TooComplex
from libs.hogql.words import BEFORE_A_VALUE, LONGEST_WORD, WORDS

MAX_LENGTH = 200_000
MAX_TOKENS = 60_000
MAX_TEMPLATE_DEPTH = 20  # a template string is read once for each one around it

# Unicode's White_Space and the byte order mark. U+200B is not among them and is refused by name.
_SPACE = r"[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]"
_SKIP = re.compile(rf"(?:{_SPACE}+|--[^\n]*|//[^\n]*|#(?![0-9])[^\n]*|/\*.*?\*/)*", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_NUMBER = re.compile(
    r"0[xX][0-9a-fA-F]+(?P<hex_float>(?:\.[0-9a-fA-F]*)?[pP][+-]?\d+)?"
    r"|0[bB][01]+"
    r"|(?P<float>\d+\.\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)"
    r"|\d+",
    re.ASCII,
)
_DIGITS = re.compile(r"\d+", re.ASCII)
_OTHER_BASE = re.compile(r"0[oObB]\d*", re.ASCII)
_HEX_ESCAPE = re.compile(r"\\x[0-9a-fA-F]{2}")
_OPERATOR = re.compile(r"<=>|=~\*|!~\*|<>|<=|>=|==|!=|=~|!~|~\*|\|\||\?\?|\?\.|::|:=|->|[-+*/%=<>~?:.,()\[\]{};]")
_PAIRS = frozenset(("!=", "<=", ">=", "<>", "==", "||", "::", "->", "??", ":="))  # the common ones, none of them longer
_ESCAPES = {"b": "\b", "f": "\f", "r": "\r", "n": "\n", "t": "\t", "0": "", "a": "\a", "v": "\v", "\\": "\\"}
_STRING_STOP = re.compile(r"['\\{]")
# Under names of their own, for lexer.pxd gives these C types, which hides them from Python.
_MOST_TOKENS, _LONGEST_WORD, _WORDS = MAX_TOKENS, LONGEST_WORD, WORDS
_BEFORE_A_VALUE = BEFORE_A_VALUE
_STEPPED_FROM = frozenset(("name", "quoted", "int", "string", "template", "positional"))


# The kinds that the parser asks for at every step: it compares them by identity, for they are always these objects.
NAME, QUOTED, OP, EOF = "name", "quoted", "op", "eof"


class Token:
    """`kind` is name, quoted, string, template, int, float, positional, op or eof. `text` is what was written, for a
    name as it stands and for strings without quotes and escapes; `sign` is an operator of one character, else NUL;
    `word` is the name in capitals, if it means something to the parser: always the same object for the same word."""

    __slots__ = ("end", "kind", "parts", "sign", "start", "text", "word")

    kind: str
    text: str
    sign: str
    start: int
    end: int
    word: str
    parts: tuple[str | tuple[int, int], ...]


def made(kind: str, text: str, start: int, end: int, word: str) -> Token:
    """A token. There is no constructor: compiled, its arguments would be packed into a tuple first."""
    token = Token.__new__(Token)
    token.kind, token.text, token.start, token.end, token.word = kind, text, start, end, word
    token.sign = "\0"
    token.parts = ()
    return token


def signed(sign: str, start: int) -> Token:
    """The token of an operator of one character."""
    token = made("op", sign, start, start + 1, "")
    token.sign = sign
    return token


class Lexer:
    """Tokens from any position of one text."""

    def __init__(self, text: str):
        if len(text) > MAX_LENGTH:
            raise TooComplex(f"The query is longer than {MAX_LENGTH:,} characters.", start=MAX_LENGTH)
        self.text = text
        self.length = len(text)
        self.made = 0
        self._inside = 0

    def token(self, position: int, previous: Token | None) -> Token:
        """The token at or after `position`. `previous` decides whether `.1` is a number or a step into a tuple."""
        self.made += 1
        if self.made > _MOST_TOKENS:
            raise TooComplex(f"The query has more than {MAX_TOKENS:,} words and signs.", start=position)
        text, length = self.text, self.length
        while position < length:
            char = text[position]
            if char not in " \n\t\r":
                break
            position += 1
        else:
            return made("eof", "", length, length, "")
        if "a" <= char <= "z" or "A" <= char <= "Z" or char == "_" or char == "$":
            if char == "f" and position + 1 < length and text[position + 1] == "'":
                return self._nested_template(position)
            return self._name(position)
        if char in "(),[]{};+%*" or (char in ".=<>-/:?~" and not self._goes_on(position + 1)):
            return signed(char, position)
        return self._plain_value(position, previous)

    def _goes_on(self, position: int) -> bool:
        # what follows a sign that may be the first of several, or begin a comment or a number
        return position < self.length and self.text[position] in "=<>-/:?~*.0123456789"

    def _name(self, start: int) -> Token:
        text, length, end, capitals = self.text, self.length, start, False
        while end < length:
            char = text[end]
            if "a" <= char <= "z" or char == "_" or "0" <= char <= "9" or char == "$":
                end += 1
            elif "A" <= char <= "Z":
                capitals = True
                end += 1
            else:
                break
        name = text[start:end]
        word = _WORDS.get(name)
        if word is None:
            mixed = capitals and end - start <= _LONGEST_WORD
            word = _WORDS.get(name.upper(), "") if mixed else ""
        return made("name", name, start, end, word)

    def _plain_value(self, start: int, previous: Token | None) -> Token:
        # strings without escapes and whole numbers: what nearly all values are
        text, length, end = self.text, self.length, start
        char = text[start]
        if char == "'":
            end = text.find("'", start + 1)
            if end > 0 and not text.startswith("'", end + 1):
                value = text[start + 1 : end]
                if "\\" not in value and "{" not in value:
                    return made("string", value, start, end + 1, "")
            return self._string(start)
        if "0" <= char <= "9":
            while end < length and "0" <= text[end] <= "9":
                end += 1
            if end == length or text[end] in " \n,)":
                return made("int", text[start:end], start, end, "")
        pair = text[start : start + 2]
        if pair in _PAIRS and not text.startswith("<=>", start):
            return made("op", pair, start, start + 2, "")
        return self._other(start, previous)

    def _other(self, position: int, previous: Token | None) -> Token:
        text = self.text
        start = self.skip(position)
        if start > position:
            self.made -= 1
            return self.token(start, previous)
        char = text[start]
        if char in '`"':
            return self._quoted(start)
        if "0" <= char <= "9":
            after_dot = previous is not None and previous.text in (".", "?.") and previous.end == start
            return self._step(start) if after_dot else self._number(start)
        if char == "." and _DIGITS.match(text, start + 1) and not _steps_from(previous, start):
            return self._number(start)
        if char == "#":
            digits = _DIGITS.match(text, start + 1)
            assert digits is not None  # noqa: S101  (any other # began a comment)
            return made("positional", digits.group(), start, digits.end(), "")
        if operator := _OPERATOR.match(text, start):
            if operator.end() == start + 1:
                return signed(char, start)
            return made("op", operator.group(), start, operator.end(), "")
        raise stray_character(text, start)

    def skip(self, position: int) -> int:
        """Past white space and comments."""
        match = _SKIP.match(self.text, position)
        end = match.end() if match else position
        if self.text.startswith("/*", end):
            raise HogQLSyntaxError("This comment is not closed.", start=end, hint="Add */.")
        return end

    def _step(self, start: int) -> Token:
        match = _DIGITS.match(self.text, start)
        assert match is not None  # noqa: S101
        return made("int", match.group(), start, match.end(), "")

    def _number(self, start: int) -> Token:
        text = self.text
        match = _NUMBER.match(text, start)
        assert match is not None  # noqa: S101
        if _OTHER_BASE.fullmatch(text, start, start + 2):
            literal = _NAME.match(text, start + 1)
            if match.end() == start + 1 or (literal and literal.end() > match.end()):
                shown = "0" + (literal.group() if literal else "")
                raise HogQLSyntaxError(f"Not a number: {shown}", start=start, end=start + len(shown))
        is_float = match["float"] is not None or match["hex_float"] is not None
        return made("float" if is_float else "int", match.group(), start, match.end(), "")

    def _quoted(self, start: int) -> Token:
        quote, text, position = self.text[start : start + 1], self.text, start + 1
        out: list[str] = []
        while position < len(text):
            char = text[position : position + 1]
            if char == quote:
                if not text.startswith(quote, position + 1):
                    if not out:
                        raise HogQLSyntaxError("An empty name.", start=start, end=position + 1)
                    return made("quoted", "".join(out), start, position + 1, "")
                out.append(quote)
                position += 2
            elif char == "\\":
                value, position = self._escape(position, quote if quote == '"' else "")
                out.append(value)
            else:
                out.append(char)
                position += 1
        raise HogQLSyntaxError("This name is not closed.", start=start, hint=f"Add {quote}.")

    def _string(self, start: int) -> Token:
        parts, end = self._quoted_parts(start, start + 1, False)
        return made("string", "".join([part for part in parts if isinstance(part, str)]), start, end, "")

    def _nested_template(self, start: int) -> Token:
        if self._inside == MAX_TEMPLATE_DEPTH:
            raise TooComplex("input too deeply nested", start=start)
        self._inside += 1
        parts, end = self._quoted_parts(start, start + 2, True)
        self._inside -= 1
        token = made("template", self.text[start:end], start, end, "")
        token.parts = tuple(parts)
        return token

    def _quoted_parts(self, start: int, position: int, braces: bool) -> tuple[list[str | tuple[int, int]], int]:
        # text and, in a template, the places of what stands in braces; and where it all ends
        text = self.text
        parts: list[str | tuple[int, int]] = []
        out: list[str] = []
        while found := _STRING_STOP.search(text, position):
            out.append(text[position : found.start()])
            position = found.start()
            stop = found.group()
            if stop == "{" and braces:
                parts.append("".join(out))
                out = []
                end = self.closing_brace(position + 1)
                parts.append((position + 1, end))
                position = end + 1
            elif stop == "{" or (braces and text.startswith("\\{", position)):
                out.append("{")
                position += 1 if stop == "{" else 2
            elif stop == "\\":
                value, position = self._escape(position, "'")
                out.append(value)
            elif text.startswith("''", position):
                out.append("'")
                position += 2
            else:
                parts.append("".join(out))
                return [part for part in parts if part], position + 1
        raise HogQLSyntaxError("This string is not closed.", start=start, hint="Add '.")

    def closing_brace(self, position: int) -> int:
        """Where the brace that was opened before `position` is closed."""
        depth, opened, previous = 1, position - 1, None
        while True:
            token = self.token(position, previous)
            if token.kind == "eof":
                raise HogQLSyntaxError("Unmatched curly bracket", start=opened, end=opened + 1, hint="Add }.")
            if token.kind == "op":
                depth += (token.text == "{") - (token.text == "}")
                if depth == 0:
                    return token.start
            position, previous = token.end, token

    def _escape(self, position: int, quote: str) -> tuple[str, int]:
        char = self.text[position + 1 : position + 2]
        if char and char in _ESCAPES:
            return _ESCAPES[char], position + 2
        if char and char == quote:
            return char, position + 2
        if _HEX_ESCAPE.match(self.text, position):
            return self.text[position : position + 4], position + 4  # the peer keeps these four characters as they are
        raise HogQLSyntaxError(
            f"Unknown escape \\{char}", start=position, end=position + 2, hint="Write \\\\ for a backslash."
        )

    def first_stray(self, position: int) -> HogQLSyntaxError | None:
        """The first character from `position` on that begins no token: reported before any other complaint."""
        previous = None
        try:
            while True:
                token = self.token(position, previous)
                if token.kind == "eof":
                    return None
                position, previous = token.end, token
        except TooComplex:
            return None
        except HogQLSyntaxError as error:
            return error if error.message.startswith("Unexpected character") else None


def _steps_from(previous: Token | None, start: int) -> bool:
    if previous is None or previous.word in _BEFORE_A_VALUE:
        return False
    apart = previous.end != start
    if apart and (previous.word or previous.kind == "int"):  # `sample .5`; `1 .5` would be a step into 1
        return False
    return previous.kind in _STEPPED_FROM or previous.sign in ")]}"


def stray_character(text: str, position: int) -> HogQLSyntaxError:
    """The error for a character that begins no token."""
    char = text[position : position + 1]
    name = f"U+{ord(char):04X}"
    shown = f"'{char}' ({name})" if char.isascii() and char.isprintable() else name
    return HogQLSyntaxError(f"Unexpected character {shown}", start=position, end=position + 1)
