"""Bytes to the scanner, its twin and capture's slow way, guided by coverage.

    pip install atheris    (CPython 3.11 to 3.13; not among our locked dependencies)
    python -m tests.fuzz.fuzz_scan tests/fuzz/corpus_scan -max_total_time=60

The corpus is small and kept: tests/services/capture/test_scanned.py runs all of it. Put what fails into it. Coverage
is that of the twin and of capture: the compiled half is held to them.
"""

import os
import sys

import atheris

with atheris.instrument_imports(
    include=["libs.fastpath._scan_walk_py", "libs.fastpath._scan_writer_py", "services.capture"]
):
    from libs.fastpath import _scan_py
    from services.capture import scanned
    from tests.libs.fastpath.test_scan import check_twins, check_twins_v1
    from tests.services.capture.test_scanned import check_same


def one_input(text: bytes) -> None:
    """Raise if any two of the three disagree."""
    engage, body = text[-1:] == b" ", text
    check_twins(body, engage)
    check_twins_v1(body)
    path = "/engage" if engage else "/e"
    check_same(body, path=path)
    compiled, scanned.fastpath.scan = scanned.fastpath.scan, _scan_py.scan
    try:
        check_same(body, path=path)
    finally:
        scanned.fastpath.scan = compiled


if __name__ == "__main__":
    os.urandom = lambda size: bytes(size)  # so that uuids are the same whoever makes them
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
