"""What the server must know about a statement before the engine sees it.

Where the data of an INSERT begins, which statements wait for no slot, and what is refused: the engine is
clickhouse-local inside, which reads and writes any file this process may, while a server must not.
"""

import itertools
import mmap
import re
from dataclasses import dataclass

from hedgerow.embedded.clickhouse.errors import (
    ACCESS_DENIED,
    INTO_OUTFILE_NOT_ALLOWED,
    NOT_IMPLEMENTED,
    SYNTAX_ERROR,
    refusal,
)

# Strings, quoted names, comments, heredocs; then words, numbers and single signs. Whitespace is skipped.
_TOKEN = re.compile(
    r"""
    (?P<space>\s+|--[^\n]*|\#[!\ ][^\n]*|/\*.*?\*/)
  | (?P<quoted>'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*")
  | (?P<heredoc>\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
  | (?P<word>[A-Za-z_][A-Za-z_0-9$]*)
  | (?P<other>\d+|.)
    """,
    re.VERBOSE | re.DOTALL,
)

_INPUT = re.compile(r"\binput\b", re.IGNORECASE)

# Table functions and engines that reach the machine's files or run programs.
_LOCAL_FUNCTIONS = frozenset(
    (
        *("file", "filecluster", "filesystem", "executable", "executablepool", "python", "sqlite"),
        *("deltalakelocal", "iceberglocal", "hudilocal", "paimonlocal"),
    )
)
_LOCAL_NAMES = re.compile(rb"file:|\b(?:%s)\b" % "|".join(sorted(_LOCAL_FUNCTIONS)).encode(), re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Token:
    """A word (lower case), a quoted thing or a sign, and where it lies in the text."""

    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Insert:
    """An INSERT whose rows come as data: the statement without FORMAT or VALUES, the format, and where rows begin.

    selects: the rows go through a SELECT ... FROM input(...) first."""

    head: str
    input_format: str
    data_start: int
    selects: bool = False


def tokens(sql: str) -> list[Token]:
    """The meaningful tokens of `sql`."""
    found = []
    for match in _TOKEN.finditer(sql):
        kind = match.lastgroup if match.lastgroup != "tag" else "heredoc"
        if kind and kind != "space":
            text = match.group()
            found.append(Token(kind, text.lower() if kind == "word" else text, match.start(), match.end()))
    return found


def find_insert(sql: str) -> Insert | None:
    """The INSERT with data that `sql` begins with, or None for everything else: INSERT ... SELECT from anything but
    input(), two statements."""
    depth = 0
    selects = False
    previous: Token | None = None
    first = True
    for match in _TOKEN.finditer(sql):
        kind, text = match.lastgroup, match.group()
        if kind == "space":
            continue
        word = text.lower() if kind == "word" else ""
        if first:
            if word != "insert":
                return None
            first = False
        if text in "([{" and kind == "other":
            depth += 1
        elif text in ")]}" and kind == "other":
            depth -= 1
        elif depth == 0 and word in ("select", "with") and _INPUT.search(sql):
            selects = True
        elif depth == 0 and (word in ("select", "with", "watch") or text == ";" or (word == "from" and not selects)):
            return None
        elif depth == 0 and previous is not None and previous.text == "format" and kind == "word":
            head = sql[: previous.start]
            return Insert(head, text, match.end(), selects) if not selects or input_calls(head) else None
        elif depth == 0 and word == "values" and not selects:
            return Insert(sql[: match.start()], "Values", match.end())
        previous = Token(kind or "", word or text, match.start(), match.end())
    return None


def data_start(sql: str, insert: Insert) -> int:
    """Where rows begin: after FORMAT's name ClickHouse skips blanks and one line end, VALUES takes everything."""
    position = insert.data_start
    if insert.input_format == "Values":
        return position
    while position < len(sql) and sql[position] in " \t\r;":
        position += 1
    return position + 1 if position < len(sql) and sql[position] == "\n" else position


def refuse_unsafe(sql: str) -> None:
    """Raise for what a real server refuses too: two statements in one, the machine's files and programs."""
    _refuse_more_than_one(tokens(sql))
    refuse_local_files(sql)


def refuse_input(sql: str) -> None:
    """Raise for input() where no rows are held for it: the engine takes what follows it, and cuts it at a blank
    line."""
    if first_word(sql) == "insert" and input_calls(sql):
        raise refusal(NOT_IMPLEMENTED, "The table function input() is for rows that come over HTTP")


def input_calls(sql: str) -> list[tuple[int, int]]:
    """Where the text has `input(`, from the name to behind the bracket."""
    pairs = itertools.pairwise(tokens(sql)) if _INPUT.search(sql) else ()
    return [(name.start, sign.end) for name, sign in pairs if (name.text, sign.text) == ("input", "(")]


def may_name_local_files(data: bytes | mmap.mmap) -> bool:
    """Whether a closer look is needed; a quick search."""
    return _LOCAL_NAMES.search(data) is not None


def _refuse_more_than_one(found: list[Token]) -> None:
    """The engine would run them all."""
    ends = [index for index, token in enumerate(found) if token.kind == "other" and token.text == ";"]
    if ends and any(token.text != ";" for token in found[ends[0] :]):
        raise refusal(SYNTAX_ERROR, "Syntax error (Multi-statements are not allowed)")


def refuse_local_files(sql: str) -> None:
    """Raise for names of what touches the machine's files or runs programs."""
    found = tokens(sql)
    for index, token in enumerate(found):
        after = found[index + 1].text if index + 1 < len(found) else ""
        if token.kind == "word" and token.text == "into" and after == "outfile":
            raise refusal(INTO_OUTFILE_NOT_ALLOWED, "INTO OUTFILE is not allowed")
        if token.kind == "word" and token.text == "from" and after == "infile":
            raise refusal(ACCESS_DENIED, "FROM INFILE is not allowed")
        name = token.text.strip('`"').lower() if token.kind in ("word", "quoted") else ""
        is_local_url = token.kind == "quoted" and token.text[1:6].lower() == "file:"
        if is_local_url or (name in _LOCAL_FUNCTIONS and after == "("):
            raise refusal(ACCESS_DENIED, f"Not enough privileges: {name} reads this machine's files")


def first_word(sql: str) -> str:
    """The first word of the statement, lower case."""
    for match in _TOKEN.finditer(sql):
        if match.lastgroup == "word":
            return match.group().lower()
        if match.lastgroup != "space" and match.group() != "(":
            break
    return ""


def with_client_query_ids(sql: str) -> str:
    """`sql` with system.processes and KILL QUERY showing the query ids that clients chose.

    The engine numbers queries itself; a client's id travels in `log_comment`, which nothing else here reads.
    """
    if first_word(sql) == "kill":
        return _replaced(sql, ("query_id",), CLIENT_QUERY_ID)
    return _replaced(sql, ("system", ".", "processes"), _PROCESSES) if "processes" in sql.lower() else sql


CLIENT_QUERY_ID = "if(Settings['log_comment'] = '', query_id, Settings['log_comment'])"
_PROCESSES = (
    "(SELECT * REPLACE (if(Settings['log_comment'] = '', query_id, Settings['log_comment']) AS query_id,"
    " if(Settings['log_comment'] = '', initial_query_id, Settings['log_comment']) AS initial_query_id)"
    " FROM system.processes)"
)


def _replaced(sql: str, words: tuple[str, ...], replacement: str) -> str:
    out, position, found = [], 0, tokens(sql)
    for index in range(len(found) - len(words) + 1):
        group = found[index : index + len(words)]
        if tuple(token.text for token in group) == words:
            out += [sql[position : group[0].start], replacement]
            position = group[-1].end
    return "".join((*out, sql[position:]))


def sample_query(head: str) -> str:
    """A SELECT of the columns that an INSERT's head names."""
    target, columns = insert_target(head)
    return " ".join(("SELECT", columns or "*", "FROM", target))


def insert_target(head: str) -> tuple[str, str]:
    """The table (or function call) an INSERT's head names, and its column list without brackets, if it has one."""
    found = tokens(head)
    index = 1
    while index < len(found) and found[index].text in ("into", "table"):
        index += 1
    start = index
    if index < len(found) and found[index].text == "function":
        start = index = index + 1
        index += 1
        index = _closing(found, index) + 1
    else:
        while index + 2 < len(found) and found[index + 1].text == ".":
            index += 2
        index += 1
    target = head[found[start].start : found[index - 1].end] if start < len(found) else ""
    if index < len(found) and found[index].text == "(":
        end = _closing(found, index)
        return target, head[found[index].end : found[end].start].strip()
    return target, ""


def infile_place(head: str) -> int:
    """Where FROM INFILE belongs in an INSERT's head: before SETTINGS, if there are any, or at its end."""
    found, depth = tokens(head), 0
    for token, name, sign in zip(found, found[1:], found[2:], strict=False):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.text == "settings" and name.kind == "word" and sign.text == "=":
            return token.start
    return len(head)


def _closing(found: list[Token], opening: int) -> int:
    depth = 0
    for index in range(opening, len(found)):
        depth += {"(": 1, ")": -1}.get(found[index].text, 0)
        if depth == 0:
            return index
    return len(found) - 1
