"""Counting in windows, alone and with others."""

from services.capture.policies.rates import Rate


def test_what_is_within_the_limit() -> None:
    rate = Rate("r", 10, 60)
    assert [rate.admit(b"u", 4, 0.0) for _ in range(4)] == [4, 4, 2, 0]
    assert rate.admit(b"v", 4, 0.0) == 4
    assert rate.admit(b"u", 4, 60.0) == 4


def test_what_others_saw_counts_after_an_exchange() -> None:
    rate = Rate("r", 100, 60)
    assert rate.admit(b"u", 10, 0.0) == 10
    window, news = rate.untold(0.0)
    assert news == {b"u": 10}
    rate.told(window, news, [95])
    assert rate.admit(b"u", 10, 0.0) == 5
    assert rate.untold(0.0) == (0, {b"u": 10})


def test_only_keys_worth_telling_are_told() -> None:
    rate = Rate("r", 100, 60)
    rate.admit(b"quiet", 1, 0.0)
    rate.admit(b"loud", 2, 0.0)
    assert rate.untold(0.0)[1] == {b"loud": 2}


def test_an_exchange_that_comes_after_its_window_is_ignored() -> None:
    rate = Rate("r", 100, 60)
    rate.admit(b"u", 50, 0.0)
    window, news = rate.untold(0.0)
    assert rate.admit(b"u", 10, 61.0) == 10
    rate.told(window, news, [100])
    assert rate.admit(b"u", 90, 61.0) == 90


def test_keys_beyond_the_capacity_pass() -> None:
    rate = Rate("r", 1, 60, capacity=2)
    assert [rate.admit(key, 5, 0.0) for key in (b"a", b"b", b"c", b"a")] == [1, 1, 5, 0]
