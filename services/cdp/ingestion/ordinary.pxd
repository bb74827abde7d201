# The C types of ordinary.py when it is compiled.
cimport cython
cimport libs.fastpath._members as _members
from services.cdp.ingestion.parse cimport Incoming
from services.cdp.ingestion.properties cimport Normalised


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
        bint latest, first

    @cython.locals(key=tuple)
    cdef Form of(self, _members.Members properties, object latest, object first)


@cython.locals(forms=_Forms)
cpdef Form form_of(Incoming event, bint anonymize_ips)
@cython.locals(
    forms=_Forms,
    form=Form,
    layout=_members.Layout,
    properties=_members.Members,
    latest=_members.Members,
    first=_members.Members,
)
cpdef Normalised said_of(Incoming event, bint anonymize_ips)
cdef object _of_shape(Incoming event, bint anonymize_ips)
