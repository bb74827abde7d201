import pytest

from libs.fastpath import members_of
from services.cdp.ingestion.merging import Merge, is_illegal, javascript_text, javascript_truthy_text, merge_asked
from services.cdp.raw_json import encode


@pytest.mark.parametrize(
    "name",
    [
        "", "  ", "anonymous", "GUEST", "Distinct_Id", "'undefined'", '"null"', "[object Object]", "NaN", "0", "none",
        "None", "True", "'false'", "a\0b", "x" * 401,
    ],
)  # fmt: skip
def test_ids_of_nobody(name: str) -> None:
    assert is_illegal(name)


@pytest.mark.parametrize("name", ["u", "nan", "NULL", "00", "'anonymous", "anonymous'", "'u'", "idx", "x" * 400, "😀"])
def test_ids_of_somebody(name: str) -> None:
    assert not is_illegal(name)


@pytest.mark.parametrize(
    ("value", "text", "truthy"),
    [
        ("a", "a", True), ("", "", False), (None, "null", False), (True, "true", True), (False, "false", False),
        (5, "5", True), (5.0, "5", True), (1.5, "1.5", True), (0, "0", False), (10**21, "1e+21", True),
        ([1, None, "x"], "1,,x", True), ({"a": 1}, "[object Object]", True),
    ],
)  # fmt: skip
def test_values_as_javascript_writes_them(value: object, text: str, truthy: bool) -> None:
    assert javascript_text(encode(value)) == text
    assert javascript_truthy_text(encode(value)) == (text if truthy else None)


def test_what_asks_for_a_merge() -> None:
    assert merge_asked("$identify", "u", members_of({"$anon_distinct_id": encode("an")})) == Merge(
        "u", "an", False, None
    )
    assert merge_asked("$identify", "u", members_of({"$anon_distinct_id": encode(None)})) == Merge(
        "u", "null", False, "null"
    )
    assert merge_asked("$identify", "u", members_of({"alias": encode("an")})) is None
    assert merge_asked("$create_alias", "u", members_of({"alias": encode("an")})) == Merge("u", "an", False, None)
    assert merge_asked("$create_alias", "u", members_of({"alias": encode("")})) is None
    assert merge_asked("$merge_dangerously", "u", members_of({"alias": encode(7)})) == Merge("u", "7", True, None)
    assert merge_asked("$identify", "u", members_of({"$anon_distinct_id": encode("u")})) is None
    assert merge_asked("e", "u", members_of({"alias": encode("an")})) is None
