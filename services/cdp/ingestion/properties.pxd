# The C types of properties.py when it is compiled.
cimport cython
from services.cdp.ingestion.parse cimport Incoming


@cython.no_gc
cdef class Normalised:
    cdef readonly:
        object properties, set, set_once
        tuple unset, warnings
        bint personless

cdef object _add_transport(object properties, Incoming event)
cdef tuple _personless(object properties, Incoming event)
cdef object _fill_os(object properties)
cdef tuple _add_automatic(object properties)
