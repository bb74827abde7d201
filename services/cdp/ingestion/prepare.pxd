# The C types of prepare.py when it is compiled.
cimport cython
from services.cdp.ingestion.parse cimport Incoming


cdef class Draft:
    cdef readonly:
        Incoming event
        object team
    cdef public:
        bint edited, would_go
        str distinct_id, ip
        object properties, left, points, warned


@cython.locals(event=Incoming, kept=list, token=str, decisions=dict, steps=tuple)
cpdef object prepared(object events, object teams, object around)
