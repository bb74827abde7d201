# The C types of persons.py when it is compiled.
from services.cdp.ingestion.properties cimport Normalised


cpdef object first_properties(Normalised event, str event_uuid)
cpdef object changed_properties(object current, Normalised event, str event_name)
cdef object _those(object properties, object names)
cdef dict _changed(object current, object latest)
cdef bint _fills(object present, object value) except -1
cdef bint _only_noise(object current, object names, str event_name) except -1
