# The C types of plain_request.py when it is compiled.
cimport cython

cdef bytes _START, _VERSION, _KINDS, _KEEP_ALIVE, _ROWS, _FIRST, _MEANS
cdef list _NAMES
cdef int _LONGEST_LENGTH, _LONGEST_NAME, _READ, _IS_UNREAD, _IS_LENGTH, _IS_CONNECTION


@cython.locals(
    raw=cython.p_const_uchar, kinds=cython.p_const_uchar, means=cython.p_const_uchar, end=Py_ssize_t, first=Py_ssize_t, at=Py_ssize_t, question=Py_ssize_t,
    begin=Py_ssize_t, length=Py_ssize_t, path=bytes, query=bytes, headers=dict, name=bytes,
    colon=Py_ssize_t, value_at=Py_ssize_t, known=Py_ssize_t, meaning=int,
)
cpdef tuple plain_request(bytes data, Py_ssize_t most_head_bytes)
@cython.locals(expected=cython.p_const_uchar, place=Py_ssize_t)
cdef bint _stands(cython.p_const_uchar raw, Py_ssize_t at, Py_ssize_t end, bytes text)
@cython.locals(
    rows=cython.p_const_uchar, first=cython.p_const_uchar, size=Py_ssize_t, place=Py_ssize_t, at=Py_ssize_t,
    width=Py_ssize_t, row=Py_ssize_t, after=Py_ssize_t,
)
cdef Py_ssize_t _row(cython.p_const_uchar raw, Py_ssize_t begin, Py_ssize_t end)
@cython.locals(expected=cython.p_const_uchar, place=Py_ssize_t)
cdef bint _spells(cython.p_const_uchar raw, Py_ssize_t begin, Py_ssize_t end, bytes text)
@cython.locals(number=Py_ssize_t, place=Py_ssize_t)
cdef Py_ssize_t _number(cython.p_const_uchar raw, Py_ssize_t begin, Py_ssize_t end)
