# The C types of accounting.py when it is compiled.
from libs.kit.tally cimport Tally


cdef class Accounting:
    cdef:
        Py_ssize_t _every, _successes
        Tally _events
        dict _requests
        str _method, _path
        int _status
        list _durations, _bodies
        bint _flushing

    cpdef object events(self, str result, str reason, Py_ssize_t events)
    cpdef object body(self, Py_ssize_t size)
    cpdef object answered(self, str method, str path, int status, double seconds, bytes request_id)
