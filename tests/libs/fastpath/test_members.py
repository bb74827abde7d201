"""Objects taken apart, and their twin: one suite on both, and the same objects to both."""

import json
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.fastpath import _members_py
from libs.fastpath._members_py import utc_moment
from libs.kit.contracts.persons import DistinctIdUpdate, PersonUpdate
from libs.kit.eventlog.block import RecordBlock
from tests.support.captured import captured_value
from tests.support.json_texts import BLANKS, HALVES, INVALID, NUMBERS, OTHERS, STRINGS, object_of
from tests.support.require import require
from tests.support.scale import scaled

try:
    from libs.fastpath import _members
except ImportError:  # built without a compiler
    _members = None  # type: ignore[assignment]

RELAXED = [HealthCheck.too_slow, HealthCheck.data_too_large]
NOW = datetime(2026, 11, 21, 12, 0, 9, 345_678, tzinfo=UTC)
PERSON = uuid.UUID("66545e47-9600-5f24-95fd-044cb5baa8f0")


@pytest.fixture(params=["cython", "python"])
def version(request: pytest.FixtureRequest) -> Any:
    if request.param == "python":
        return _members_py
    require(_members, "libs/fastpath is not compiled")
    return _members


@pytest.mark.parametrize("value", [*STRINGS, *NUMBERS, *OTHERS], ids=repr)
def test_a_value_keeps_its_bytes(version: Any, value: bytes) -> None:
    found = version.members(b' {"a" : %s , "b":1}\n' % value)
    assert list(found) == ["a", "b"]
    assert found.raw("a") == bytes(found["a"]) == value
    assert found.opens("a") == value[0]
    assert found.encoded() == b'{"a":%s,"b":1}' % value


@pytest.mark.parametrize("value", [*INVALID, *HALVES[:-1]], ids=repr)
def test_what_is_no_json_or_holds_half_a_pair_is_declined(version: Any, value: bytes) -> None:
    assert version.members(b'{"a":%s}' % value) is None
    assert version.members(b"%s" % value) is None


def test_depth_is_limited(version: Any) -> None:
    deep = b'{"a":' * version.MAX_DEPTH
    assert version.members(deep + b"1" + b"}" * version.MAX_DEPTH) is not None
    assert version.members(deep + b"{}" + b"}" * version.MAX_DEPTH) is None


def test_names_are_what_they_spell_and_the_last_value_counts(version: Any) -> None:
    found = version.members('{"a":1,"\\u0061":2,"é":3,"b":4,"a":5,"\\u00e9":6,"\\"":7}'.encode())
    assert {name: found.raw(name) for name in found} == {"a": b"5", "é": b"6", "b": b"4", '"': b"7"}
    assert list(found) == ["a", "é", "b", '"']
    assert found.encoded() == '{"a":5,"é":6,"b":4,"\\"":7}'.encode()


def test_it_is_a_mapping(version: Any) -> None:
    found = version.members(b'{"a":1,"b":"x"}')
    copy = found.copy()
    copy["c"] = msgspec.Raw(b"[1]")
    copy["a"] = b"null"
    assert copy.pop("b") == msgspec.Raw(b'"x"')
    assert copy.pop("b", None) is None
    with pytest.raises(KeyError):
        copy.pop("b")
    with pytest.raises(KeyError):
        del copy["b"]
    assert isinstance(copy, Mapping)
    assert (copy == {"a": b"null", "c": b"[1]"}, copy == {"a": b"1"}, copy == 5) == (True, False, False)
    assert found == {"b": b'"x"', "a": b"1"}, "a copy is another object"
    assert (list(copy.keys()), len(copy), "c" in copy, copy.get("x"), copy.setdefault("d", b"1")) == (
        *(["a", "c"], 2, True, None, b"1"),
    )
    copy.drop(["a", "z", "d"])
    assert dict(copy.items()) == {"c": msgspec.Raw(b"[1]")}
    assert not version.members(b"{}")
    assert json.loads(version.members_of({"a": b"1"}).encoded()) == {"a": 1}


def test_a_shape_stands_for_names(version: Any) -> None:
    one, other = version.members(b'{"a":1,"b":2}'), version.members_of({"a": b"3", "b": b"4"})
    assert one.shape.names == ("a", "b")
    assert one.shape.digest == other.shape.digest
    assert one.shape.digest != version.members(b'{"b":1,"a":2}').shape.digest
    asked: list[Any] = []
    for each in (one, other):
        assert each.shape.decision(lambda shape: asked.append(shape) or len(shape.names)) == 2
    other["c"] = b"1"
    assert other.shape.names == ("a", "b", "c")
    del other["a"]
    assert other.shape.names == ("b", "c")


def test_a_decision_about_a_shape_is_made_once(version: Any) -> None:
    asked: list[tuple[str, ...]] = []

    def decide(shape: Any) -> int:
        asked.append(shape.names)
        return len(asked)

    name = str(uuid.uuid4())
    assert [version.members(b'{"%s":1}' % name.encode()).shape.decision(decide) for _ in range(3)] == [1, 1, 1]
    assert asked == [(name,)]


def test_picking(version: Any) -> None:
    found = version.members(b'{"a":1,"b":2,"c":3}')
    picker = found.shape.picker([("c", "x"), ("a", "a"), ("c", "y")])
    assert found.picked(picker).encoded() == b'{"x":3,"a":1,"y":3}'
    assert picker.shape.names == ("x", "a", "y")
    with pytest.raises(ValueError, match="another shape"):
        version.members(b'{"a":1}').picked(picker)
    with pytest.raises(ValueError, match="twice"):
        found.shape.picker([("a", "x"), ("b", "x")])
    with pytest.raises(KeyError):
        found.shape.picker([("nothing", "x")])


def test_laying_one_over_the_other(version: Any) -> None:
    ours, theirs = version.members(b'{"a":1,"b":null,"c":[]}'), version.members(b'{"c":[],"d":4,"a":1,"b":"x"}')
    assert ours.merged(theirs).encoded() == b'{"a":1,"b":"x","c":[],"d":4}'
    assert ours.completed(theirs).encoded() == b'{"a":1,"b":null,"c":[],"d":4}'
    assert ours.differing(theirs).encoded() == b'{"c":[],"d":4,"b":"x"}', "an array is never the same"
    assert ours.filling(theirs, version.members(b"{}")).encoded() == b'{"d":4,"b":"x"}'
    assert ours.filling(theirs, version.members(b'{"d":null}')).encoded() == b'{"b":"x"}'
    assert ours.filling(version.members(b'{"b":null}'), version.members(b"{}")).encoded() == b"{}"
    assert ours.encoded() == b'{"a":1,"b":null,"c":[]}'


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        *(
            (b"1", b"1.0", True),
            (b"12", b"13", False),
            (b"-0", b"0", True),
            (b"1.50", b"1.5", True),
            (b"1", b"2.5", False),
        ),
        *((b'"\\u00e9"', '"é"'.encode(), True), (b'"\\u00e9"', b'"e"', False), (b'"a"', b'"b"', False)),
        *((b"true", b"1", False), (b"false", b"0", False), (b"null", b"null", True), (b"null", b"0", False)),
        *((b'"1"', b"1", False), (b"{}", b"{}", False), (b"[1]", b"[1]", False), (b"1", b"[1]", False)),
        *((b"1e400", b"1e400", True), (b"1e400", b"2e400", False), (b"1e2", b"100", True)),
    ],
)
def test_values_are_the_same_as_javascript_has_it(version: Any, one: bytes, other: bytes, same: bool) -> None:
    ours, theirs = version.members_of({"a": one}), version.members_of({"a": other})
    assert (len(theirs.differing(ours)) == 0) is same


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        *((b'"x"', True), (rb'"\n\\u0000"', True), (rb'"\u0000"', False), (rb'"\\\u0041"', False), (b"1.5", True)),
        *((b"1e5", False), (b"1E5", False), (b"1" * 301, False), (b"true", True), (b"false", True), (b"null", True)),
        *((b"{}", True), (b'{"a":1}', False), (b"[1]", False), (b"[]", True), ('"é"'.encode(), True)),
    ],
)
def test_plain_values(version: Any, value: bytes, plain: bool) -> None:
    assert version.members(b'{"a":1,"b":%s}' % value).is_plain() is plain


def test_more_names_than_are_remembered(version: Any) -> None:
    wide = {f"name {number}": b"%d" % number for number in range(version.MAX_SHARED_NAMES + 50)}
    text = b"{%s}" % b",".join(b'"%s":%s' % (name.encode(), value) for name, value in wide.items())
    found = version.members(text)
    assert not found.shape.shared
    assert found == wide
    found["more"] = b"1"
    del found["name 0"]
    assert found.encoded() == text.replace(b'"name 0":0,', b"")[:-1] + b',"more":1}'
    for number in range(version.MAX_REMEMBERED_NAMES // 200):  # more shapes than are remembered
        names = {f"{number} {index}": b"1" for index in range(50)}
        assert version.members_of(names) == names


KEYS = st.sampled_from([b"a", b"b", b"$set", rb"\u0061", "é".encode(), b"", rb"\"", b"c", b"d e"])
TEXTS = st.one_of(*[st.sampled_from([*STRINGS, *NUMBERS, *OTHERS])] * 9, st.sampled_from([*HALVES, *INVALID]))


@st.composite
def objects(draw: st.DrawFn) -> bytes:
    members = draw(st.lists(st.tuples(KEYS, TEXTS), max_size=6))
    return draw(BLANKS) + draw(object_of(members)) + draw(BLANKS)


@settings(max_examples=scaled(5_000), suppress_health_check=RELAXED, deadline=None)
@given(objects(), objects(), KEYS, TEXTS)
def test_both_make_the_same_of_objects(one: bytes, other: bytes, key: bytes, value: bytes) -> None:
    require(_members, "libs/fastpath is not compiled")
    name = key.decode()
    seen = []
    for module in (_members, _members_py):
        ours, theirs = module.members(one), module.members(other)
        told: list[Any] = [ours is not None, theirs is not None]
        if ours is not None and theirs is not None:
            changed = ours.copy()
            changed[name] = value
            changed.drop(list(theirs)[:1])
            results = (ours, theirs, ours.merged(theirs), ours.completed(theirs), changed, theirs.merged(changed))
            told += [(each.encoded(), each.shape.names, each.shape.digest, each.size(), len(each)) for each in results]
            told += [
                ours.differing(theirs).encoded(),
                ours.filling(theirs, changed).encoded(),
                ours.is_plain(),
                changed.raw("a"),
                changed.opens("b"),
            ]
        seen.append(told)
    assert seen[0] == seen[1]


@settings(max_examples=scaled(2_000), suppress_health_check=RELAXED, deadline=None)
@given(objects(), st.booleans(), st.integers(0, 2**40))
def test_both_tell_the_same_of_a_person(text: bytes, flag: bool, version: int) -> None:
    require(_members, "libs/fastpath is not compiled")
    moment = datetime(2026, 11, 5, 10, 12, 13, 4567, tzinfo=UTC)
    told = []
    for module in (_members, _members_py):
        properties = module.members(text)
        if properties is None:
            return
        told.append(
            (
                module.told_person(str(uuid.UUID(int=version)), 7, moment, moment, properties, flag, not flag, version),
                module.told_distinct_id(text.decode(), 7, str(uuid.UUID(int=version)), flag, version),
            )
        )
    assert told[0] == told[1]
    assert json.loads(json.loads(told[0][0])["properties"]) == json.loads(properties.encoded())
    for record, kind in zip(told[0], (PersonUpdate, DistinctIdUpdate), strict=True):
        assert msgspec.json.encode(msgspec.json.decode(record, type=kind)) == record


@settings(max_examples=scaled(5_000), suppress_health_check=RELAXED, deadline=None)
@given(objects())
def test_what_is_taken_is_what_msgspec_takes(text: bytes) -> None:
    require(_members, "libs/fastpath is not compiled")
    found = _members.members(text)
    if found is not None:
        read = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        assert found.encoded() == msgspec.json.encode(
            {name: msgspec.Raw(bytes(raw).strip()) for name, raw in read.items()}
        )


FIELDS = {
    "uuid": [b'"0190A1B2-0000-7000-8000-0000000000ab"', b'"nope"', b'""', b"5"],
    "event": STRINGS, "distinct_id": STRINGS, "token": [b'"phc_t"', b"null"], "ip": [b'"1.2.3.4"', b'""', b"4"],
    "timestamp": [b'"2026-11-05T10:11:12.345Z"', b'"soon"'], "now": [b'"2026-11-05T10:11:12Z"'],
    "sent_at": [b'"2026-11-05T10:11:12Z"', b"null", b"5"], "historical_migration": [b"true", b"false", b"null"],
    "is_cookieless_mode": [b"true", b"0"], "other": OTHERS, "\\u0065vent": STRINGS,
}  # fmt: skip
NEEDED = ["uuid", "event", "distinct_id", "token", "ip", "timestamp", "now"]


@st.composite
def captured_texts(draw: st.DrawFn) -> bytes:
    """Records, most of them good."""
    inner = [(b"properties", draw(st.one_of(*[objects()] * 9, TEXTS)))]
    more = st.tuples(st.sampled_from([b"$set", b"$set_once", b"event", rb"\u0024set", b"properties"]), objects())
    inner += draw(st.lists(more, max_size=2))
    names = NEEDED + draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=2))
    members = []
    for name in names:
        usual = FIELDS[name][0]
        members.append((name.encode(), draw(st.one_of(*[st.just(usual)] * 9, st.sampled_from(FIELDS[name])))))
    members.append((b"data", draw(st.one_of(*[object_of(draw(st.permutations(inner)))] * 9, TEXTS))))
    return draw(object_of(draw(st.permutations(members))))


@settings(max_examples=scaled(5_000), suppress_health_check=RELAXED, deadline=None)
@given(captured_texts())
def test_both_make_the_same_of_captured_events(text: bytes) -> None:
    require(_members, "libs/fastpath is not compiled")
    assert said_by(_members, text) == said_by(_members_py, text)


def said_by(module: Any, text: bytes) -> tuple[Any, ...] | None:
    found = module.captured(text)
    if found is None:
        return None
    *fields, properties = (getattr(found, name) for name in _members_py.Captured.__slots__)
    assert properties.shape is module.members(properties.encoded()).shape
    return (*fields, properties.encoded(), properties.size(), tuple(properties))


USUAL = [(b'"$os"', b'"Linux"'), (b'"$current_url"', b'"https://example.com/"'), (b'"n"', b"5"), (b'"o"', b'{"a":[1]}')]


@st.composite
def nearly_the_same(draw: st.DrawFn) -> bytes:
    """Properties that mostly have the same names, and differ from there on in some way."""
    parts = list(USUAL)
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(parts) - 1))
        name, value = parts[at]
        other = draw(st.sampled_from([b'"x"', b'"$o"', b'"$osx"', b'"$os"', rb'"\u006e"', b'""', '"é"'.encode(), b"5"]))
        parts[at : at + 1] = draw(
            st.sampled_from([[], [parts[at], (other, b"null")], [(other, value)], [(name, draw(TEXTS))]])
        ) or ([] if len(parts) > 1 else [parts[at]])
    colon, comma = draw(
        st.sampled_from([(b":", b",")] * 9 + [(b": ", b","), (b":", b" ,"), (b" :", b", "), (b",", b":")])
    )
    text = (
        b"{"
        + comma.join(name + colon + value for name, value in parts)
        + draw(st.sampled_from([b"}"] * 9 + [b" }", b",}"]))
    )
    return draw(st.sampled_from([text] * 9 + [b"{ " + text[1:], b"{}", text[: draw(st.integers(1, len(text)))]]))


@settings(max_examples=scaled(2_000), suppress_health_check=RELAXED, deadline=None)
@given(st.lists(nearly_the_same(), min_size=2, max_size=5), st.booleans())
def test_names_that_were_foreseen_are_what_was_sent(sent: list[bytes], cut: bool) -> None:
    require(_members, "libs/fastpath is not compiled")
    usual = b"{" + b",".join(name + b":" + value for name, value in USUAL) + b"}"
    for properties in sent:
        for one in (usual, properties):
            text = captured_value(properties="#").replace(b"#", one)
            text = text[: -1 - len(sent)] if cut else text
            assert said_by(_members, text) == said_by(_members_py, text)


def test_captured(version: Any) -> None:
    text = captured_value(
        uuid_="0190A0A0-0000-7000-8000-00000000000A", distinct_id='ü"', properties={"a": 1}, **{"data_$set": {"b": 1}}
    )
    found = version.captured(text)
    assert [found.uuid, found.event, found.distinct_id, found.token, found.ip] == [
        *("0190a0a0-0000-7000-8000-00000000000a", "page viewed", 'ü"', "phc_one", "203.0.113.7")
    ]
    assert found.timestamp == datetime(2026, 11, 5, 10, 11, 12, 345_000, UTC)
    assert found.now == datetime(2026, 11, 5, 10, 11, 13, tzinfo=UTC)
    assert (found.sent_at, found.historical_migration, found.latest, found.first) == (None, False, b'{"b": 1}', None)
    assert found.properties.encoded() == b'{"a":1}'
    assert version.captured(captured_value(as_string=True)) is None
    assert version.captured(captured_value(uuid_="nope")) is None
    assert version.captured(text.replace(b'"now"', b'"never"')) is None
    assert version.captured(text[:-1]) is None
    assert version.captured(captured_value(distinct_id="a\0")) is None


@pytest.mark.parametrize("place", range(36))
def test_a_uuid_is_36_characters_that_mean_one(version: Any, place: int) -> None:
    good = "0190a0a0-Ab00-7F00-8000-00000000000c"
    assert version.captured(captured_value(uuid_=good)).uuid == good.lower()
    for wrong in "g/:@`G-0 ":
        if wrong != good[place] and not (wrong == "0" and good[place] != "-"):
            assert version.captured(captured_value(uuid_=good[:place] + wrong + good[place + 1 :])) is None


def test_common_values_are_what_was_said(version: Any) -> None:
    for text in ("", "a" * 7, "a" * 8, "b" * 75, "c" * 5_000, *(f"Mozilla/5.0 ({n}) Safari" for n in range(3_000))):
        found = version.members(json.dumps({"a": text, "n": 1}).encode())
        assert found.common("a") == found.raw("a") == json.dumps(text).encode()
        assert (found.common("n"), found.common("b")) == (b"1", None)


MOMENTS = [
    "2026-11-05T10:11:12Z",
    "2026-11-05T10:11:12.3Z",
    "2026-11-05T10:11:12.345Z",
    "2026-11-05T10:11:12.345678Z",
    "2026-11-05T10:11:12.345+02:00",
    "2026-11-05 10:11:12.345Z",
    "2026-11-05T10:11:12.345z",
    "2024-02-29T00:00:00Z",
    "2026-02-29T00:00:00Z",
    "2026-02-28T23:59:59Z",
    "2026-04-31T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-12-31T24:00:00Z",
    "2026-12-31T23:59:60Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999Z",
    "2026-11-05T10:11:12.34éZ",
    "2026-11-05",
    "",
]


@pytest.mark.parametrize("text", MOMENTS)
def test_moments_of_captured_events_are_what_the_text_says(version: Any, text: str) -> None:
    for _ in range(2):  # the second time it is the latest one
        found = version.captured(captured_value(timestamp=text, now=text))
        assert found.timestamp == found.now == utc_moment(text)
        assert found.now is None or found.now.tzinfo is UTC


def test_objects_grow_and_come_and_go_without_touching_each_other(version: Any) -> None:
    made = []
    for number in range(300):
        texts = {f"n{at}": b"%d" % (number + at) for at in range(number % 70)}
        one = version.members_of(texts)
        for at in range(number % 20):
            texts[f"more {at}"] = one[f"more {at}"] = b'"%d"' % number
        made.append((one.copy() if number % 3 else one, texts))
        if number % 5 == 0:
            del made[number % len(made)]
    assert all(one == texts and list(one) == list(texts) for one, texts in made)


def test_warming_members_changes_nothing(version: Any) -> None:
    for text in (b"{}", b'{"a":1}', b'{"a":"%s"}' % (b"x" * 5_000)):
        made = version.members(text)
        made.warm()
        assert made.encoded() == text


def row(version: Any, **changed: Any) -> bytes:
    """A stored event in circumstances of no interest."""
    given: dict[str, Any] = {
        "uuid": "0190a0a0-0000-7000-8000-00000000000a", "event": "a", "properties": version.members(b'{"a":1.0}'),
        "timestamp": NOW, "team_id": 1, "distinct_id": "u", "elements_chain": "", "created_at": NOW,
        "captured_at": None, "person_id": PERSON, "person_properties": version.members(b'{"p":1,"q":2}'),
        "person_set": None, "person_created_at": NOW, "person_mode": "full", "historical_migration": False,
    }  # fmt: skip
    made: bytes = version.stored(**(given | changed))
    return made


def test_stored(version: Any) -> None:
    assert row(version) == (
        b'{"uuid":"0190a0a0-0000-7000-8000-00000000000a","event":"a","properties":{"a":1.0},'
        b'"timestamp":"2026-11-21 12:00:09.345","team_id":1,"project_id":1,"distinct_id":"u","elements_chain":"",'
        b'"created_at":"2026-11-21 12:00:09.345","captured_at":null,"person_id":"66545e47-9600-5f24-95fd-044cb5baa8f0",'
        b'"person_properties":{"p":1,"q":2},"person_created_at":"2026-11-21 12:00:09","person_mode":"full"}'
    )
    over = row(version, person_set=version.members(b'{"q":3,"r":4}'), historical_migration=True, captured_at=NOW)
    told = json.loads(over)
    assert (told["person_properties"], told["historical_migration"]) == ({"p": 1, "q": 3, "r": 4}, True)
    assert told["captured_at"] == "2026-11-21 12:00:09.345"


@settings(max_examples=scaled(2_000), deadline=None)
@given(
    st.text('ab"\\\n\0\x7féß\u2028😀/', max_size=9),
    st.datetimes(timezones=st.just(UTC)),
    st.uuids(),
    objects(),
    objects(),
)
def test_both_store_the_same(text: str, moment: datetime, identity: uuid.UUID, one: bytes, other: bytes) -> None:
    require(_members, "libs/fastpath is not compiled")
    seen = []
    for module in (_members, _members_py):
        base, over = module.members(one) or module.members_of({}), module.members(other)
        seen.append(
            row(
                module, event=text, distinct_id=text, elements_chain=text, timestamp=moment, captured_at=moment,
                person_created_at=moment, person_id=identity, person_properties=base, person_set=over, properties=base,
            )
        )  # fmt: skip
    assert seen[0] == seen[1]
    json.loads(seen[0])


LAID_OUT_NAMES = ("a", "b", "session", "chain", "é")
LAID_OUT_VALUES = st.sampled_from(
    [b'"x"', b'"X"', b'"\\u0041"', b'"\xc3\xa9\x7f"', b"1", b"1e400", b"null", b"true", b"{}", b'{"n":1}', b'""']
)
LAID_OUT_OBJECTS = st.lists(st.sampled_from(LAID_OUT_NAMES), unique=True).flatmap(
    lambda names: st.fixed_dictionaries(dict.fromkeys(names, LAID_OUT_VALUES))
)


@st.composite
def layouts(draw: st.DrawFn) -> tuple[dict[str, bytes], list[Any]]:
    """An object, and the arguments of a Layout for objects of its names."""
    given = draw(LAID_OUT_OBJECTS)
    names = sorted(given)
    picks = st.lists(st.sampled_from(names), unique=True) if names else st.just([])
    origins = [*range(len(given)), *(getattr(_members_py, f"FROM_{what}") for what in ("IP", "SENT_AT", "SET")), b"0"]
    row = [
        (f"r{at}", draw(st.sampled_from([*origins, _members_py.FROM_SET_ONCE])))
        for at in range(draw(st.integers(0, 6)))
    ]
    # and some that keep their names, side by side
    kept = slice(draw(st.integers(0, len(names))), draw(st.integers(0, len(names))))
    row[1:1] = list(zip(names, range(len(names)), strict=True))[kept]
    latest = [(name, name) for name in draw(picks)]
    first = [(name, f"first_{name}") for name in draw(picks)]
    return given, [row, latest, first, draw(st.sets(st.sampled_from(LAID_OUT_NAMES))), "session", "chain"]


Written = Callable[[Any, dict[str, bytes]], Any]
#: Objects made of parts, and read as a sender may write them: in one run, with blanks, with an escape in a name.
WRITTEN: list[Written] = [
    lambda module, given: module.members_of(given),
    lambda module, given: module.members(module.members_of(given).encoded()),
    lambda module, given: module.members(
        b"{%s}" % b" , ".join(b'"%s" :%s' % (n.encode(), v) for n, v in given.items())
    ),
    lambda module, given: module.members(module.members_of(given).encoded().replace(b'{"a', b'{ "\\u0061')),
]
HEADERS = (("v", b"1"), ("arrived", b"7"))


@settings(max_examples=scaled(5_000), suppress_health_check=RELAXED, deadline=None)
@given(layouts(), LAID_OUT_OBJECTS, st.booleans(), st.text('a"ß😀', max_size=3), st.sampled_from(WRITTEN))
def test_both_lay_out_the_same(
    made: tuple[dict[str, bytes], list[Any]], person: dict[str, bytes], has: bool, text: str, written: Written
) -> None:
    require(_members, "libs/fastpath is not compiled")
    given, arguments = made
    seen = []
    for module in (_members, _members_py):
        properties = written(module, given)
        layout = module.Layout(properties.shape, *arguments)
        block = module.RowBlock()
        block.add(b"k", b"v", b"\x90")
        firsts = {f"first_{name}": value for name, value in given.items()} if has else {}
        whose = module.members_of({**given, **firsts, **person})
        times = (PERSON.hex, text, NOW, 3, text, NOW, NOW if has else None, PERSON, NOW, has)
        laid_out = block.add_laid_out(layout, properties, whose, text, text, *times, b"\x90")
        seen.append((laid_out, len(block), block.taken(), block.taken(), layout.shape.names))
    assert seen[0] == seen[1]


def test_laying_out(version: Any) -> None:
    properties = version.members(b'{"a":1,"session":"s","b":2,"chain":"div"}')
    row = [
        ("b", 2),
        ("$ip", version.FROM_IP),
        ("$set", version.FROM_SET),
        ("no", b"false"),
        ("1", version.FROM_SET_ONCE),
    ]
    layout = version.Layout(
        properties.shape, row, [("a", "a"), ("b", "b")], [("a", "first")], {"b"}, "session", "chain"
    )

    def laid_out(person: bytes, sent: Any = properties) -> Any:
        moments = (NOW, 1, "u", NOW, None, PERSON, NOW, False)
        block = version.RowBlock()
        taken = block.add_laid_out(
            layout, sent, version.members(person), "1.2.3.4", None, "id", "e", *moments, msgspec.msgpack.encode(HEADERS)
        )
        records = list(RecordBlock(*block.taken()))
        assert [(record.key, record.headers) for record in records] == [(b"id", HEADERS)] * taken
        return records[0].value if taken else None

    assert laid_out(b'{"first":0,"b":7,"a":1,"c":3}') == row_of(
        version,
        properties=b'{"b":2,"$ip":"1.2.3.4","$set":{"a":1,"b":2},"no":false,"1":{"first":1}}',
        person_properties=b'{"first":0,"b":2,"a":1,"c":3}',
    )
    assert laid_out(b'{"first":0,"b":2,"a":5}') is None, "a has changed"
    assert laid_out(b'{"first":0,"a":1}') is None, "b is new"
    assert laid_out(b'{"first":null,"a":1,"b":2}') is None
    for other in (b'{"a":1,"session":"S","b":2,"chain":"div"}', b'{"a":1,"session":"s","b":2,"chain":"\\n"}'):
        assert laid_out(b'{"first":0,"b":2,"a":1}', version.members(other)) is None
    with pytest.raises(ValueError, match="another shape"):
        laid_out(b"{}", version.members(b'{"a":1}'))


def row_of(version: Any, *, properties: bytes, person_properties: bytes) -> bytes:
    return row(
        version, uuid="id", event="e", elements_chain="div", properties=version.members(properties),
        person_properties=version.members(person_properties),
    )  # fmt: skip
