"""Compiled twin of `_scan_py.py`, which says what this promises. Byte for byte the same records.

`_scan_json.h` steps over values; here are the few fields that matter, and the record written from slices of the body.
"""

from cython cimport freelist, no_gc
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE, _PyBytes_Resize
from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.datetime cimport (
    datetime_day, datetime_hour, datetime_microsecond, datetime_minute, datetime_month, datetime_second, datetime_year
)
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF, Py_XDECREF
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeUTF8
from libc.stdint cimport INT64_MIN, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memchr, memcmp, memcpy, memset

import os
from json import loads

cdef extern from "_scan_json.h" nogil:
    enum:
        SCAN_LONE
        SCAN_ESCAPED
        SCAN_DEEP
    const uint8_t* scan_blanks(const uint8_t* p)
    const uint8_t* scan_string(const uint8_t* p, const uint8_t* end, int* flags)
    const uint8_t* scan_value(const uint8_t* p, const uint8_t* end, int levels, int* flags)
    const uint8_t* scan_special(const uint8_t* p, const uint8_t* end)
    const uint8_t* scan_special_portable(const uint8_t* p, const uint8_t* end)
    int scan_hex4(const uint8_t* p)

cdef extern from "_scan_sha1.h":
    void scan_sha1(const uint8_t* text, size_t size, uint8_t* digest) noexcept

MAX_DEPTH = 128
NOT_JSON = "not_json"
LONE_SURROGATE = "lone_surrogate"
UNFIT = "unfit"

cdef enum:
    LEVELS = 128
    LONGEST_KEY = 32
    MAX_CHARACTERS = 200
    MOST_QUOTED = 16
    MAX_BYTES = 200  # of a name and an id in the v1 dialect
    SHARED_ROOM = 192  # bytes: the names, times and punctuation in what records share
    ENVELOPE = 700  # bytes: a guess at what stands around an event in its record
    OWN_HEADERS = 65  # distinct_id, timestamp, event, uuid, and the uuid itself
    GIL_IS_CHEAPER = 65536  # bytes: below that, letting others run costs more than it gives

cdef enum Field:
    F_NONE, F_EVENT, F_TOKEN, F_DOLLAR_TOKEN, F_API_KEY, F_DISTINCT_ID, F_DOLLAR_DISTINCT_ID, F_UUID, F_PROPERTIES
    F_TIMESTAMP, F_OFFSET, F_SET, F_SET_ONCE, F_OPTIONS, F_SESSION_ID, F_WINDOW_ID
    F_BATCH, F_SENT_AT, F_HISTORICAL, F_CREATED_AT, F_CAPTURE_INTERNAL

# Properties: the first seven keep a span (an index into Event.known), the others a bit in Event.present.
cdef enum Property:
    P_TOKEN, P_DISTINCT_ID, P_COOKIELESS, P_IGNORE_SENT_AT, P_SESSION_ID, P_PERSON, P_WITH_VALUE
    P_INTERNAL, P_HEATMAP, P_PREV_PATHNAME, P_CURRENT_URL, P_NONE

# Members of properties that go to a heatmap, or that the v1 dialect puts last, see _scan_py.
cdef enum Member:
    M_NONE = 0
    M_HEATMAP_DATA = 1
    M_OF_HEATMAP = 2
    M_SESSION_ID = 4
    M_COOKIELESS = 8
    M_TAKEN_ALONG = 15
    M_IGNORE_SENT_AT = 16
    M_PERSON = 32
    M_TOUR = 64
    M_WINDOW_ID = 128
    M_LIB = 256

cdef extern from *:
    # Constants of C: an integer over 32 bits written in Cython is an object, and so is everything computed with it.
    """
    #define MICROSECOND_MIN -62135596800000000LL /* 0001-01-01 */
    #define MICROSECOND_MAX 253402300799999999LL /* 9999-12-31T23:59:59.999999 */
    #define DAY 86400000000LL
    #define FUTURE_LIMIT (23 * 3600000000LL)
    #define NO_CALENDAR 1000000000000000LL /* milliseconds, 30,000 years: past that there is nothing but overflow */
    #define LARGEST_BODY 0xFFFFFFFELL
    """
    const int64_t MICROSECOND_MIN
    const int64_t MICROSECOND_MAX
    const int64_t DAY
    const int64_t FUTURE_LIMIT
    const int64_t NO_CALENDAR
    const int64_t LARGEST_BODY

cdef const char* IDENTIFY = '"$identify"'

include "_scan_walk.pxi"
include "_scan_text.pxi"


def scan(body, bint engage, Py_ssize_t max_events):
    """See `_scan_py.scan`."""
    return _scan(body, engage, max_events, False)


def scan_v1(body, Py_ssize_t max_events):
    """See `_scan_py.scan_v1`."""
    return _scan(body, False, max_events, True)


cdef object _scan(object body, bint engage, Py_ssize_t max_events, bint bearer):
    cdef Walk walk
    cdef const uint8_t* after
    cdef Py_ssize_t size
    cdef Batch batch = Batch.__new__(Batch)
    if type(body) is bytes:
        batch._body = body
        batch._start = <const uint8_t*>PyBytes_AS_STRING(body)
        size = PyBytes_GET_SIZE(body)
    elif type(body) is bytearray:
        batch._body = memoryview(body)  # held, so that it cannot be resized while we point into it
        batch._start = <const uint8_t*>PyByteArray_AS_STRING(body)
        size = len(body)
    else:
        raise TypeError("a body is bytes or a bytearray")
    if size > LARGEST_BODY or max_events < 1:
        return UNFIT
    walk = Walk(batch._start, batch._start + size, 0, bearer, False, False, False, NULL, 0, 0, max_events)
    batch._engage = engage
    batch._size = size
    if size < GIL_IS_CHEAPER:
        after = _body(&walk, &batch._root, batch)
    else:
        with nogil:
            after = _body(&walk, &batch._root, batch)
    batch._events = walk.events
    if walk.out_of_memory:
        raise MemoryError
    if after is NULL:
        return UNFIT if walk.too_many or walk.flags & SCAN_DEEP else NOT_JSON
    if walk.flags & SCAN_LONE:
        return LONE_SURROGATE
    if walk.misfit or (bearer and not batch.is_batch):
        return UNFIT
    if walk.start[scan_blanks(walk.start) - walk.start] == c'{' and not batch.is_batch:
        batch._events = &batch._root
        walk.count = 1
        batch._sent_at = Span(0, 0)
        batch.historical_migration = False
    batch.count = walk.count
    return batch


# Names that are asked for in every body: the name, and the same in quotes.
cdef dict _known_quoted = {}


cdef bytes _quoted(bytes name):
    found = _known_quoted.get(name)
    if found is None:
        found = b'"' + name + b'"'
        if len(_known_quoted) < MOST_QUOTED:
            _known_quoted[name] = found
    return found


@freelist(16)
@no_gc
cdef class Batch:
    """See `_scan_py.Batch`."""

    def __dealloc__(self):
        if self._events is not &self._root:
            free(self._events)

    def __len__(self):
        return self.count

    @property
    def token(self):
        return self._text(self._token) if self.is_batch else None

    @property
    def sent_at(self):
        return self._text(self._sent_at) if self._sent_at.end else None

    @property
    def created_at(self):
        return self._text(self._created_at) if self._created_at.end else None

    def uuids(self):
        cdef Py_ssize_t at
        return [self._text(self._events[at].uuid) if self._events[at].uuid.end else "" for at in range(self.count)]

    def tokens(self, bytes leave_out not None):
        cdef Py_ssize_t at
        cdef Span span
        cdef Span last = Span(0, 0)
        cdef bytes quoted = _quoted(leave_out)
        found = set()
        for at in range(self.count):
            if self._is_named(&self._events[at], quoted):
                continue
            span = self._token_of(&self._events[at])
            if span.end and not self._same(span, last):
                found.add(self._text(span))
                last = span
        return found

    def summary(self, bytes leave_out not None):
        cdef Py_ssize_t at
        cdef Py_ssize_t kept = 0
        cdef Span span
        cdef Span first = self._token if self.is_batch else Span(0, 0)
        cdef bint differ = False
        cdef bytes quoted = _quoted(leave_out)
        for at in range(self.count):
            if self._is_named(&self._events[at], quoted):
                continue
            kept += 1
            if not self.is_batch:
                span = self._token_of(&self._events[at])
                if not first.end:
                    first = span
                elif span.end and not self._same(span, first):
                    differ = True
        token = self._text(first) if first.end and not differ else None
        return self.count, kept, token, self.sent_at, self.historical_migration

    def fields(self, Py_ssize_t at):
        if not 0 <= at < self.count:
            raise IndexError(at)
        cdef Event* event = &self._events[at]
        return {
            "event": self._raw(event.event) if event.event.end else b'"$identify"',
            "token": self._raw(event.token),
            "distinct_id": self._raw(event.distinct_id),
            "uuid": self._raw(event.uuid),
            "timestamp": self._raw(event.timestamp),
            "offset": self._raw(event.offset),
            "$set": self._raw(event.set_),
            "$set_once": self._raw(event.set_once),
            "properties": self._raw(event.properties),
            "options": self._raw(event.options),
            "session_id": self._raw(event.session_id),
            "window_id": self._raw(event.window_id),
            "properties.token": self._raw(event.known[<int>P_TOKEN]),
            "properties.distinct_id": self._raw(event.known[<int>P_DISTINCT_ID]),
            "properties.$cookieless_mode": self._raw(event.known[<int>P_COOKIELESS]),
            "properties.$ignore_sent_at": self._raw(event.known[<int>P_IGNORE_SENT_AT]),
            "properties.$session_id": self._raw(event.known[<int>P_SESSION_ID]),
            "properties.$process_person_profile": self._raw(event.known[<int>P_PERSON]),
            "properties.capture_internal": bool(event.present & (1 << P_INTERNAL)),
            "properties.$heatmap_data": bool(event.present & (1 << P_HEATMAP)),
            "properties.$prev_pageview_pathname": bool(event.present & (1 << P_PREV_PATHNAME)),
            "properties.$current_url": bool(event.present & (1 << P_CURRENT_URL)),
        }

    def records(
        self,
        bytes leave_out not None,
        str token not None,
        str ip not None,
        str internal_ip not None,
        bytes version not None,
        int64_t now_us,
        sent_at_us,
        Py_ssize_t max_record_bytes,
        distinct_id_of,
        time_of,
    ):
        cdef Py_ssize_t at
        cdef bytes quoted = _quoted(leave_out)
        cdef Writer writer = Writer.__new__(Writer)
        writer.start(self, token, ip, internal_ip, version, now_us, sent_at_us, self.historical_migration)
        writer.max_record_bytes = max_record_bytes
        writer.distinct_id_of = distinct_id_of
        writer.time_of = time_of
        for at in range(self.count):
            if self._is_named(&self._events[at], quoted):
                continue
            if not writer.take(&self._events[at], at):
                return None
        return writer.block()

    def records_v1(
        self,
        str token not None,
        str ip not None,
        str internal_ip not None,
        bytes version not None,
        int64_t now_us,
        int64_t sent_at_us,
        Py_ssize_t max_record_bytes,
        bytes library not None,
        nobody not None,
    ):
        cdef Py_ssize_t at
        cdef Writer writer = Writer.__new__(Writer)
        writer.start(self, token, ip, internal_ip, version, now_us, sent_at_us, self.historical_migration)
        writer.max_record_bytes = max_record_bytes
        for at in range(self.count):
            if not writer.take_v1(&self._events[at], library, nobody):
                return None
        return writer.block()

    cdef void _frame(self, int field, Span span, uint8_t kind) noexcept nogil:
        """What stands beside a v1 batch. None of it may come twice, or be of another type."""
        self._is_odd |= self._framed >> field & 1
        self._framed |= 1 << field
        if field == F_CREATED_AT:
            self._created_at = span
            self._is_odd |= kind != c'"'
        else:
            self._is_odd |= kind != c't' and kind != c'f' and kind != c'n'
            if field == F_CAPTURE_INTERNAL:
                self.capture_internal = kind == c't'

    cdef Span _token_of(self, const Event* event) noexcept:
        """Where an event says whose it is, its quotes included."""
        cdef Span span = event.token if event.token.end else event.known[<int>P_TOKEN]
        if not span.end or self._start[span.start] != c'"':
            return Span(0, 0)
        return span

    cdef bint _carries_heatmap(self, const Event* event) except -1:
        cdef uint32_t scrolled = (1 << P_PREV_PATHNAME) | (1 << P_CURRENT_URL)
        if event.present & (1 << P_HEATMAP) or event.present & scrolled == scrolled:
            return not self._is_named(event, b'"$$heatmap"')
        return False

    cdef bint _is_named(self, const Event* event, bytes quoted) except -1:
        cdef Py_ssize_t size = event.event.end - event.event.start
        cdef const uint8_t* name = self._start + event.event.start
        if not event.event.end:
            return quoted == b'"$identify"'
        if size == len(quoted):
            return memcmp(name, PyBytes_AS_STRING(quoted), size) == 0
        return size > len(quoted) and memchr(name, c'\\', size) is not NULL and self._spells(event.event, quoted)

    cdef bint _spells(self, Span span, bytes quoted) except -1:
        return b'"' + self._text(span).encode() + b'"' == quoted

    cdef bint _same(self, Span one, Span other) noexcept:
        cdef Py_ssize_t size = one.end - one.start
        return other.end - other.start == size and memcmp(self._start + one.start, self._start + other.start, size) == 0

    cdef bytes _raw(self, Span span):
        """The bytes of a value, or None."""
        if not span.end:
            return None
        return PyBytes_FromStringAndSize(<const char*>self._start + span.start, span.end - span.start)

    cdef str _text(self, Span span):
        """What a string says."""
        cdef const char* inside = <const char*>self._start + span.start + 1
        cdef Py_ssize_t size = span.end - span.start - 2
        if memchr(inside, c'\\', size) is not NULL:
            return loads(self._raw(span))
        return PyUnicode_DecodeUTF8(inside, size, NULL)

    cdef bytes _read(self, Span span, Text* into):
        """What a string says, in UTF-8, and the object to hold while it is used: None where that is the body."""
        cdef const uint8_t* inside = self._start + span.start + 1
        cdef Py_ssize_t size = span.end - span.start - 2
        cdef bytes held = None
        into[0] = Text(inside, size)
        if memchr(inside, c'\\', size) is not NULL:
            held = loads(self._raw(span)).encode()
            into[0] = _text_of(held)
        return held


include "_scan_writer.pxi"


def special_at(bytes text not None, Py_ssize_t start, bint portable):
    """For tests: where the string scan that this machine uses, or the portable one, stops."""
    cdef const uint8_t* begin = <const uint8_t*>PyBytes_AS_STRING(text)
    cdef const uint8_t* end = begin + len(text)
    if not 0 <= start <= len(text):
        raise IndexError(start)
    return (scan_special_portable(begin + start, end) if portable else scan_special(begin + start, end)) - begin
