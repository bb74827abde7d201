# The C types of accounting.py when it is compiled.


cdef class Accounting:
    cdef public:
        Py_ssize_t _every, _successes
        dict _events, _requests
        list _bodies
        object _loop
