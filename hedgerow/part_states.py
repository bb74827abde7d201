"""What the supervisor knows of the parts, in a file that the HTTP process reads for `/_health` and `/metrics`.

A file, because it needs no port and no store: it is there when every engine is down. The supervisor cannot be dead
while somebody reads it, for its children die with it.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

VARIABLE = "HEDGEROW_PART_STATES"


@dataclass(frozen=True)
class PartStates:
    """statuses: part -> "ok" or why not. restarts: part -> how often it was started again."""

    statuses: Mapping[str, str] = field(default_factory=dict)
    restarts: Mapping[str, int] = field(default_factory=dict)


def publish(path: Path, states: PartStates) -> None:
    """Replace the file as a whole."""
    staging = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"statuses": dict(states.statuses), "restarts": dict(states.restarts)}, file)
    staging.rename(path)


def read(path: Path | None) -> PartStates:
    """What was published last; empty when there is no supervisor (`path` is None) or it has not spoken yet."""
    if path is None or not path.exists():
        return PartStates()
    found = json.loads(path.read_text())
    return PartStates(found["statuses"], found["restarts"])


def path_from_environment() -> Path | None:
    """Set by the supervisor for its children."""
    value = os.environ.get(VARIABLE)
    return Path(value) if value else None
