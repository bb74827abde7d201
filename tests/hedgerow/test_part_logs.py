"""Part logs stay bounded while somebody keeps writing, and show what matters once."""

from pathlib import Path

from hedgerow.part_logs import PartLogs


def test_rotation_keeps_the_open_file_and_one_older_copy(tmp_path: Path) -> None:
    logs = PartLogs(tmp_path, max_bytes=100)
    with logs.path("http").open("ab", buffering=0) as writer:
        writer.write(b"a" * 200 + b"\n")
        logs.rotate()
        writer.write(b"later\n")
    assert logs.path("http").read_bytes() == b"later\n"
    assert (tmp_path / "http.log.1").read_bytes() == b"a" * 200 + b"\n"


def test_problems_are_told_once_also_across_a_rotation_and_a_half_written_line(tmp_path: Path) -> None:
    logs = PartLogs(tmp_path, max_bytes=10)
    error = b'{"event": "worker_failed", "level": "error", "exception": "Trace\\nValueError: no"}'
    with logs.path("http").open("ab", buffering=0) as writer:
        writer.write(b"not json\n" + error[:20])
        assert list(logs.problems("http")) == []
        writer.write(error[20:] + b"\n")
        assert list(logs.problems("http")) == [("error", "worker_failed ValueError: no")]
        assert list(logs.problems("http")) == []
        logs.rotate()
        writer.write(error + b"\n")
        assert list(logs.problems("http")) == [("error", "worker_failed ValueError: no")]


def test_what_an_earlier_run_wrote_is_old_news(tmp_path: Path) -> None:
    logs = PartLogs(tmp_path, max_bytes=1000)
    logs.path("http").write_bytes(b'{"event": "old", "level": "error"}\n')
    logs.skip_to_end("http")
    assert list(logs.problems("http")) == []


def test_a_line_without_end_does_not_grow_in_memory_or_stop_the_others(tmp_path: Path) -> None:
    logs = PartLogs(tmp_path, max_bytes=10**9)
    logs.path("http").write_bytes(b"x" * 700_000 + b'\n{"event": "after", "level": "error"}\n')
    seen = [problem for _ in range(5) for problem in logs.problems("http")]
    assert seen == [("error", "after")]
