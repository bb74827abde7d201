"""Kafka's partitioner: 32-bit murmur2 over the key, as org.apache.kafka.common.utils.Utils.murmur2 computes it."""

from libc.stdint cimport uint32_t

cdef uint32_t SEED = 0x9747B28C
cdef uint32_t MULTIPLIER = 0x5BD1E995


cdef uint32_t _murmur2(const unsigned char* data, Py_ssize_t length) noexcept nogil:
    cdef uint32_t h = SEED ^ <uint32_t>length
    cdef uint32_t k
    cdef Py_ssize_t body = length & ~3
    cdef Py_ssize_t i = 0
    # Bytes are put together by hand: the word order must be little-endian on every machine.
    while i < body:
        k = (data[i] | (<uint32_t>data[i + 1] << 8) | (<uint32_t>data[i + 2] << 16) | (<uint32_t>data[i + 3] << 24))
        k *= MULTIPLIER
        k ^= k >> 24
        k *= MULTIPLIER
        h *= MULTIPLIER
        h ^= k
        i += 4
    if length > body:
        if length - body == 3:
            h ^= <uint32_t>data[body + 2] << 16
        if length - body >= 2:
            h ^= <uint32_t>data[body + 1] << 8
        h ^= data[body]
        h *= MULTIPLIER
    h ^= h >> 13
    h *= MULTIPLIER
    h ^= h >> 15
    return h


def murmur2(bytes data not None) -> int:
    """Kafka's 32-bit murmur2 of `data`, unsigned."""
    return _murmur2(<const unsigned char*>data, len(data))


def partition_of(bytes key not None, Py_ssize_t partitions) -> int:
    """The partition Kafka's default partitioner gives `key`, in 0..partitions-1."""
    if partitions < 1:
        raise ValueError("a topic has at least one partition")
    return <Py_ssize_t>(_murmur2(<const unsigned char*>key, len(key)) & 0x7FFFFFFF) % partitions
