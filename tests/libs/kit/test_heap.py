import ctypes
import subprocess
import sys

from tests.support.require import require

# a batch's worth of buffers, made and let go of, as each batch does
FAULTS = """
import resource, sys
from libs.kit.heap import settle
if sys.argv[1] == "settled":
    settle()
def batch():
    return len([b"x" * int(sys.argv[2]) for _ in range(int(sys.argv[3]))])
batch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    batch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str, size: int, number: int) -> int:
    command = [sys.executable, "-c", FAULTS, how, str(size), str(number)]
    return int(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)


def test_memory_of_a_batch_is_there_for_the_next() -> None:
    require(hasattr(ctypes.CDLL(None), "mallopt"), "the C library is not glibc")
    assert faults("settled", 3_000, 3_000) * 10 < faults("as it comes", 3_000, 3_000)


def test_so_is_that_of_its_largest_blocks() -> None:
    """Columns of a batch are some MiB each."""
    require(hasattr(ctypes.CDLL(None), "mallopt"), "the C library is not glibc")
    assert faults("settled", 8_000_000, 4) < 8_000_000 // 4096
