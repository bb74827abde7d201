"""Lists what every installed dependency is licensed under; fails on one that does not go with MIT distribution.

`python -m scripts.licences`. Python packages are read from the environment, browser packages from package-lock.json.
"""

import re
import sys
from importlib.metadata import distributions
from pathlib import Path

import orjson

ACCEPTED = re.compile(
    r"\b(MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla|Unlicense|Zlib|CC0|0BSD|HPND|PostgreSQL|"
    r"BlueOak|Public Domain|CNRI)\b",
    re.IGNORECASE,
)
# Declared in a file or not at all; each was read by hand.
READ_BY_HAND: dict[str, str] = {}


def declared(name: str) -> str:
    """The licence a distribution declares, most precise field first."""
    for distribution in distributions(name=name):
        meta = distribution.metadata
        classifiers = [c.split(" :: ")[-1] for c in meta.get_all("Classifier", []) if c.startswith("License ::")]
        text = meta.get("License-Expression") or "; ".join(classifiers) or (meta.get("License") or "").split("\n")[0]
        return READ_BY_HAND.get(name.lower(), text or "unknown")
    return "unknown"


def python_packages() -> dict[str, str]:
    """Name -> licence of everything installed but ourselves."""
    names = {d.metadata["Name"] for d in distributions() if d.metadata["Name"].lower() != "hedgerow"}
    return {name: declared(name) for name in sorted(names, key=str.lower)}


def browser_packages(lock: Path) -> dict[str, str]:
    """Name -> licence of a package-lock.json."""
    packages = orjson.loads(lock.read_bytes())["packages"]
    return {path.removeprefix("node_modules/"): p.get("license", "unknown") for path, p in packages.items() if path}


def main() -> int:
    found = python_packages()
    for lock in (Path("package-lock.json"), Path("tests/sdk/node/package-lock.json")):
        if lock.exists():
            found |= browser_packages(lock)
    refused = {name: licence for name, licence in found.items() if not ACCEPTED.search(licence)}
    for name, licence in found.items():
        print(f"{'REFUSED ' if name in refused else ''}{name}: {licence}")
    print(f"{len(found)} packages, {len(refused)} refused")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
