# The C types of needs.py when it is compiled.
cimport cython
cimport libs.fastpath._members as _members
from services.cdp.ingestion.merging cimport merge_asked
from services.cdp.ingestion.parse cimport Incoming


@cython.locals(
    event=Incoming, token=str, name=str, distinct_id=str, opted_out=bint, persons=dict, properties=_members.Members
)
cpdef object needs(object events, object teams, object fresh_from)
@cython.locals(persons=dict, personless=set)
cdef object _merge(object asked, Incoming event, tuple key, bint fresh)
