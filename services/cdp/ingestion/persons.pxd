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


cpdef tuple storable(object properties)
cpdef object first_properties(Normalised event, str event_uuid)
cpdef object changed_properties(object current, Normalised event, str event_name)
cdef bint _only_noise(object current, object latest, str event_name) except -1
cdef bint _worth_writing(object current, object new, str event_name) except -1
cpdef Py_ssize_t size_of(object properties) except -1
cdef bint _too_large(object properties) except -1
