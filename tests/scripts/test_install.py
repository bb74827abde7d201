"""What `scripts/install` says and does on machines that lack something, and that the locks are what they should be.

The interpreters are shims: what is tested is the script's decisions, not pip.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
LOCKS = ("requirements.lock", "requirements-dev.lock")


def shim(path: Path, body: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A clone with nothing installed, and a PATH of only the tools every system has and a Python that can be lamed."""
    clone = tmp_path / "clone"
    (clone / "libs" / "fastpath").mkdir(parents=True)
    (clone / "scripts").mkdir()
    for name in (*LOCKS, "pyproject.toml", "setup.py", "scripts/install"):
        shutil.copy(ROOT / name, clone / name)
    for tool in ("sh", "cat", "find", "cksum", "tr", "rm", "dirname", "mkdir", "env"):
        (tmp_path / "bin").mkdir(exist_ok=True)
        found = shutil.which(tool)
        assert found
        (tmp_path / "bin" / tool).symlink_to(found)
    return tmp_path


def python(machine: Path, *, ensurepip: bool = True, header: bool = True) -> None:
    """`python3` and the one in .venv. pip only notes that it was asked, and whether twins were chosen."""
    inside = (
        'case "$*" in\n'
        f"  *'-m pip'*) echo \"pip [$HEDGEROW_PURE_PYTHON] $*\" >> {machine}/asked;;\n"
        f"  *sysconfig*) echo {'/dev/null' if header else '/nonexistent/Python.h'};;\n"
        f'  *) exec {sys.executable} "$@";;\n'
        "esac"
    )
    shim(machine / "venv-python", inside)
    copies = [f"cat {machine}/venv-python > .venv/bin/{name}" for name in ("python", "hedgerow")]
    make_venv = "; ".join(["mkdir -p .venv/bin", *copies])
    shim(
        machine / "bin" / "python3",
        'case "$*" in\n'
        f"  *ensurepip*) exit {0 if ensurepip else 1};;\n"
        f"  *'-m venv'*) {make_venv}; {shutil.which('chmod')} 755 .venv/bin/*;;\n"
        f'  *) exec {sys.executable} "$@";;\n'
        "esac",
    )


def install(machine: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(machine / "clone" / "scripts" / "install")],
        env={"PATH": str(machine / "bin"), "HOME": str(machine)},
        capture_output=True,
        text=True,
    )


def asked(machine: Path) -> list[str]:
    path = machine / "asked"
    return path.read_text().splitlines() if path.exists() else []


def test_a_python_without_ensurepip_names_the_package_and_touches_nothing(machine: Path) -> None:
    python(machine, ensurepip=False)
    done = install(machine)
    assert done.returncode == 1
    assert f"apt install python{VERSION}-venv" in done.stderr
    assert not (machine / "clone" / ".venv").exists()


def test_an_old_python_is_not_taken(machine: Path) -> None:
    shim(machine / "bin" / "python3", '[ "$1" = --version ] && echo "Python 3.9.2" || exit 1')
    done = install(machine)
    assert done.returncode == 1
    assert "3.11 or newer" in done.stderr
    assert "Python 3.9.2" in done.stderr


def test_without_a_compiler_the_twins_are_installed_and_it_says_so(machine: Path) -> None:
    python(machine)
    done = install(machine)
    assert done.returncode == 0, done.stderr
    assert "no C compiler (Debian package gcc)" in done.stderr
    assert "run in plain Python" in done.stderr
    assert "pip [1]" in asked(machine)[-1]


def test_without_python_h_its_package_is_named(machine: Path) -> None:
    shim(machine / "bin" / "cc", "exit 0")
    python(machine, header=False)
    done = install(machine)
    assert done.returncode == 0, done.stderr
    assert f"Debian package python{VERSION}-dev" in done.stderr
    assert "pip [1]" in asked(machine)[-1]


def test_with_everything_it_compiles_with_hashes_required_and_only_once(machine: Path) -> None:
    shim(machine / "bin" / "cc", "exit 0")
    python(machine)
    first = install(machine)
    assert first.returncode == 0, first.stderr
    calls = asked(machine)
    assert any("--require-hashes -r requirements.lock" in call for call in calls)
    second = install(machine)
    assert (second.returncode, second.stderr) == (0, "")
    assert asked(machine) == calls, "nothing changed, so nothing is done"
    with (machine / "clone" / "requirements.lock").open("a") as lock:
        lock.write("# changed\n")
    install(machine)
    assert len(asked(machine)) > len(calls)


@pytest.mark.parametrize("name", LOCKS)
def test_locks_are_hashed_and_name_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.search(r"://|^\s*--(index|extra|find|trusted)", text, re.MULTILINE)
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(entries) > 50
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_locks_hold_every_pin_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    pins = {
        "requirements.lock": project["project"]["dependencies"] + project["build-system"]["requires"],
        "requirements-dev.lock": project["project"]["optional-dependencies"]["dev"],
    }
    for name, wanted in pins.items():
        locked = set(re.findall(r"^(\S+==\S+)", (ROOT / name).read_text(), re.MULTILINE))
        missing = {re.sub(r"\[.*\]", "", pin) for pin in wanted if "==" in pin} - locked
        assert not missing, f"{name} is behind pyproject.toml: run `make lock`"


@pytest.mark.skipif(os.name != "posix", reason="shell")
def test_the_script_is_portable_shell() -> None:
    subprocess.run(["sh", "-n", str(ROOT / "scripts" / "install")], check=True)
