# The C types of query.py when it is compiled.
cimport cython

cdef dict _usual
cdef tuple _newest
cdef Py_ssize_t _MOST_USUAL, _LONGEST_CLOCK


@cython.freelist(16)
@cython.no_gc
cdef class Query:
    cdef readonly:
        bytes data
        object compression, sent_at_ms
        bint beacon

    cdef object open(self, bytes data, object compression, object sent_at_ms, bint beacon)


@cython.locals(
    raw=cython.p_const_uchar, size=Py_ssize_t, begin=Py_ssize_t, end=Py_ssize_t, sent="long long", form=bytes,
    newest=tuple, found=Query)
cpdef Query parse_query(bytes query)
@cython.locals(raw=cython.p_const_uchar, expected=cython.p_const_uchar, size=Py_ssize_t, at=Py_ssize_t)
cdef bint _is_form(bytes form, bytes query, Py_ssize_t begin, Py_ssize_t end)
