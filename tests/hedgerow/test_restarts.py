"""When a part starts again: pure decisions on a clock we turn ourselves."""

from itertools import pairwise

from hedgerow.restarts import Life, RestartPolicy, after_exit, became_ready, started

POLICY = RestartPolicy(base_seconds=0.5, cap_seconds=8.0, calm_seconds=60.0, start_attempts=3)


def test_pauses_double_up_to_the_cap() -> None:
    life, pauses = became_ready(Life()), []
    for _ in range(7):
        life = after_exit(started(life, 100.0), POLICY, now=101.0)
        pauses.append(life.not_before - 101.0)
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_weeks_of_failures_do_not_overflow() -> None:
    life = became_ready(Life(failures=10**6))
    assert after_exit(started(life, 0.0), POLICY, now=1.0).not_before == 9.0


def test_a_calm_hour_is_forgiven() -> None:
    life = became_ready(Life(failures=6, restarts=6))
    after = after_exit(started(life, 0.0), POLICY, now=3600.0)
    assert (after.failures, after.restarts, after.not_before) == (1, 7, 3600.5)


def test_time_spent_starting_is_not_calm() -> None:
    """A part that hangs for a minute at every start never was up."""
    life = Life(failures=1)
    assert after_exit(started(life, 0.0), POLICY, now=3600.0).failures == 2


def test_gives_up_only_on_a_part_that_was_never_ready() -> None:
    never, once = Life(), became_ready(Life())
    for _ in range(POLICY.start_attempts):
        assert not never.given_up
        never = after_exit(started(never, 0.0), POLICY, now=1.0)
        once = after_exit(started(once, 0.0), POLICY, now=1.0)
    assert never.given_up
    assert not once.given_up


def test_restarts_never_decrease() -> None:
    life, counts = became_ready(Life()), []
    for now in (1.0, 2.0, 500.0, 501.0):
        life = after_exit(started(life, 0.0), POLICY, now)
        counts.append(life.restarts)
    assert all(a < b for a, b in pairwise(counts))
