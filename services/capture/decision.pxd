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

    cdef object open(
        self, str method, str path, bytes query, dict headers, bytes body, object peer, long long now_us)


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

    cdef object open(
        self, object answer, object records, str refused, Py_ssize_t events, object drops, object not_taken, str token,
        bint historical, object blob)
