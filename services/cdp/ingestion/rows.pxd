# The C types of rows.py when it is compiled.
cimport libs.fastpath._members as _members
from services.cdp.ingestion.ordinary cimport Form
from services.cdp.ingestion.parse cimport Incoming
from services.cdp.ingestion.persons cimport Person

cdef Py_ssize_t _MAX_EVENT_UNITS


cpdef object add_row(
    _members.RowBlock block,
    Incoming event,
    _members.Members properties,
    long long team_id,
    object timestamp,
    Person person,
    _members.Members person_properties,
    _members.Members person_set,
    str person_mode,
    object now,
)
cpdef bint add_ordinary_row(
    _members.RowBlock block, Incoming event, Form form, str name, Person person, object now, bytes headers
) except -1
cpdef bint add_formed_row(
    _members.RowBlock block,
    Incoming event,
    Form form,
    str name,
    object timestamp,
    Person person,
    _members.Members latest,
    _members.Members first,
    object now,
    bytes headers,
) except -1
cpdef object in_utc(object moment)
cdef str _take_elements(_members.Members properties)
cpdef str cut(str name)
