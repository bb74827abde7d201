"""The parts of an AI event as one blob: each comes back by its reference, and nothing else does."""

import email
import re
from email.message import Message

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.kit.contracts.ai_blobs import KEY_IN_TEXT, BlobPart, document, part_in, reference_in
from tests.support.scale import scaled

UUID = "0190a1b2-0000-7000-8000-000000000001"
ANY_BODY = st.binary(max_size=200)
ANY_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
PARTS = st.lists(
    st.builds(BlobPart, name=ANY_TEXT.filter(bool), kind=ANY_TEXT, coding=st.sampled_from(["", "gzip"]), body=ANY_BODY),
    min_size=1,
    max_size=4,
    unique_by=lambda part: part.name,
)


@settings(max_examples=scaled(10_000, least=100), deadline=None)
@given(PARTS)
def test_each_part_comes_back_by_its_reference(parts: list[BlobPart]) -> None:
    stored = document("phc_t", UUID, parts, "bucket")
    assert list(stored.references) == [part.name for part in parts]
    for part in parts:
        where = reference_in(stored.references[part.name])
        assert where is not None
        assert (where.key, where.uuid) == (stored.key, UUID)
        back = part_in(stored.body[where.start : where.start + where.length])
        assert back is not None
        assert (back.body, back.coding) == (part.body, part.coding)


def test_the_whole_is_what_others_read_as_multipart() -> None:
    parts = [BlobPart("$ai_input", "application/json", "", b'{"a": 1}'), BlobPart("image", "", "gzip", b"\x1f\x8b\r\n")]
    stored = document("phc_test_token", UUID, parts, "capture")
    boundary = stored.body.splitlines()[0][2:].decode()
    message = email.message_from_bytes(f"Content-Type: multipart/mixed; boundary={boundary}\n\n".encode() + stored.body)
    read = [part for part in message.walk() if isinstance(part, Message) and not part.is_multipart()]
    assert [part.get_content_type() for part in read] == ["application/json", "application/octet-stream"]
    assert [part.get_payload(decode=True) for part in read] == [b'{"a": 1}', b"\x1f\x8b\r\n"]
    # PostHog's digest of this token
    assert stored.references["$ai_input"].startswith(f"s3://capture/llma/0f25663a3e84ea94/{UUID}/")
    assert re.findall(KEY_IN_TEXT, str(stored.references)) == [stored.key] * 2


def test_the_same_is_the_same_blob_and_other_parts_are_another() -> None:
    one = [BlobPart("a", "", "", b"bc"), BlobPart("d", "", "", b"")]
    assert document("t", UUID, one, "b") == document("t", UUID, one, "b")
    for other in ([BlobPart("a", "", "", b"b"), BlobPart("cd", "", "", b"")], one[:1], list(reversed(one))):
        assert document("t", UUID, one, "b").key != document("t", UUID, other, "b").key
    assert document("t", UUID, one, "b").key != document("u", UUID, one, "b").key


def test_a_part_cannot_write_headers() -> None:
    stored = document("t", UUID, [BlobPart('a"\r\nX: y', "text/html\r\nX: y\r\n\r\n<b>", "", b"x")], "b")
    [reference] = map(reference_in, stored.references.values())
    assert reference is not None
    back = part_in(stored.body[reference.start :][: reference.length])
    assert back == BlobPart("a%22%0D%0AX: y", "text/html%0D%0AX: y%0D%0A%0D%0A<b>", "", b"x")


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "s3://bucket/elsewhere?range=0-1",
        f"s3://bucket/llma/0123456789abcdef/{UUID}/../../x?range=0-1",
        f"s3://bucket/llma/0123456789abcdef/{UUID}/{'0' * 32}",
        f"s3://bucket/llma/0123456789abcdef/{UUID}/{'0' * 32}?range=5-4",
        f" s3://bucket/llma/0123456789abcdef/{UUID}/{'0' * 32}?range=0-4",
    ],
)
def test_what_is_no_reference(value: object) -> None:
    assert reference_in(value) is None


def test_what_is_no_part() -> None:
    assert part_in(b"") is None
    assert part_in(b"Content-Type: text/plain\r\n\r\nx") is None
