# The C types of decision.py when it is compiled.
cimport cython


@cython.freelist(64)
@cython.no_gc
cdef class Request:
    cdef readonly:
        str method, path
        bytes query, body
        dict headers
        object peer
        long long now_us


cdef class Limits:
    cdef readonly:
        Py_ssize_t max_inflated_bytes, max_record_bytes, max_events
        str blob_bucket


@cython.freelist(64)
@cython.no_gc
cdef class Decision:
    cdef readonly:
        object answer, records, drops, not_taken, blob
        Py_ssize_t events
        str refused, token
        bint historical
