from libc.stdint cimport uint32_t

cdef uint32_t _murmur2(const unsigned char* data, Py_ssize_t length) noexcept nogil
