"""The rows of an INSERT, held until all have come.

The engine's own ways to take rows are not to be trusted with them: the streaming one reports success when the table,
a constraint or a materialized view refuses the block, and rows inlined in a statement's text end at the first blank
line, after which the engine runs what follows as the next statement. `FROM INFILE` on a file in memory has neither
fault: rows are rows whatever they contain, and everything that goes wrong is raised.
"""

import mmap
import os
import re

from hedgerow.embedded.clickhouse import errors
from hedgerow.embedded.clickhouse.errors import ServerException, refusal
from hedgerow.embedded.clickhouse.statements import (
    infile_place,
    input_calls,
    may_name_local_files,
    refuse_local_files,
)

_PATH_IN_MESSAGE = re.compile(r":? ?\(in file/uri /proc/self/fd/\d+\)")


class InsertBudget:
    """Bytes that all inserts together may hold."""

    def __init__(self, max_bytes: int):
        self.max_bytes = max_bytes
        self.held = 0


class InsertData:
    """Rows in the input format, in memory. Must be closed, and stay open while the engine reads."""

    def __init__(self, budget: InsertBudget):
        self._budget = budget
        self._size = 0
        self._descriptor = os.memfd_create("insert", os.MFD_CLOEXEC)

    def __enter__(self) -> "InsertData":
        return self

    def __exit__(self, *exception: object) -> None:
        os.close(self._descriptor)
        self._budget.held -= self._size
        self._size = 0

    def append(self, data: bytes | bytearray) -> None:
        """More rows. Raises 307 when this insert is too large, 202 when others hold what it needs."""
        budget, size = self._budget, len(data)
        if self._size + size > budget.max_bytes:
            raise refusal(errors.TOO_LARGE, f"An insert is larger than {budget.max_bytes} bytes: send it in parts")
        if budget.held + size > budget.max_bytes:
            text = f"Too many simultaneous inserts: together they are larger than {budget.max_bytes} bytes"
            raise refusal(errors.TOO_MANY_SIMULTANEOUS_QUERIES, text)
        budget.held += size
        self._size += size
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            raise refusal(errors.NOT_ENOUGH_SPACE, f"Cannot hold the rows of an insert: {error.strerror}") from None

    def refuse_unsafe(self, input_format: str) -> None:
        """Raise for rows that are expressions and name the machine's files."""
        if self._size and input_format.lower() == "values":
            with mmap.mmap(self._descriptor, self._size, prot=mmap.PROT_READ) as rows:
                if may_name_local_files(rows):
                    refuse_local_files(rows[:].decode("latin-1"))

    def statement(self, head: str, input_format: str) -> str:
        """The INSERT that reads these rows; in place of input(STRUCTURE), where the head has that, and 48 if twice."""
        file = f"'/proc/self/fd/{self._descriptor}'"
        if calls := input_calls(head):
            if len(calls) > 1:
                raise refusal(errors.NOT_IMPLEMENTED, "The table function input() may be called once")
            [(start, end)] = calls
            return f"{head[:start]}file({file}, '{input_format}', {head[end:]}"
        place = infile_place(head)
        source = f"\nFROM INFILE {file} COMPRESSION 'none' "
        return f"{head[:place]}{source}{head[place:]}\nFORMAT {input_format}"


def told_without_path(error: ServerException) -> ServerException:
    """The engine's error without the name of the file, which nobody asked for."""
    return ServerException(error.code, _PATH_IN_MESSAGE.sub("", error.message))
