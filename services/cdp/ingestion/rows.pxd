# The C types of rows.py when it is compiled.
cimport libs.fastpath._members as _members
from services.cdp.ingestion.ordinary cimport Form
from services.cdp.ingestion.parse cimport Incoming
from services.cdp.ingestion.persons cimport Person

cdef Py_ssize_t _MAX_EVENT_UNITS


cpdef object add_row(_members.RowBlock block, object made)
cpdef bint add_ordinary_row(
    _members.RowBlock block, Incoming event, Form form, str name, Person person, object now, bytes headers
) except -1
cpdef object in_utc(object moment)
cdef str _take_elements(object properties)
cpdef str cut(str name)
