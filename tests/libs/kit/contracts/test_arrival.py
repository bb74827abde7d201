"""The first arrival of an event stays with it."""

from libs.kit.contracts.arrival import arrival_header, arrived_ms, with_arrival
from libs.kit.eventlog import Record
from libs.kit.eventlog.base import Headers


def read(*headers: tuple[str, bytes]) -> Record:
    return Record("t", 0, 0, None, b"", headers, 7)


def test_a_record_that_carries_none_came_when_the_log_had_it() -> None:
    assert arrived_ms(read()) == 7
    assert arrived_ms(read(("v", b"1"))) == 7
    assert arrived_ms(read(("v", b"1"), ("arrived", b"soon"))) == 7


def test_the_first_arrival_stays() -> None:
    headers: Headers = with_arrival((("v", b"1"),), 5)
    assert headers == (("v", b"1"), arrival_header(5))
    assert with_arrival(headers, 6) == headers
    assert arrived_ms(read(*headers)) == 5
