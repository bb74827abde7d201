"""C shapes of `_members.pyx`, for those who call it as C functions: what decides about each event."""

cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t

cdef struct Value:
    PyObject* owner
    const uint8_t* start
    Py_ssize_t size

cdef struct Prefix:
    # `"name":`
    const uint8_t* start
    Py_ssize_t size

cdef struct Buffer:
    uint8_t* bytes
    Py_ssize_t used
    Py_ssize_t room
    PyObject* owner  # the bytes object that this is the inside of, which nobody else has; NULL for memory of its own

cdef class Onto
cdef class Picker
cdef class Members

cdef class Shape:
    cdef:
        readonly tuple names
        readonly bint shared
        Py_ssize_t count
        Prefix* prefixes
        tuple texts
        dict index
        dict longer  # name -> this shape and that name
        dict shorter  # place -> this shape without it
        dict onto  # Shape -> Onto
        dict decided
        bytes _digest

    cpdef object decision(self, object decide)
    cdef Shape plus(self, str name)
    cdef Shape minus(self, Py_ssize_t at)
    cdef Onto laid(self, Shape other)

cdef class Places:
    cdef Py_ssize_t* at

    cdef int hold(self, list places) except -1

cdef class Onto(Places):
    cdef Shape shape

cdef class Picker(Places):
    cdef:
        Shape source
        readonly Shape shape
        Shape given

    cdef Py_ssize_t size_of(self, Members given) noexcept

@cython.final
cdef class Members:
    cdef:
        readonly Shape shape
        Value* slots
        Py_ssize_t held  # the first of `slots` that are in use
        Py_ssize_t packed  # of these, the first that stand one behind the other in one text, as `encoded` writes them
        Py_ssize_t room

    cpdef object raw(self, object name)
    cpdef object opens(self, object name)
    cpdef bytes common(self, object name)
    cpdef object plain_text(self, object name)
    cpdef Members inner(self, object name)
    cpdef Members copy(self)
    cpdef bytes encoded(self)
    cpdef bint is_plain(self) except -1
    cpdef Py_ssize_t size(self) except -1
    cpdef object drop(self, object names)
    cpdef Members picked(self, Picker picker, Members given=*)
    cpdef Members merged(self, Members other)
    cpdef Members differing(self, Members other)
    cpdef Members completed(self, Members other)
    cpdef Members filling(self, Members other, Members but)
    cdef Py_ssize_t _size(self) noexcept
    cdef uint8_t* _run(self, uint8_t* into, Py_ssize_t at, Py_ssize_t behind) noexcept
    cdef void _unpack(self, Py_ssize_t at) noexcept
    cdef bytes _bytes(self, Py_ssize_t at)
    cdef int _drop(self, Py_ssize_t at) except -1
    cdef int _copy_into(self, Members made) except -1
    cpdef int warm(self) except -1
    cdef Members _those(self, list places)

@cython.final
cdef class Captured:
    cdef readonly:
        str uuid, event, distinct_id, token, ip, sent_at
        object timestamp, now
        bint historical_migration
        bytes latest, first
        Members properties

cpdef int near(list objects, Py_ssize_t place) except -1
cpdef int near_text(bytes text) except -1


cdef class Layout(Places):
    cdef:
        readonly Shape source
        readonly Shape shape
        readonly Picker latest
        readonly Picker first
        Py_ssize_t session  # the place of what must not hold a capital, or -1
        Py_ssize_t chain
        list constants
        uint8_t* ignored
        Py_ssize_t* runs  # by place in the row: where those end that stand side by side in the source too
        readonly bint given  # latest or first are picked from what is given besides, too

    cpdef bint suits(self, Members properties) except -1

@cython.final
cdef class RowBlock:
    cdef:
        Buffer out
        Py_ssize_t whole  # of what is in `out`: behind it is what is left of a record that could not be written
        Py_ssize_t count
        Py_ssize_t size

    cdef int _open(self, Py_ssize_t room) except -1
    cdef Py_ssize_t _begin(self, const char* key, Py_ssize_t size) except -1
    cdef int _end(self, Py_ssize_t key_size, Py_ssize_t value_size, bytes headers) except -1
    cpdef object add(self, bytes key, bytes value, bytes headers)
    cpdef bint add_laid_out(
        self,
        Layout layout,
        Members properties,
        Members person_properties,
        Members latest,
        Members first,
        str ip,
        str sent_at,
        str uuid,
        str event,
        object timestamp,
        int64_t team_id,
        str distinct_id,
        object created_at,
        object captured_at,
        object person_id,
        object person_created_at,
        bint historical_migration,
        bytes headers,
    ) except -1
    cpdef object add_stored(
        self,
        str uuid,
        str event,
        Members properties,
        object timestamp,
        int64_t team_id,
        str distinct_id,
        str elements_chain,
        object created_at,
        object captured_at,
        object person_id,
        Members person_properties,
        Members person_set,
        object person_created_at,
        str person_mode,
        bint historical_migration,
        bytes headers,
    )
    cpdef object add_person(
        self,
        object identity,
        int64_t team_id,
        object created_at,
        object last_seen_at,
        Members properties,
        bint is_identified,
        bint is_deleted,
        int64_t version,
    )
    cpdef object add_distinct_id(
        self, str distinct_id, int64_t team_id, object person, bint is_deleted, int64_t version
    )
