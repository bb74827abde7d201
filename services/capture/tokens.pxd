# The C types of tokens.py when it is compiled.
cimport cython

cdef set _flawless
cdef str _newest
cdef Py_ssize_t _MOST_FLAWLESS


@cython.locals(tokens=set)
cpdef str one_token(object found, Py_ssize_t events)
cpdef str checked_token(str token, Py_ssize_t events)
