# The C types of definitions.py when it is compiled.
from services.cdp.ingestion.ordinary cimport Form


cdef class Finder:
    cdef:
        object _catalogue, _now
        set _met
        dict _quiet, _quiet_shapes
    cdef readonly object findings

    cpdef bint is_known(self, object team_id, str event, Form form, object properties) except -1
    cpdef object take(self, object team_id, str event, object properties, tuple of_person, object group_index)
    cdef object _shape(self, object team_id, str event, object index, object own, tuple others, object kind)
    cdef object _untyped(self, tuple shape)


cdef bint _typed(object names, object own, tuple others) except -1
