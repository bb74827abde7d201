from collections.abc import Callable
from typing import Any

def pieces(
    payload: bytes, head: bytes, partitions: int, turn: int, max_records: int, max_bytes: int
) -> tuple[list[tuple[int, int, bytes]], int]: ...
def records(piece: bytes, make: Callable[..., Any], topic: str, partition: int, next_offset: int) -> list[Any]: ...
