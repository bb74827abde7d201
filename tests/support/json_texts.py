"""Generated capture bodies as bytes: near the shapes SDKs send, in every spelling, and broken on purpose."""

from hypothesis import strategies as st

UUID = b'"0190a1b2-0000-7000-8000-0000000000ab"'
STRINGS = [
    b'""', b'"a"', b'"phc_t"', b'"u1"', b'" "', rb'"\u0061"', rb'"caf\u00e9 \/ \"q\" \\ \n \b"', '"é"'.encode(),
    '"\u2003"'.encode(), '"\U0001f600"'.encode(), rb'"\ud83d\ude00"', b'"\x7f"', rb'"\u0000"', b'"%s"' % (b"x" * 199),
    '"{}"'.format("é" * 201).encode(), b'"$performance_event"', rb'"$performance\u005fevent"', rb'" \t "',
    b'"phx_no"', b'"[{]}"', "\"\u3000\u00a0\u0085\"".encode(),
]  # fmt: skip
HALVES = [rb'"\ud800"', rb'"x\udc00"', rb'"\ud800\ud83d\ude00"', rb'"\uD83D\u0041"', rb'"\\ud800"']
TIMES = [
    b'"2026-11-21T11:00:00Z"', b'"2026-11-21T11:00:00.123456789Z"', b'"2026-11-21T11:00:00.5+00:00"',
    b'"2026-02-29T11:00:00Z"', b'"2024-02-29T23:59:59.999Z"', b'"0001-01-01T00:00:00Z"', b'"9999-12-31T23:59:59.999Z"',
    b'"2026-11-21T24:00:00Z"', b'"2026-11-21T11:00:60Z"', b'"2026-11-21 11:00"', b'"2026-11-21T11:00:00+03"',
    b'"0000-01-01T00:00:00Z"', b'"1700000000"', b'"2026-11-22T12:00:01Z"', b'"2026-11-21T11:00:00.Z"', b'"soon"',
    b'"1969-12-31T23:59:59.9995Z"', b'"2026-11-21T12:00:10Z"', b'"2026-11-21T11:00:00\\u005a"',
    b'"1582-03-01T00:00:00Z"',
]  # fmt: skip
NUMBERS = [
    b"0", b"-0", b"5", b"-17", b"1.0", b"1e5", b"-1.5E-7", b"1e400", b"123456789012345678", b"1234567890123456789",
    b"9223372036854775807", b"9223372036854775808", b"1" * 40, b"86400000", b"-86400000", b"-999999999999999999",
]  # fmt: skip
OTHERS = [b"true", b"false", b"null", b"{}", b"[]", b'{"b":1.0,"a":[1e400,{}]}', b'[ "a" , null ]', b"[[]]"]
UUIDS = [UUID, UUID.upper().replace(b"U", b"u"), b'"0190a1b2000070008000000000000000"', b'"{%s}"' % UUID[1:-1]]
INVALID = [
    rb'"\q"', b'"\t"', b'"\xff"', b"00", b"01", b"1e", b"-", b"+1", b".5", b"5.", b"nul", b"NaN", b"'a'", b'"', b"",
    rb'"\u12"', rb'"\ud800\u12"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xe2\x82"', b"[1,]",
    b'{"a":1,}', b"{,}", b"[,]", b'{"a"}', b"{1:2}", b"\x00", b"tru", b"\xef\xbb\xbf1", b'"\x00"', b"[1 2]",
    b"Infinity",
]  # fmt: skip
ROOT_KEYS = [
    b"event", b"token", b"$token", b"api_key", b"distinct_id", b"$distinct_id", b"uuid", b"timestamp", b"offset",
    b"$set", b"$set_once", b"properties", b"batch", b"sent_at", b"historical_migration", b"other", b"$unset",
    rb"\u0065vent", rb"tok\u0065n", rb"\u00e9", rb"\/", "é".encode(), b"",
]  # fmt: skip
PROPERTY_KEYS = [
    b"token", b"distinct_id", b"$cookieless_mode", b"$ignore_sent_at", b"$session_id", b"$process_person_profile",
    b"capture_internal", b"$heatmap_data", b"$prev_pageview_pathname", b"$current_url", b"$browser", b"x",
    b"$viewport_height", b"$viewport_width", b"$prev_pageview_max_scroll",
    rb"\u0024session_id", rb"toke\u006E", rb"a\"b", b"$session_iD", b"$cookieless_modf",
]  # fmt: skip
RIDERS = [
    *([], []), [b"$heatmap_data"], [b"$heatmap_data", b"$session_id"], [b"$prev_pageview_pathname", b"$current_url"],
    [b"$viewport_width", b"$prev_pageview_pathname", b"x", b"$current_url", rb"\u0024heatmap_data"],
]  # fmt: skip
HARMLESS = [b"$viewport_height", b"$current_url", b"$session_id", b"x", rb"a\"b", b"$heatmap_data", b"capture_internal"]
CARRIERS = [b'"$pageview"', b'"$autocapture"', b'"$$heatmap"', rb'"$\u0024heatmap"']
BLANKS = st.sampled_from([b"", b"", b"", b" ", b"\n\t\r ", b"  "])


def near(*usual: list[bytes]) -> st.SearchStrategy[bytes]:
    """Mostly one of the usual, else any value."""
    likely = st.sampled_from([value for values in usual for value in values])
    rare = st.sampled_from([*STRINGS, *TIMES, *NUMBERS, *OTHERS, *UUIDS, *HALVES])
    return st.one_of(*[likely] * 15, rare)


PROPERTY_VALUES = near(STRINGS, [b"true", b"false"])
VALUES: dict[bytes, st.SearchStrategy[bytes]] = {
    b"event": near(STRINGS[1:6]),
    b"token": near([b'"phc_t"', b"null"]),
    b"distinct_id": near(STRINGS, NUMBERS, OTHERS),
    b"uuid": near(UUIDS[:2], [b'""', b"null"]),
    b"timestamp": near(TIMES, [b"null", b'""']),
    b"offset": near([b"0", b"5", b"-17", b"null", b"86400000", b"-90000000", b"123456789012345678"]),
    b"$set": near([b"{}", b'{"n":1.50}', b"null"]),
    b"$set_once": near([b"{}", b'{"n":1.50}', b"null"]),
    b"sent_at": near(TIMES, [b"null"]),
    b"historical_migration": near([b"true", b"false", b"null"]),
}
VALUES |= {b"api_key": VALUES[b"token"], b"$token": VALUES[b"token"], b"$distinct_id": VALUES[b"distinct_id"]}


@st.composite
def object_of(draw: st.DrawFn, members: list[tuple[bytes, bytes]]) -> bytes:
    """These members as text, with blanks here and there."""
    blank = draw(BLANKS)
    inside = b",".join(
        blank + b'"' + key + b'"' + draw(BLANKS) + b":" + blank + value + draw(BLANKS) for key, value in members
    )
    return b"{" + inside + blank + b"}"


@st.composite
def properties(draw: st.DrawFn) -> bytes:
    """An event's properties, often with a heatmap on them."""
    keys = draw(st.lists(st.sampled_from(PROPERTY_KEYS), max_size=5)) + draw(st.sampled_from(RIDERS))
    return draw(object_of([(key, draw(PROPERTY_VALUES)) for key in keys]))


ANYTHING = near(OTHERS)
EVENT_VALUES = VALUES | {b"properties": st.one_of(*[properties()] * 15, ANYTHING)}


@st.composite
def events(draw: st.DrawFn, *, own_token: bool) -> bytes:
    """An event, usually a good one."""
    if draw(st.integers(0, 9)):
        person = draw(st.sampled_from([b"distinct_id", b"$distinct_id"]))
        token = draw(st.sampled_from([[b"token"], [b"api_key"], [b"$token"]] if own_token else [[]]))
        more = [b"uuid", b"timestamp", b"offset", b"$set", b"$set_once", b"properties", b"other", "é".encode(), b""]
        keys = [b"event", person, *token, *draw(st.lists(st.sampled_from(more), max_size=5))]
    else:
        keys = draw(st.lists(st.sampled_from(ROOT_KEYS), max_size=6))
    order = draw(st.permutations(keys))
    return draw(object_of([(key, draw(EVENT_VALUES.get(key, ANYTHING))) for key in order]))


@st.composite
def carriers(draw: st.DrawFn) -> bytes:
    """A batch of events as good as SDKs send them, most with a heatmap on them."""
    listed = []
    for _ in range(draw(st.integers(1, 3))):
        keys = draw(
            st.permutations(draw(st.lists(st.sampled_from(HARMLESS), max_size=4)) + draw(st.sampled_from(RIDERS)))
        )
        held = draw(object_of([(key, draw(st.sampled_from([*STRINGS[:6], *OTHERS]))) for key in keys]))
        more = draw(
            st.sampled_from([b"", b'"uuid":%s,' % UUID, b'"offset":5,', b'"$set":{},"uuid":%s,' % UUID.upper()])
        )
        listed.append(
            b'{"distinct_id":"u","event":%s,%s"properties":' % (draw(st.sampled_from(CARRIERS)), more) + held + b"}"
        )
    return b'{"api_key":"phc_t","batch":[' + b",".join(listed) + b"]}"


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A whole body: a batch, an array, an event or something else."""
    shape = draw(st.sampled_from(["batch", "batch", "array", "single", "single", "other"]))
    if shape == "single":
        return draw(BLANKS) + draw(events(own_token=True)) + draw(BLANKS)
    if shape == "other":
        keys = draw(st.lists(st.sampled_from(ROOT_KEYS), max_size=5))
        members = [(key, draw(VALUES.get(key, near(OTHERS, STRINGS)))) for key in keys]
        return draw(st.one_of(object_of(members), near(STRINGS, NUMBERS, OTHERS)))
    listed = draw(st.lists(events(own_token=shape == "array"), max_size=3))
    array = b"[" + draw(BLANKS) + b",".join(listed) + b"]"
    if shape == "array":
        return draw(BLANKS) + array + draw(BLANKS)
    keys = draw(st.lists(st.sampled_from(ROOT_KEYS), max_size=3))
    members = [(b"api_key", draw(near([b'"phc_t"']))), (b"batch", array)]
    members += [
        (key, draw(VALUES.get(key, near(OTHERS)))) for key in keys if key not in (b"token", b"api_key", b"batch")
    ]
    return draw(object_of(draw(st.permutations(members))))


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """A body with some bytes replaced, cut off, or a wrong value in it."""
    text = bytearray(draw(bodies()))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(start + 3, len(text))))
        text[start:end] = draw(
            st.one_of(st.sampled_from([*INVALID, *HALVES, b"{", b"}", b",", b'"', b"\\"]), st.binary(max_size=2))
        )
    return bytes(text[: draw(st.integers(0, len(text)))]) if draw(st.booleans()) else bytes(text)
