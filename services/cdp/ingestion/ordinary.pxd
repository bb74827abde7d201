# The C types of ordinary.py when it is compiled.
cimport cython
cimport libs.fastpath._members as _members
from services.cdp.ingestion.parse cimport Incoming


cdef class Form:
    cdef readonly:
        _members.Layout layout
        object sources
        bytes own, theirs


cdef class _Forms:
    cdef:
        tuple _asked
        object _decide
        dict _known

    cdef Form of(self, _members.Members properties)


@cython.locals(forms=_Forms)
cpdef Form form_of(Incoming event, bint anonymize_ips)
