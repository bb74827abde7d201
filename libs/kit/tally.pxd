# The C types of tally.py when it is compiled.
cimport cython


cdef class Tally:
    cdef:
        Py_ssize_t _most, _events
        dict _counts
        str _whose, _result, _reason

    cpdef object add(self, str whose, str result, str reason, Py_ssize_t events)
    cpdef dict taken(self)
    @cython.locals(name=tuple)
    cdef object _settle(self)
