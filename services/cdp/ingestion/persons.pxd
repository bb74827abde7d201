# The C types of persons.py when it is compiled.
from services.cdp.ingestion.properties cimport Normalised


cpdef tuple storable(object properties)
cpdef object first_properties(Normalised event, str event_uuid)
cpdef object changed_properties(object current, Normalised event, str event_name)
cdef bint _only_noise(object current, object latest, str event_name) except -1
cdef bint _worth_writing(object current, object new, str event_name) except -1
cpdef Py_ssize_t size_of(object properties) except -1
cdef bint _too_large(object properties) except -1
