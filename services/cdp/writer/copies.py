"""What makes two records copies of one event, and what knows a new one without asking ClickHouse.

Copies have the same team, uuid, event and distinct_id, and arrived within the window of each other. Whether a record is
one is judged against rows that are stored (or precede it in its batch), never against a mark. The filter only saves
questions: it may say "certainly new"; every other answer is looked up.
"""

from dataclasses import dataclass, field
from hashlib import md5

from libs.fastpath import Seen, seen_filter

Identity = tuple[int, str, str, str]

# A little more than the window, so that a partition that lags behind the others is still covered after a rotation.
GENERATION_SHARE = 1.25

# MD5 because ClickHouse has it too, for the refill. Nothing rests on its strength: a collision costs a look-up.
DIGEST_SQL = r"MD5(concat(toString(team_id), '\0', toString(uuid), '\0', event, '\0', distinct_id))"


def digest(identity: Identity) -> bytes:
    """16 bytes, the same as `DIGEST_SQL`. identity: team_id, uuid in lower case, event, distinct_id."""
    team_id, uuid, event, distinct_id = identity
    return md5(f"{team_id}\0{uuid}\0{event}\0{distinct_id}".encode(), usedforsecurity=False).digest()


@dataclass(slots=True)
class SeenWindow:
    """A filter of fixed size that covers at least one window of arrivals. Times are epoch milliseconds of arrival.

    covered_from: every stored row that arrived since then is in the filter. Nothing is covered before the first refill.
    """

    window_ms: int
    memory_bytes: int
    covered_from: int | None = None
    _filter: Seen = field(init=False)
    _current_since: int = 0

    def __post_init__(self) -> None:
        self._filter = seen_filter(self.memory_bytes)

    @property
    def sizes(self) -> tuple[int, int]:
        """Keys in the current and in the previous generation."""
        return self._filter.current_count, self._filter.previous_count

    def refill_from(self, now_ms: int) -> int:
        """The arrival from which stored rows must be read back."""
        return now_ms - int(self.window_ms * GENERATION_SHARE)

    def refilled(self, since_ms: int) -> None:
        """Every stored row of some partition that arrived from `since_ms` on has been added."""
        if self.covered_from is None:
            self._current_since = since_ms
        self.covered_from = max(self.covered_from or since_ms, since_ms)

    def certainly_new(self, key: bytes, arrived_ms: int) -> bool:
        """No row that is stored, and arrived at most a window before, has this digest."""
        if self.covered_from is None or arrived_ms - self.window_ms < self.covered_from:
            return False
        return not self._filter.maybe(key)

    def add(self, key: bytes, arrived_ms: int) -> None:
        """Remember a row, before it is inserted: a key too many costs a look-up, one too few a copy."""
        if self.covered_from is not None and arrived_ms > self._current_since + self.window_ms * GENERATION_SHARE:
            self._filter.rotate()
            self.covered_from = max(self.covered_from, self._current_since)
            self._current_since = arrived_ms
        self._filter.add(key)

    def add_packed(self, keys: bytes) -> None:
        """Remember stored rows, as the refill reads them."""
        self._filter.add_packed(keys)
