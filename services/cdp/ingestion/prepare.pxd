# The C types of prepare.py when it is compiled.
cimport cython
from services.cdp.ingestion.bots cimport is_bot
from services.cdp.ingestion.parse cimport Incoming


cdef class Draft:
    cdef readonly:
        Incoming event
        object team
    cdef public:
        bint edited, would_go
        str distinct_id, ip
        object properties, left, points, warned


cdef class Way:
    cdef readonly:
        tuple steps
        bint is_short, looks_for_bots


@cython.locals(event=Incoming, kept=list, token=str, decisions=dict, way=Way)
cpdef object prepared(object events, object teams, object around)
@cython.locals(event=Incoming)
cpdef dict sightings(object events, object teams, object fresh_from, object now)
@cython.locals(event=Incoming, found=list)
cpdef list cookieless_asked(object events)
