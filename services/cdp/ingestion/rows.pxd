# The C types of rows.py when it is compiled.
from services.cdp.ingestion.ordinary cimport Form
from services.cdp.ingestion.parse cimport Incoming


cpdef object add_row(object block, object made)
cpdef bint add_ordinary_row(
    object block, Incoming event, Form form, str name, object team_id, object person, object now
) except -1
cpdef object in_utc(object moment)
cdef str _take_elements(object properties)
cpdef str cut(str name)
