"""Kafka's partitioner in plain Python: the reference, fallback and oracle of `_murmur2.pyx`."""

MASK = 0xFFFFFFFF
SEED = 0x9747B28C  # org.apache.kafka.common.utils.Utils.murmur2
MULTIPLIER = 0x5BD1E995


def murmur2(data: bytes) -> int:
    """Kafka's 32-bit murmur2 of `data`, unsigned."""
    length = len(data)
    h = SEED ^ length
    body = length & ~3
    for start in range(0, body, 4):
        k = int.from_bytes(data[start : start + 4], "little") * MULTIPLIER & MASK
        k = (k ^ (k >> 24)) * MULTIPLIER & MASK
        h = (h * MULTIPLIER & MASK) ^ k
    if length > body:
        h = (h ^ int.from_bytes(data[body:], "little")) * MULTIPLIER & MASK
    h = (h ^ (h >> 13)) * MULTIPLIER & MASK
    return h ^ (h >> 15)


def partition_of(key: bytes, partitions: int) -> int:
    """The partition Kafka's default partitioner gives `key`, in 0..partitions-1."""
    if partitions < 1:
        raise ValueError("a topic has at least one partition")
    return (murmur2(key) & 0x7FFFFFFF) % partitions
