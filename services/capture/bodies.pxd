# The C types of bodies.py when it is compiled.
cimport cython


cdef class BodyMemory:
    cdef public Py_ssize_t most, held


@cython.freelist(64)
cdef class Body:
    cdef public:
        BodyMemory _memory
        Py_ssize_t _max_bytes, _size
        list _pieces
