# The C types of bodies.py when it is compiled.
cimport cython


cdef class BodyMemory:
    cdef public Py_ssize_t most, held

    cpdef object hold(self, Py_ssize_t size)


cpdef object check_size(Py_ssize_t size, Py_ssize_t most)


@cython.freelist(64)
@cython.no_gc
cdef class Body:
    cdef:
        BodyMemory _memory
        Py_ssize_t _max_bytes, _size
        bytes _first
        list _pieces

    @cython.locals(size=Py_ssize_t)
    cpdef object add(self, bytes piece)
    cpdef object check(self, Py_ssize_t size)
    cpdef object check_declared(self, bytes content_length)
    cpdef bytes take(self)
    cpdef object release(self)
    cdef object _drop(self)
