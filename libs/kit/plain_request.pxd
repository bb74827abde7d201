# The C types of plain_request.py when it is compiled.
cimport cython

cdef bytes _START, _VERSION, _KINDS, _LENGTH, _CONNECTION
cdef dict _LOWER
cdef frozenset _UNUSUAL
cdef int _LONGEST_LENGTH


@cython.locals(
    raw=cython.p_const_uchar, kinds=cython.p_const_uchar, end=Py_ssize_t, first=Py_ssize_t, at=Py_ssize_t, question=Py_ssize_t,
    begin=Py_ssize_t, length=Py_ssize_t, path=bytes, query=bytes, headers=dict, written=bytes, name=bytes, value=bytes,
)
cpdef tuple plain_request(bytes data, Py_ssize_t most_head_bytes)
