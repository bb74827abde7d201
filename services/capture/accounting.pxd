# The C types of accounting.py when it is compiled.
cimport cython


cdef class Accounting:
    cdef:
        Py_ssize_t _every, _successes
        dict _events, _requests
        list _bodies
        bint _flushing

    @cython.locals(name=tuple)
    cpdef object events(self, str result, str reason, Py_ssize_t events)
    cpdef object body(self, Py_ssize_t size)
    @cython.locals(name=tuple, durations=list)
    cpdef object answered(self, str method, str path, int status, double seconds, bytes request_id)
