# The C types of definitions.py when it is compiled.
cimport libs.fastpath._members as _members
from services.cdp.ingestion.ordinary cimport Form


cdef class Finder:
    cdef:
        object _catalogue, _now
        set _met
        dict _quiet, _quiet_shapes
    cdef readonly object findings

    cpdef bint is_known(
        self, object team_id, str event, Form form, _members.Members properties, tuple of_person=*
    ) except -1
    cpdef object take(self, object team_id, str event, object properties, tuple of_person, object group_index)
    cdef object _shape(self, object team_id, str event, object index, object own, tuple others, object kind)
    cdef object _untyped(self, tuple shape)


cdef bint _typed(object names, _members.Members own, tuple others) except -1
