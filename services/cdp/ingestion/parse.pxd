# The C types of parse.py when it is compiled.
cimport cython
cimport libs.fastpath._members as _members


@cython.no_gc  # what it holds never holds it
cdef class Incoming:
    cdef readonly:
        object record, timestamp, now
        _members.Members properties
        str uuid, event, distinct_id, token, ip, sent_at
        long long partition, offset, arrived_ms
        bint force_personless, historical_migration
    cdef public Py_ssize_t place

cpdef object parse(object record)
cdef Incoming _ordinary(object record)
