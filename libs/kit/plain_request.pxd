# The C types of plain_request.py when it is compiled.
cimport cython

cdef bytes _START, _VERSION, _KINDS, _LENGTH, _CONNECTION, _KEEP_ALIVE
cdef dict _LOWER
cdef frozenset _UNUSUAL
cdef bytes _UNREAD, _UNREAD_AT
cdef int _LONGEST_LENGTH, _LONGEST_UNREAD


@cython.locals(
    raw=cython.p_const_uchar, kinds=cython.p_const_uchar, end=Py_ssize_t, first=Py_ssize_t, at=Py_ssize_t, question=Py_ssize_t,
    begin=Py_ssize_t, length=Py_ssize_t, path=bytes, query=bytes, headers=dict, written=bytes, name=bytes,
    colon=Py_ssize_t, value_at=Py_ssize_t,
)
cpdef tuple plain_request(bytes data, Py_ssize_t most_head_bytes)
@cython.locals(expected=cython.p_const_uchar, place=Py_ssize_t)
cdef bint _stands(cython.p_const_uchar raw, Py_ssize_t at, Py_ssize_t end, bytes text)
@cython.locals(
    names=cython.p_const_uchar, places=cython.p_const_uchar, size=Py_ssize_t, place=Py_ssize_t, at=Py_ssize_t,
    after=Py_ssize_t,
)
cdef bint _is_unread(cython.p_const_uchar raw, Py_ssize_t begin, Py_ssize_t end)
@cython.locals(expected=cython.p_const_uchar, place=Py_ssize_t)
cdef bint _spells(cython.p_const_uchar raw, Py_ssize_t begin, Py_ssize_t end, bytes text)
@cython.locals(number=Py_ssize_t, place=Py_ssize_t)
cdef Py_ssize_t _number(cython.p_const_uchar raw, Py_ssize_t begin, Py_ssize_t end)
