"""Compiled twin of `_seen_py.py`, which says what this promises. Bit for bit the same answers."""

from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

cdef enum:
    KEY_BYTES = 16
    WORDS = 8

cdef class SeenFilter:
    cdef uint64_t* _current
    cdef uint64_t* _previous
    cdef uint64_t _blocks
    cdef readonly Py_ssize_t current_count
    cdef readonly Py_ssize_t previous_count

    def __cinit__(self, Py_ssize_t memory_bytes):
        self._blocks = memory_bytes // (2 * WORDS * 8)
        if memory_bytes <= 0 or self._blocks == 0:
            raise ValueError("a filter needs at least 128 bytes")
        # calloc: pages that no key has touched cost no memory
        self._current = <uint64_t*>calloc(self._blocks * WORDS, sizeof(uint64_t))
        self._previous = <uint64_t*>calloc(self._blocks * WORDS, sizeof(uint64_t))
        if self._current is NULL or self._previous is NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self._current)
        free(self._previous)

    @property
    def memory_bytes(self):
        return self._blocks * WORDS * 8 * 2

    def add(self, bytes key not None):
        if len(key) != KEY_BYTES:
            raise ValueError("a key is 16 bytes")
        self._add(key)

    def add_packed(self, bytes keys not None):
        cdef Py_ssize_t size = len(keys)
        cdef Py_ssize_t at
        cdef const char* start = keys
        if size % KEY_BYTES:
            raise ValueError("keys are 16 bytes each")
        for at in range(0, size, KEY_BYTES):
            self._add(start + at)

    def maybe(self, bytes key not None):
        if len(key) != KEY_BYTES:
            raise ValueError("a key is 16 bytes")
        cdef uint64_t place, bits
        cdef const char* start = key
        memcpy(&place, start, 8)
        memcpy(&bits, start + 8, 8)
        cdef uint64_t base = (place % self._blocks) * WORDS
        return _holds(self._current + base, bits) or _holds(self._previous + base, bits)

    def rotate(self):
        self._current, self._previous = self._previous, self._current
        memset(self._current, 0, self._blocks * WORDS * sizeof(uint64_t))
        self.previous_count = self.current_count
        self.current_count = 0

    cdef void _add(self, const char* key) noexcept:
        cdef uint64_t place, bits
        cdef int word
        memcpy(&place, key, 8)
        memcpy(&bits, key + 8, 8)
        cdef uint64_t* block = self._current + (place % self._blocks) * WORDS
        for word in range(WORDS):
            block[word] |= (<uint64_t>1) << ((bits >> (word * 6)) & 63)
        self.current_count += 1


cdef bint _holds(const uint64_t* block, uint64_t bits) noexcept:
    cdef int word
    for word in range(WORDS):
        if not (block[word] >> ((bits >> (word * 6)) & 63)) & 1:
            return False
    return True
