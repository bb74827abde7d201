"""Both versions of the partitioner, against Kafka's own values and aiokafka's."""

import random
from types import ModuleType

import pytest
from aiokafka.partitioner import murmur2 as aiokafka_murmur2

from libs.fastpath import _murmur2_py

try:
    from libs.fastpath import _murmur2
except ImportError:
    _murmur2 = None  # type: ignore[assignment]

# org.apache.kafka.common.utils.UtilsTest.testMurmur2
KAFKAS = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.fixture(params=[_murmur2, _murmur2_py], ids=["cython", "python"])
def version(request: pytest.FixtureRequest) -> ModuleType:
    if request.param is None:
        pytest.skip("libs.fastpath is not compiled here")
    return request.param


@pytest.mark.parametrize(("key", "signed"), KAFKAS.items())
def test_hash_is_kafkas(version: ModuleType, key: bytes, signed: int) -> None:
    assert version.murmur2(key) == signed & 0xFFFFFFFF


def test_hash_is_aiokafkas_for_every_length(version: ModuleType) -> None:
    chance = random.Random(7)
    for length in [*range(70), 255, 4096]:
        key = chance.randbytes(length)
        assert version.murmur2(key) == aiokafka_murmur2(key) & 0xFFFFFFFF


@pytest.mark.parametrize("partitions", [1, 4, 30, 1000])
def test_partition_is_the_positive_hash_modulo(version: ModuleType, partitions: int) -> None:
    for number in range(200):
        key = b"phc_token:%d" % number
        assert version.partition_of(key, partitions) == (aiokafka_murmur2(key) & 0x7FFFFFFF) % partitions


def test_no_partitions_is_a_mistake(version: ModuleType) -> None:
    with pytest.raises(ValueError, match="at least one partition"):
        version.partition_of(b"key", 0)
