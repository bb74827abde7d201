# The C types of outcomes.py when it is compiled.
cimport cython

cdef Py_ssize_t _WAITING_COUNTS


cdef class Outcomes:
    cdef public:
        object _state, _clock, _add, _drops
        str _step
        dict _counts

    @cython.locals(name=tuple)
    cpdef object count(self, object owner, str result, str reason, Py_ssize_t events)
