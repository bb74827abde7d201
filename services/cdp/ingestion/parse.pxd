# The C types of parse.py when it is compiled.
cimport cython
cimport libs.fastpath._members as _members
from libs.kit.contracts.arrival cimport arrived_ms


@cython.no_gc  # what it holds never holds it
cdef class Incoming:
    cdef readonly:
        # first what every step looks at
        str token, event, distinct_id
        _members.Members properties
        bytes agent
        object record, timestamp, now
        str uuid, ip, sent_at
        long long partition, offset, arrived_ms
        bint force_personless, historical_migration

    @cython.locals(name=str, value=bytes)
    cpdef object of(self, object record)

cpdef object parse(object record)
@cython.locals(found=_members.Captured, event=Incoming)
cdef Incoming _ordinary(object record)
