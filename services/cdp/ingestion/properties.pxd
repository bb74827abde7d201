# The C types of properties.py when it is compiled.
cimport cython
cimport libs.fastpath._members as _members
from services.cdp.ingestion.parse cimport Incoming


@cython.no_gc
cdef class Normalised:
    cdef readonly:
        _members.Members properties, set, set_once
        object form
        tuple unset, warnings
        bint personless

cdef object _add_transport(_members.Members properties, Incoming event)
cdef tuple _personless(_members.Members properties, Incoming event)
cdef object _fill_os(_members.Members properties)
@cython.locals(latest=_members.Members, first=_members.Members, given=_members.Members)
cdef tuple _add_automatic(_members.Members properties)
