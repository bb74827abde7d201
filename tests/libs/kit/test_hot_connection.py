"""The answer that is kept goes only to whom it answers. How connections behave: tests/services/capture/test_callers."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from libs.kit.hot_connection import Answers, HotCycle

USUAL: tuple[list[tuple[bytes, bytes]], ...] = (
    [(b"date", b"one second")],
    [(b"date", b"the next"), (b"server", b"here")],
    [],
)
LINES = (b"", b"content-length: 2\r\n", b"vary: origin\r\ncontent-length: 2\r\n")
BODIES = (b"", b"ok", b"no")
ANY: Any = None


@given(
    st.lists(
        st.tuples(
            st.sampled_from([200, 204, 413]), st.sampled_from(LINES), st.sampled_from(BODIES), st.booleans(),
            st.sampled_from(USUAL),
        ),
        min_size=2,
    )
)  # fmt: skip
def test_each_gets_its_own_answer(told: list[tuple[int, bytes, bytes, bool, list[tuple[bytes, bytes]]]]) -> None:
    answers = Answers()
    for status, lines, body, keep_alive, usual in told:
        cycle = HotCycle(ANY, keep_alive, False)
        cycle.status, cycle.lines, cycle.body = status, lines, body
        head = STATUS_LINE[status] + b"".join([name + b": " + value + b"\r\n" for name, value in usual]) + lines
        end = b"\r\n" if keep_alive else b"connection: close\r\n\r\n"
        assert answers.whole(cycle, usual) == head + end + body


def test_neighbours_share_an_answer() -> None:
    answers = Answers()
    one, other = HotCycle(ANY, True, False), HotCycle(ANY, True, False)
    for cycle in (one, other):
        cycle.status, cycle.lines, cycle.body = 200, LINES[1], b"ok"
    assert answers.whole(one, USUAL[0]) is answers.whole(other, USUAL[0])
