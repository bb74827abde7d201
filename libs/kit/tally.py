"""Events counted by three words, where neighbours mostly have the same.

Compiled when there is a compiler (tally.pxd).
"""

#: Whose they are that found no room.
OTHERS = "*"


class Tally:
    """Counts by (whose, result, reason). `most` names are kept apart; whose the rest are is forgotten."""

    def __init__(self, most: int):
        self._most = most
        self._counts: dict[tuple[str, str, str], int] = {}
        self._whose = self._result = self._reason = ""  # the words of the newest,
        self._events = 0  # and those of its events that are not among the counts yet

    def add(self, whose: str, result: str, reason: str, events: int) -> None:
        """So many events more."""
        if whose != self._whose or result != self._result or reason != self._reason:
            self._settle()
            self._whose, self._result, self._reason = whose, result, reason
        self._events += events

    def taken(self) -> dict[tuple[str, str, str], int]:
        """All counts, which begin anew."""
        self._settle()
        counts, self._counts = self._counts, {}
        return counts

    def _settle(self) -> None:
        if not self._events:
            return
        name = (self._whose, self._result, self._reason)
        if name not in self._counts and len(self._counts) >= self._most:
            name = (OTHERS, self._result, self._reason)
        self._counts[name] = self._counts.get(name, 0) + self._events
        self._events = 0
