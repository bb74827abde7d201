import ctypes
import subprocess
import sys

from tests.support.require import require

# a batch's worth of small buffers and a large one, made and let go of, as each batch does
FAULTS = """
import resource, sys
from libs.kit.heap import settle
if sys.argv[1] == "settled":
    settle()
def batch():
    return len([bytes(3_000) for _ in range(3_000)]), len(b"x" * 8_000_000)
batch()
batch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    batch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    return int(subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, check=True, timeout=60).stdout)


def test_memory_of_a_batch_is_there_for_the_next() -> None:
    require(hasattr(ctypes.CDLL(None), "mallopt"), "the C library is not glibc")
    assert faults("settled") * 10 < faults("as it comes")
