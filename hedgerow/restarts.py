"""When a part that ended is started again. No clock, no processes: `now` is handed in."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """Pauses double from `base_seconds` to `cap_seconds`; a part that was up for `calm_seconds` is forgiven.

    start_attempts: a part that ends so often without ever having been ready will not get better by itself.
    """

    base_seconds: float = 0.2
    cap_seconds: float = 30.0
    calm_seconds: float = 60.0
    start_attempts: int = 4


@dataclass(frozen=True, slots=True)
class Life:
    """What is remembered of a part. `failures` in a row; `restarts` in all; times in monotonic seconds."""

    failures: int = 0
    restarts: int = 0
    started_at: float = 0.0
    not_before: float = 0.0
    ever_ready: bool = False
    given_up: bool = False


def started(life: Life, now: float) -> Life:
    """The part was started."""
    return replace(life, started_at=now)


def became_ready(life: Life) -> Life:
    """The part serves."""
    return replace(life, ever_ready=True)


def after_exit(life: Life, policy: RestartPolicy, now: float) -> Life:
    """The part ended without being asked to: when may it start again, if at all?"""
    calm = life.ever_ready and now - life.started_at >= policy.calm_seconds
    failures = 1 if calm else life.failures + 1
    if not life.ever_ready and failures >= policy.start_attempts:
        return replace(life, failures=failures, given_up=True)
    # The exponent is bounded because a part may fail for weeks, and floats end at 2 ** 1024.
    pause = min(policy.cap_seconds, policy.base_seconds * 2 ** min(failures - 1, 32))
    return replace(life, failures=failures, restarts=life.restarts + 1, not_before=now + pause)
