# The C types of plan.py when it is compiled.
cimport cython
cimport libs.fastpath._members as _members
from libs.fastpath._members cimport near, near_text
from services.cdp.ingestion.definitions cimport Finder
from services.cdp.ingestion.merging cimport merge_asked
from services.cdp.ingestion.ordinary cimport Form, form_of, said_of
from services.cdp.ingestion.parse cimport Incoming, parse
from services.cdp.ingestion.people cimport People
from services.cdp.ingestion.persons cimport Change, Person, changed_properties, first_properties
from services.cdp.ingestion.properties cimport Normalised
from services.cdp.ingestion.rows cimport add_formed_row, add_ordinary_row, add_row, cut
from services.cdp.ingestion.updates cimport link_records, person_records


cdef Py_ssize_t AHEAD

cdef class _Planner


@cython.no_gc
cdef class Owner:
    cdef readonly:
        Person person
        _members.Members properties, latest
        str mode


@cython.no_gc
cdef class _Taken:
    cdef readonly:
        object team, happened
        Incoming event
        Normalised said
        bint fresh
        tuple key


@cython.no_gc
cdef class _Terms:
    cdef:
        object team, team_id
        bint anonymize_ips, opted_out, known


@cython.locals(events=list, number=Py_ssize_t)
cpdef list parsed(list records)
@cython.locals(planner=_Planner, number=Py_ssize_t, taken=Incoming, partition="long long", fresh="long long")
cpdef object plan(list events, object known, object fresh_from, set refused, object now)


cdef class _Planner:
    cdef:
        object _now, _groups, _plan, _listed, _merge_limit
        _members.RowBlock _rows
        dict _terms
        str _token
        _Terms _latest
        People _people
        Finder _finder
        Py_ssize_t _ok
        long long _arrived_ms
        bytes _headers
        _members.RowBlock _ai

    @cython.locals(event=Incoming)
    cdef object look_ahead(self, list events, Py_ssize_t number)
    cdef object reject(self, object rejected)
    @cython.locals(terms=_Terms)
    cdef object take(self, Incoming event, bint fresh)
    @cython.locals(form=Form, name=str, person=Person)
    cdef bint _takes_ordinary(self, Incoming event, _Terms terms) except -1
    @cython.locals(said=Normalised)
    cdef Normalised _formed(self, Incoming event, _Terms terms)
    cdef bint _is_passing_flag(self, Incoming event, object team) except -1
    cdef object finished(self)
    @cython.locals(owner=Owner, properties=_members.Members, light=_members.Members)
    cdef object _store(self, _Taken taken)
    @cython.locals(event=Incoming, said=Normalised)
    cdef object _add_formed_row(self, _Taken taken, Owner owner, Form form)
    cdef bytes _headers_of(self, Incoming event)
    cdef object _add_row(self, _members.RowBlock block, _Taken taken, Owner owner, _members.Members properties)
    @cython.locals(merged=Person, person=Person, start=Change)
    cdef Owner _owner(self, _Taken taken)
    @cython.locals(start=Change)
    cdef Person _created(self, _Taken taken, tuple key, bint identified)
    @cython.locals(change=Change)
    cdef object _update(self, _Taken taken, Person person)
    @cython.locals(person=Person)
    cdef Person _merge(self, _Taken taken)
    @cython.locals(ours=Person, theirs=Person, person=Person, at=Py_ssize_t, other_at=Py_ssize_t)
    cdef Person _merged(self, _Taken taken, object asked, tuple target, tuple other)
    @cython.locals(person=Person)
    cdef Person _made_of_both(self, _Taken taken, tuple target, tuple other)
    cdef int _met(self, tuple key) except -1
    @cython.locals(person=Person)
    cdef Owner _personless_owner(self, _Taken taken)
    cdef object _take_groups(self, _Taken taken, object properties)
    @cython.locals(said=Normalised)
    cdef object _define(self, _Taken taken)
    cdef object _count(self, str result, str reason)
