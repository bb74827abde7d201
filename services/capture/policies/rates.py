"""How many events each key has sent in the current window, over all processes.

What this process saw is counted exactly and at once; what others saw is known as of the last exchange. Only keys that
have used a noticeable part of their limit are exchanged, so a million quiet visitors cost nothing. While the `state`
server is away each process counts for itself: events pass that should not have, none is held up.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# The share of a limit from which on a key is worth telling; so far each process may be off.
_NOTICEABLE = 50


@dataclass(slots=True)
class Use:
    """Events of one key in the window: seen here, told of these, and seen elsewhere."""

    ours: int = 0
    told: int = 0
    elsewhere: int = 0


class Rate:
    """One limit: `limit` events per key in each window of `seconds`, which begin at multiples of it (epoch).

    At most `capacity` keys are counted in a window; those that come later pass.
    """

    def __init__(self, name: str, limit: int, seconds: float, *, capacity: int = 100_000):
        self.name = name
        self.limit = limit
        self.seconds = seconds
        self._capacity = capacity
        self._window = 0
        self._uses: dict[bytes, Use] = {}

    def admit(self, key: bytes, events: int, now: float) -> int:
        """How many of these events are within the limit. All are counted. `now`: epoch seconds."""
        self._turn(now)
        use = self._uses.get(key)
        if use is None:
            if len(self._uses) >= self._capacity:
                return events
            use = self._uses[key] = Use()
        before = use.ours + use.elsewhere
        use.ours += events
        return max(0, min(events, self.limit - before))

    def untold(self, now: float) -> tuple[int, dict[bytes, int]]:
        """The window, and per key what others should hear of."""
        self._turn(now)
        noticeable = max(1, self.limit // _NOTICEABLE)
        news = ((key, use.ours - use.told) for key, use in self._uses.items())
        return self._window, {key: events for key, events in news if events >= noticeable}

    def told(self, window: int, news: Mapping[bytes, int], totals: Iterable[int]) -> None:
        """Others have heard of `news`; `totals` are now the sums over all processes, in the same order."""
        if window != self._window:
            return
        for (key, events), total in zip(news.items(), totals, strict=True):
            use = self._uses[key]
            use.told += events
            use.elsewhere = max(0, total - use.told)

    def _turn(self, now: float) -> None:
        window = int(now // self.seconds)
        if window != self._window:
            self._window = window
            self._uses = {}
