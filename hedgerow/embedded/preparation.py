"""Whether the step between the engines and the services has anything to do.

It costs a Python process of its own, so `up` leaves it out when the same code has prepared the same data before.
"""

import hashlib
import json
from pathlib import Path

from hedgerow import __version__
from hedgerow.embedded.instance import write_private

ROOT = Path(__file__).resolve().parents[2]
# Whatever decides what preparing does; and one sign per engine that what was prepared is still there.
SOURCES = ("libs/kit/schema", "libs/kit/contracts", "libs/kit/access/bootstrap.py", "hedgerow/migrate.py")
SIGNS = ("postgres/data/PG_VERSION", "clickhouse/store", "log/appendonlydir")


def needed(directory: Path) -> bool:
    """False only when this very code has prepared this data directory, and no engine's part of it was removed since."""
    kept = _kept(directory)
    return kept.get("sources") != fingerprint() or not all((directory / sign).exists() for sign in SIGNS)


def keep(directory: Path, project_id: int) -> None:
    """Remember that the directory is prepared."""
    write_private(directory / "prepared.json", {"project_id": project_id, "sources": fingerprint()})


def project_id(directory: Path) -> int:
    """The first user's project. Raises KeyError before anything was prepared."""
    return int(_kept(directory)["project_id"])


def fingerprint() -> str:
    """Changes with the version, the migrations, the topics and the bootstrap."""
    digest = hashlib.sha256(__version__.encode())
    for source in SOURCES:
        path = ROOT / source
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.suffix in (".py", ".sql"):
                digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _kept(directory: Path) -> dict[str, str | int]:
    try:
        kept: dict[str, str | int] = json.loads((directory / "prepared.json").read_text())
    except FileNotFoundError:
        return {}
    return kept
