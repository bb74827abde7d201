# The C types of ordinary.py when it is compiled.
cimport cython
from services.cdp.ingestion.parse cimport Incoming


cdef class Form:
    cdef readonly:
        object layout, sources
        bytes own, theirs


cdef class _Forms:
    cdef:
        tuple _asked
        object _decide
        dict _known

    cdef Form of(self, object properties)


@cython.locals(forms=_Forms)
cpdef Form form_of(Incoming event, bint anonymize_ips)
