"""A part is whole when its files are as large as its checksums say."""

from pathlib import Path

import pytest

from hedgerow.embedded.clickhouse.parts import is_whole

FILES = {"data.bin": 500, "data.cmrk4": 60, "count.txt": 3, "columns.txt": 58, "checksums.txt": 271}


@pytest.fixture
def part(tmp_path: Path) -> Path:
    for name, size in FILES.items():
        (tmp_path / name).write_bytes(b"x" * size)
    return tmp_path


def test_a_whole_part(part: Path) -> None:
    assert is_whole(part, 563)


@pytest.mark.parametrize(("name", "size"), [("data.bin", 499), ("data.bin", 0), ("count.txt", 0), ("columns.txt", 0)])
def test_a_truncated_file(part: Path, name: str, size: int) -> None:
    (part / name).write_bytes(b"x" * size)
    assert not is_whole(part, 563)


@pytest.mark.parametrize("name", ["ttl.txt", "uuid.txt"])
def test_a_file_that_only_some_parts_have_counts(part: Path, name: str) -> None:
    (part / name).write_bytes(b"x" * 36)
    assert is_whole(part, 599)
    assert not is_whole(part, 563)


def test_a_missing_file(part: Path) -> None:
    (part / "data.bin").unlink()
    assert not is_whole(part, 563)


def test_a_part_that_was_merged_away_is_not_this_inserts_fault(tmp_path: Path) -> None:
    assert is_whole(tmp_path / "gone", 563)
