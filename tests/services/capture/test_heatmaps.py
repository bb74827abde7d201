"""The uuid of a heatmap follows from its carrier's."""

from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from services.capture.heatmaps import HEATMAP, uuid_after


@given(st.uuids())
def test_it_has_the_carriers_time_and_else_what_the_standard_makes_of_its_name(carrier: UUID) -> None:
    made = UUID(uuid_after(str(carrier)))
    named = uuid5(carrier, HEATMAP).int
    assert str(made) == uuid_after(str(carrier))
    assert (made.version, made.variant) == (7, UUID(int=named).variant)
    assert made.int >> 80 == carrier.int >> 80
    free = (1 << 80) - 1 & ~(0xF << 76) & ~(0x3 << 62)
    assert made.int & free == named & free


def test_it_stays_the_same_from_release_to_release() -> None:
    assert uuid_after("0190a1b2-0000-7000-8000-0000000000ab") == "0190a1b2-0000-7767-9f9e-83676d464558"
