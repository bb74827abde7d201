# The C types of decoding.py when it is compiled.
cimport cython
from services.capture.query cimport Query


@cython.freelist(16)
@cython.no_gc
cdef class Payload:
    cdef readonly:
        object raw
        bint inflated


@cython.locals(sent=bytes, payload=Payload)
cpdef Payload decode_payload(Query query, bytes content_type, bytes content_encoding, bytes body, Py_ssize_t max_inflated)
cdef Payload _uncompressed(object raw, object hint, Py_ssize_t max_inflated)
cpdef object inflate(object raw, Py_ssize_t limit)
