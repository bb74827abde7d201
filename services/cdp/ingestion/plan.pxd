# The C types of plan.py when it is compiled.
cimport cython
cimport libs.fastpath._members as _members
from services.cdp.ingestion.definitions cimport Finder
from services.cdp.ingestion.merging cimport merge_asked
from services.cdp.ingestion.ordinary cimport Form, form_of
from services.cdp.ingestion.parse cimport Incoming
from services.cdp.ingestion.people cimport People
from services.cdp.ingestion.persons cimport changed_properties, first_properties
from services.cdp.ingestion.properties cimport Normalised
from services.cdp.ingestion.rows cimport add_ordinary_row, add_row, cut
from services.cdp.ingestion.updates cimport link_record, person_record


cdef class _Planner


@cython.no_gc
cdef class Owner:
    cdef readonly:
        object person, properties, latest
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


cpdef list parsed(object records)
@cython.locals(event=Incoming)
cdef object _warm(object events, Py_ssize_t place)
@cython.locals(planner=_Planner, number=Py_ssize_t, taken=Incoming, partition="long long", fresh="long long")
cpdef object plan(object events, object known, object fresh_from, object refused, object now)


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
        list _ai

    cdef object reject(self, object rejected)
    @cython.locals(terms=_Terms)
    cdef object take(self, Incoming event, bint fresh)
    @cython.locals(form=Form, name=str)
    cdef bint _takes_ordinary(self, Incoming event, _Terms terms) except -1
    cdef bint _is_passing_flag(self, Incoming event, object team) except -1
    cdef object finished(self)
    @cython.locals(owner=Owner)
    cdef object _store(self, _Taken taken)
    cdef object _row(self, _Taken taken, Owner owner, object properties)
    cdef Owner _owner(self, _Taken taken)
    cdef object _created(self, _Taken taken, tuple key, bint identified)
    cdef object _update(self, _Taken taken, object person)
    cdef object _merge(self, _Taken taken)
    cdef object _merged(self, _Taken taken, object asked, tuple target, tuple other)
    cdef object _made_of_both(self, _Taken taken, tuple target, tuple other)
    cdef object _met(self, tuple key)
    cdef Owner _personless_owner(self, _Taken taken)
    cdef object _take_groups(self, _Taken taken, object properties)
    @cython.locals(said=Normalised)
    cdef object _define(self, _Taken taken)
    cdef object _count(self, str result, str reason)
