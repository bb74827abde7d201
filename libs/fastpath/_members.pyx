"""Compiled twin of `_members_py.py`, which says what this promises. The same members, the same bytes.

`_scan_json.h` steps over values. Here names become a Shape, met once and then found by their bytes, and values stay
where they are: a pointer, a length, and the bytes object that keeps them alive.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.datetime cimport (
    datetime_day, datetime_hour, datetime_microsecond, datetime_minute, datetime_month, datetime_new, datetime_second,
    datetime_year, import_datetime
)
from cpython.list cimport PyList_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF, Py_REFCNT, Py_XDECREF
from cpython.unicode cimport PyUnicode_1BYTE_DATA, PyUnicode_AsUTF8AndSize, PyUnicode_DecodeUTF8, PyUnicode_New
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy, memset, strlen

from collections.abc import ItemsView, KeysView, Mapping, MutableMapping, ValuesView
from datetime import UTC as _UTC
from hashlib import blake2b

from msgspec import MsgspecError, Raw
from msgspec.json import decode as _decoded, encode as _encoded

from libs.fastpath._members_py import utc_moment as _utc_moment

import_datetime()

cdef extern from "Python.h":
    void Py_SET_REFCNT(object counted, Py_ssize_t references)
    double PyOS_string_to_double(const char* text, char** end, PyObject* overflow) except? -1.0
    # as pointers: a bytes object may only be resized while nobody else holds it, and an item's memory is not touched
    PyObject* PyBytes_FromStringAndSize_ "PyBytes_FromStringAndSize"(const char* text, Py_ssize_t size)
    PyObject* PyList_GET_ITEM_ "PyList_GET_ITEM"(list objects, Py_ssize_t place)
    int _PyBytes_Resize(PyObject** text, Py_ssize_t size) except -1

cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define prefetched(p) __builtin_prefetch(p)
    #else
    #define prefetched(p) ((void)(p))
    #endif
    """
    void prefetched(const void* p) noexcept nogil

cdef extern from *:
    """
    /* of a name or a short value, where a call of memcmp takes longer than it has to do */
    static inline int same_bytes(const uint8_t *a, const uint8_t *b, Py_ssize_t n) {
        uint64_t x, y;
        if (n < 8) return memcmp(a, b, n) == 0;
        for (Py_ssize_t i = 0; i < n - 8; i += 8) {
            memcpy(&x, a + i, 8);
            memcpy(&y, b + i, 8);
            if (x != y) return 0;
        }
        memcpy(&x, a + n - 8, 8);
        memcpy(&y, b + n - 8, 8);
        return x == y;
    }
    """
    bint same_bytes(const uint8_t* one, const uint8_t* other, Py_ssize_t size) noexcept nogil

cdef extern from "_scan_json.h" nogil:
    enum:
        SCAN_LONE
        SCAN_ESCAPED
        SCAN_DEEP
        SCAN_HUGE
    const uint8_t* scan_blanks(const uint8_t* p)
    const uint8_t* scan_special(const uint8_t* p, const uint8_t* end)
    const uint8_t* scan_string(const uint8_t* p, const uint8_t* end, int* flags)
    const uint8_t* scan_value(const uint8_t* p, const uint8_t* end, int levels, int* flags)

MAX_DEPTH = 128
MAX_SHARED_NAMES = 256
MAX_REMEMBERED_NAMES = 200_000

cdef enum:
    LEVELS = 128
    SHARED_NAMES = 256
    REMEMBERED_NAMES = 200000
    MAX_STEPS = 64  # remembered ways from one shape to others
    FIRST_ROOM = 64
    PLAIN_NUMBER = 300
    CACHE_LINE = 64
    WARM_TEXT = 1024  # bytes of an event's properties, mostly
    TEXT_LINES = 20  # of a record, mostly
    OBJECT_LINES = 3  # of an event or a person
    UUID_SIZE = 36

cdef struct Part:
    # a member as it was read
    const uint8_t* name
    Py_ssize_t name_size
    bint escaped
    const uint8_t* value
    Py_ssize_t value_size

cdef struct Text:
    const uint8_t* start
    Py_ssize_t size
    bint escaped

cdef struct Parts:
    Part* at
    Py_ssize_t count
    Py_ssize_t room
    PyObject* shape  # when it was foreseen, and no member has blanks around it; not counted
    Part first[FIRST_ROOM]

cpdef int near(list objects, Py_ssize_t place) except -1:
    """See `_members_py.near`."""
    cdef const uint8_t* p
    cdef int line
    if 0 <= place < PyList_GET_SIZE(objects):
        p = <const uint8_t*>PyList_GET_ITEM_(objects, place)
        for line in range(OBJECT_LINES):
            prefetched(p + line * CACHE_LINE)
    return 0

cpdef int near_text(bytes text) except -1:
    """See `_members_py.near_text`. A usual length, as for `Members.warm`."""
    cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(text)
    cdef int line
    for line in range(TEXT_LINES):
        prefetched(p + line * CACHE_LINE)
    return 0

include "_members_shapes.pxi"
include "_members_walk.pxi"
include "_members_object.pxi"
include "_members_event.pxi"
include "_members_row.pxi"
include "_members_layout.pxi"
include "_members_told.pxi"
include "_members_records.pxi"
include "_members_line.pxi"
include "_members_tree.pxi"
include "_members_block.pxi"
