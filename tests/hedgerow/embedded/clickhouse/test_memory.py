"""Only code that nothing ever wrote to is given back."""

from hedgerow.embedded.clickhouse.memory import code_mappings

MAPS = """\
1000-3000 r--p 00000000 fe:01 77 /lib/x.so
3000-5000 r-xp 00002000 fe:01 77 /lib/x.so with a blank
5000-6000 rw-p 00004000 fe:01 77 /lib/x.so
6000-9000 rw-p 00000000 00:00 0
9000-a000 r-xp 00000000 00:00 0 [vdso]
a000-b000 r--p 00003000 fe:01 77 /lib/x.so
"""


def test_only_executable_mappings_of_files_are_dropped() -> None:
    assert list(code_mappings(MAPS)) == [(0x3000, 0x2000)]
