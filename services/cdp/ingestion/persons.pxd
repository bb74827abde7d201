# The C types of persons.py when it is compiled.
cimport cython
cimport libs.fastpath._members as _members
from services.cdp.ingestion.properties cimport Normalised


@cython.final
@cython.no_gc  # what it holds never holds it
cdef class Person:
    cdef public:
        long long team_id, version
        object uuid, created_at, stored_version, last_seen_at
        _members.Members properties
        bint is_deleted, is_identified, changed

    @cython.locals(mine=Person)
    cpdef Person copy(self)


@cython.final
@cython.no_gc
cdef class Link:
    cdef public:
        tuple key
        object person, stored_version
        long long version
        bint is_deleted, changed

    cpdef Link copy(self)


@cython.no_gc
cdef class Change:
    cdef readonly:
        _members.Members properties
        bint written
        tuple warnings


cpdef tuple storable(_members.Members properties)
cpdef Change first_properties(Normalised event, str event_uuid)
@cython.locals(
    latest=_members.Members,
    once=_members.Members,
    stored=_members.Members,
    stored_once=_members.Members,
    new=_members.Members,
    properties=_members.Members,
)
cpdef Change changed_properties(_members.Members current, Normalised event, str event_name)
cdef bint _only_noise(_members.Members current, _members.Members latest, str event_name) except -1
cdef bint _worth_writing(_members.Members current, _members.Members new, str event_name) except -1
cpdef Py_ssize_t size_of(_members.Members properties) except -1
cdef bint _too_large(_members.Members properties) except -1
