"""One read that is one whole request of the plainest kind, taken apart in one walk.

Nearly every request to a hot path is a POST that comes in one piece, with a content-length and nothing unusual. The
general parser makes some thirty calls and as many objects for it. What is not exactly such a request is left to the
general parser, which never saw any of it: so there is nothing here that could be read in two ways, and no error. Only
used compiled (plain_request.pxd); in plain Python the general parser is faster.
"""

#: Whether to ask `plain_request` at all.
SERVES = not __file__.endswith(".py")

_START = b"POST /"
_VERSION = b" HTTP/1.1\r\n"
# 1: in names of headers. 2: elsewhere in a head.
_KINDS = bytes(
    1 if chr(byte).isascii() and (chr(byte).isalnum() or chr(byte) in "-_") else 2 if 0x20 <= byte < 0x7F else 0
    for byte in range(256)
)
_USUAL_NAMES = (
    b"Host", b"Connection", b"Content-Length", b"Content-Type", b"Content-Encoding", b"Accept", b"Accept-Encoding",
    b"Accept-Language", b"Authorization", b"Cache-Control", b"Cookie", b"DNT", b"Forwarded", b"Origin", b"Pragma",
    b"Priority", b"Referer", b"User-Agent", b"X-Forwarded-For", b"X-Forwarded-Host", b"X-Forwarded-Proto",
    b"X-Real-IP", b"X-Request-Id", b"Sec-CH-UA", b"Sec-CH-UA-Mobile", b"Sec-CH-UA-Platform", b"Sec-Fetch-Dest",
    b"Sec-Fetch-Mode", b"Sec-Fetch-Site",
)  # fmt: skip
#: Names of headers as they are mostly written -> in lower case. One object for each: its hash is then known.
LOWER: dict[bytes, bytes] = {name: name.lower() for name in _USUAL_NAMES}
LOWER.update({name: name for name in LOWER.values()})
_LENGTH, _CONNECTION, _KEEP_ALIVE = b"content-length", b"connection", b"keep-alive"
# Browsers send them with everything, and no hot path reads them: they are checked, and nothing is made of them.
_UNREAD_NAMES = (
    b"host", b"accept", b"accept-encoding", b"accept-language", b"referer", b"cache-control", b"pragma",
    b"priority", b"dnt", b"sec-ch-ua", b"sec-ch-ua-mobile", b"sec-ch-ua-platform", b"sec-fetch-dest", b"sec-fetch-mode",
    b"sec-fetch-site",
)  # fmt: skip
#: What a plain request does not tell: these, and what follows from its being one.
LEFT_OUT = frozenset((*_UNREAD_NAMES, _LENGTH, _CONNECTION))
# They change how what follows is read, or ask for something first. None of them is usual.
_UNUSUAL_NAMES = (b"transfer-encoding", b"expect", b"upgrade", b"proxy-connection", b"trailer", b"te")
_READ, _IS_UNREAD, _IS_LENGTH, _IS_CONNECTION, _IS_UNUSUAL = range(5)
_MEANINGS = {
    **dict.fromkeys(LOWER.values(), _READ),
    **dict.fromkeys(_UNREAD_NAMES, _IS_UNREAD),
    **dict.fromkeys(_UNUSUAL_NAMES, _IS_UNUSUAL),
    _LENGTH: _IS_LENGTH,
    _CONNECTION: _IS_CONNECTION,
}
# All names we know, the shortest first, as rows of bytes; where those of each length begin; and what they mean.
_NAMES: list[bytes] = sorted(_MEANINGS, key=len)
_LONGEST_NAME = len(_NAMES[-1])
_ROWS = b"".join([name.ljust(_LONGEST_NAME) for name in _NAMES])
_FIRST = bytes(sum(len(name) < length for name in _NAMES) for length in range(_LONGEST_NAME + 2))
_MEANS = bytes(_MEANINGS[name] for name in _NAMES)
_LONGEST_LENGTH = 9  # digits


def plain_request(data: bytes, most_head_bytes: int) -> tuple[bytes, bytes, dict[bytes, bytes], bytes] | None:
    """Path, query, headers and body, if `data` is a whole POST that keeps its connection, and nothing else.

    Names of headers are in lower case; of repeated ones the first counts; those in LEFT_OUT are not among them. None:
    ask the general parser.
    """
    raw, kinds, means, end, first = data, _KINDS, _MEANS, len(data), len(_START) - 1
    if not _stands(raw, 0, end, _START):
        return None
    at = question = first
    while at < end and kinds[raw[at]] and raw[at] != 0x20 and raw[at] != 0x23:  # space, #
        if raw[at] == 0x3F and question == first:
            question = at
        at += 1
    if not _stands(raw, at, end, _VERSION):
        return None
    if question == first:
        question = at
    path, query = raw[first:question], raw[min(question + 1, at) : at]
    at += len(_VERSION)
    headers: dict[bytes, bytes] = {}
    length = -1
    while at + 1 < end and raw[at] != 0x0D:
        begin = at
        while at < end and kinds[raw[at]] == 1:
            at += 1
        colon = at
        if colon == begin or not colon < end or raw[colon] != 0x3A:
            return None
        at += 1
        while at < end and raw[at] == 0x20:
            at += 1
        value_at = at
        while at < end and kinds[raw[at]]:
            at += 1
        # llhttp's ways with blanks behind a value, and with none, are its own
        if at == value_at or at + 1 >= end or raw[at] != 0x0D or raw[at + 1] != 0x0A or raw[at - 1] == 0x20:
            return None
        at += 2
        known = _row(raw, begin, colon)
        meaning = _READ if known < 0 else means[known]
        if meaning == _IS_UNREAD:
            continue
        if meaning == _READ:
            name = raw[begin:colon].lower() if known < 0 else _NAMES[known]
            headers.setdefault(name, raw[value_at : at - 2])
        elif meaning == _IS_LENGTH and length < 0:
            length = _number(raw, value_at, at - 2)
            if length < 0:
                return None
        elif meaning != _IS_CONNECTION or not _spells(raw, value_at, at - 2, _KEEP_ALIVE):
            return None
    at += 2
    if at > most_head_bytes or length < 0 or at + length != end or raw[at - 2] != 0x0D or raw[at - 1] != 0x0A:
        return None
    return path, query, headers, raw[at:end]


def _stands(raw: bytes, at: int, end: int, text: bytes) -> bool:
    """Whether these bytes stand there."""
    expected = text
    if at + len(text) > end:
        return False
    place = 0
    while place < len(text) and raw[at + place] == expected[place]:
        place += 1
    return place == len(text)


def _row(raw: bytes, begin: int, end: int) -> int:
    """Which of the names we know this is, in whatever case; -1 for none."""
    rows, first, size, width, place = _ROWS, _FIRST, end - begin, _LONGEST_NAME, 0
    if size > width:
        return -1
    row, after = first[size], first[size + 1]
    while row < after:
        at, place = row * width, 0
        while place < size and raw[begin + place] | 0x20 == rows[at + place]:
            place += 1
        if place == size:
            return row
        row += 1
    return -1


def _spells(raw: bytes, begin: int, end: int, text: bytes) -> bool:
    """Whether this is the text, which is of lower-case letters and hyphens, in whatever case."""
    expected = text
    place = begin
    if end - begin != len(text):
        return False
    while place < end and raw[place] | 0x20 == expected[place - begin]:
        place += 1
    return place == end


def _number(raw: bytes, begin: int, end: int) -> int:
    """Of its digits; -1 if it is none, or a very long one."""
    number = 0
    if end - begin > _LONGEST_LENGTH:
        return -1
    for place in range(begin, end):
        if not 0x30 <= raw[place] <= 0x39:
            return -1
        number = number * 10 + (raw[place] - 0x30)
    return number
