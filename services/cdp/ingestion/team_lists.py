"""Projects that the operator names in a setting, because something is done for these only."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TeamList:
    """`*` for every project, or ids with commas between them."""

    every: bool = False
    ids: frozenset[int] = frozenset()

    @classmethod
    def of(cls, text: str) -> "TeamList":
        """As `TEAMS` in settings.py allows it."""
        if text == "*":
            return cls(every=True)
        return cls(ids=frozenset(int(part) for part in text.split(",") if part))

    def __contains__(self, team_id: int) -> bool:
        return self.every or team_id in self.ids


@dataclass(frozen=True, slots=True)
class Listed:
    """The lists. stripped: large properties of AI events are not in `events`. flags_personless: a flag that is asked
    for makes no person."""

    stripped: TeamList = TeamList()
    flags_personless: TeamList = TeamList()
