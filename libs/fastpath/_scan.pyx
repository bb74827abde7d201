"""Compiled twin of `_scan_py.py`, which says what this promises. Byte for byte the same records.

`_scan_json.h` steps over values; here are the few fields that matter, and the record written from slices of the body.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.datetime cimport (
    datetime_day, datetime_hour, datetime_microsecond, datetime_minute, datetime_month, datetime_second, datetime_year
)
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
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

MAX_DEPTH = 128
NOT_JSON = "not_json"
LONE_SURROGATE = "lone_surrogate"
UNFIT = "unfit"

cdef enum:
    LEVELS = 128
    LONGEST_KEY = 32
    MAX_CHARACTERS = 200
    OWN_HEADERS = 65  # distinct_id, timestamp, event, uuid, and the uuid itself
    GIL_IS_CHEAPER = 65536  # bytes: below that, letting others run costs more than it gives

cdef enum Field:
    F_NONE, F_EVENT, F_TOKEN, F_DOLLAR_TOKEN, F_API_KEY, F_DISTINCT_ID, F_DOLLAR_DISTINCT_ID, F_UUID, F_PROPERTIES
    F_TIMESTAMP, F_OFFSET, F_SET, F_SET_ONCE, F_BATCH, F_SENT_AT, F_HISTORICAL

# Properties: the first seven keep a span (an index into Event.known), the others a bit in Event.present.
cdef enum Property:
    P_TOKEN, P_DISTINCT_ID, P_COOKIELESS, P_IGNORE_SENT_AT, P_SESSION_ID, P_PERSON, P_WITH_VALUE
    P_INTERNAL, P_HEATMAP, P_PREV_PATHNAME, P_CURRENT_URL, P_NONE

cdef int64_t MICROSECOND_MIN = -62135596800000000  # 0001-01-01
cdef int64_t MICROSECOND_MAX = 253402300799999999  # 9999-12-31T23:59:59.999999
cdef int64_t FUTURE_LIMIT = 23 * 3600 * <int64_t>1000000
cdef const char* IDENTIFY = '"$identify"'


# -- reading ---------------------------------------------------------------------------------------------------------

cdef int _unescaped(const uint8_t* key, Py_ssize_t size, uint8_t* into) noexcept nogil:
    """The bytes of a key, or -1 for one that is longer than any we know or not ASCII (so none of ours)."""
    cdef Py_ssize_t at = 0
    cdef int length = 0
    cdef int code
    while at < size:
        if length == LONGEST_KEY:
            return -1
        code = key[at]
        at += 1
        if code == c'\\':
            code = key[at]
            at += 1
            if code == c'u':
                code = scan_hex4(key + at)
                at += 4
            elif code == c'b':
                code = 8
            elif code == c'f':
                code = 12
            elif code == c'n':
                code = 10
            elif code == c'r':
                code = 13
            elif code == c't':
                code = 9
        if code >= 0x80:
            return -1
        into[length] = <uint8_t>code
        length += 1
    return length


cdef Field _field_of(const uint8_t* key, Py_ssize_t size) noexcept nogil:
    if size == 4:
        if memcmp(key, b"uuid", 4) == 0:
            return F_UUID
        if memcmp(key, b"$set", 4) == 0:
            return F_SET
    elif size == 5:
        if memcmp(key, b"event", 5) == 0:
            return F_EVENT
        if memcmp(key, b"token", 5) == 0:
            return F_TOKEN
        if memcmp(key, b"batch", 5) == 0:
            return F_BATCH
    elif size == 6:
        if memcmp(key, b"offset", 6) == 0:
            return F_OFFSET
        if memcmp(key, b"$token", 6) == 0:
            return F_DOLLAR_TOKEN
    elif size == 7:
        if memcmp(key, b"api_key", 7) == 0:
            return F_API_KEY
        if memcmp(key, b"sent_at", 7) == 0:
            return F_SENT_AT
    elif size == 9:
        if memcmp(key, b"timestamp", 9) == 0:
            return F_TIMESTAMP
        if memcmp(key, b"$set_once", 9) == 0:
            return F_SET_ONCE
    elif size == 10:
        if memcmp(key, b"properties", 10) == 0:
            return F_PROPERTIES
    elif size == 11:
        if memcmp(key, b"distinct_id", 11) == 0:
            return F_DISTINCT_ID
    elif size == 12:
        if memcmp(key, b"$distinct_id", 12) == 0:
            return F_DOLLAR_DISTINCT_ID
    elif size == 20:
        if memcmp(key, b"historical_migration", 20) == 0:
            return F_HISTORICAL
    return F_NONE


cdef Property _property_of(const uint8_t* key, Py_ssize_t size) noexcept nogil:
    if size == 5:
        if memcmp(key, b"token", 5) == 0:
            return P_TOKEN
    elif size == 11:
        if memcmp(key, b"distinct_id", 11) == 0:
            return P_DISTINCT_ID
        if memcmp(key, b"$session_id", 11) == 0:
            return P_SESSION_ID
    elif size == 12:
        if memcmp(key, b"$current_url", 12) == 0:
            return P_CURRENT_URL
    elif size == 13:
        if memcmp(key, b"$heatmap_data", 13) == 0:
            return P_HEATMAP
    elif size == 15:
        if memcmp(key, b"$ignore_sent_at", 15) == 0:
            return P_IGNORE_SENT_AT
    elif size == 16:
        if memcmp(key, b"$cookieless_mode", 16) == 0:
            return P_COOKIELESS
        if memcmp(key, b"capture_internal", 16) == 0:
            return P_INTERNAL
    elif size == 23:
        if memcmp(key, b"$process_person_profile", 23) == 0:
            return P_PERSON
        if memcmp(key, b"$prev_pageview_pathname", 23) == 0:
            return P_PREV_PATHNAME
    return P_NONE


cdef inline const uint8_t* _key(const uint8_t* p, Walk* walk, const uint8_t** key, Py_ssize_t* size,
    uint8_t* room) noexcept nogil:
    """From a key's quote to the first byte of its value. `key` is what it spells, in the body or in `room`."""
    if p[0] != c'"':
        return NULL
    cdef const uint8_t* begin = p + 1
    walk.flags &= ~SCAN_ESCAPED
    p = scan_string(begin, walk.end, &walk.flags)
    if p is NULL:
        return NULL
    key[0] = begin
    size[0] = p - 1 - begin
    if walk.flags & SCAN_ESCAPED:
        size[0] = _unescaped(begin, size[0], room)
        key[0] = room
    p = scan_blanks(p)
    return scan_blanks(p + 1) if p[0] == c':' else NULL


cdef const uint8_t* _properties(const uint8_t* p, Walk* walk, Event* event) noexcept nogil:
    """From the opening brace to behind the closing one."""
    cdef const uint8_t* key
    cdef const uint8_t* value
    cdef Py_ssize_t size
    cdef uint8_t room[LONGEST_KEY]
    cdef Property which
    cdef int index
    for index in range(<int>P_WITH_VALUE):
        event.known[index] = Span(0, 0)
    event.present = 0
    p = scan_blanks(p + 1)
    if p[0] == c'}':
        return p + 1
    while True:
        value = _key(p, walk, &key, &size, room)
        if value is NULL:
            return NULL
        p = scan_value(value, walk.end, LEVELS - 2, &walk.flags)
        if p is NULL:
            return NULL
        which = _property_of(key, size)
        if which < P_WITH_VALUE:
            event.known[<int>which] = Span(<uint32_t>(value - walk.start), <uint32_t>(p - walk.start))
        elif which != P_NONE:
            event.present |= 1 << <int>which
        p = scan_blanks(p)
        if p[0] == c'}':
            return p + 1
        if p[0] != c',':
            return NULL
        p = scan_blanks(p + 1)


cdef inline bint _is_canonical_uuid(const uint8_t* text, Py_ssize_t size) noexcept nogil:
    """36 characters, in either case; other spellings are not for us."""
    cdef int at
    cdef uint8_t c
    if size != 36:
        return False
    for at in range(36):
        c = text[at]
        if at == 8 or at == 13 or at == 18 or at == 23:
            if c != c'-':
                return False
        elif not (c'0' <= c <= c'9' or c'a' <= (c | 0x20) <= c'f'):
            return False
    return True


cdef inline bint _is_small_integer(const uint8_t* text, Py_ssize_t size) noexcept nogil:
    """Up to 18 digits and not minus zero: printed anew, it is the same text."""
    cdef Py_ssize_t at = 0
    if text[0] == c'-':
        at = 1
        if size < 2 or text[1] == c'0':
            return False
    if size - at > 18:
        return False
    while at < size:
        if not c'0' <= text[at] <= c'9':
            return False
        at += 1
    return True


cdef void _keep(Field field, const uint8_t* value, const uint8_t* after, Walk* walk, Event* event) noexcept nogil:
    """Put one field of an event's root in its place, or call the event a misfit."""
    cdef Span span = Span(<uint32_t>(value - walk.start), <uint32_t>(after - walk.start))
    cdef Py_ssize_t size = after - value
    cdef uint8_t kind = value[0]
    event.seen |= 1 << <int>field
    if field == F_EVENT:
        event.event = span
        if kind != c'"':
            event.misfit = True
    elif field == F_DISTINCT_ID or field == F_DOLLAR_DISTINCT_ID:
        event.distinct_id = span
    elif field == F_SET:
        event.set_ = span
    elif field == F_SET_ONCE:
        event.set_once = span
    elif field == F_OFFSET:
        event.offset = span if kind != c'n' else Span(0, 0)
        if kind != c'n' and not _is_small_integer(value, size):
            event.misfit = True
    elif kind != c'"' and kind != c'n':
        event.misfit = True
    else:
        if kind == c'n':
            span = Span(0, 0)
        if field == F_TIMESTAMP:
            event.timestamp = span
        elif field == F_UUID:
            if size == 2:
                span = Span(0, 0)
            elif kind == c'"' and not _is_canonical_uuid(value + 1, size - 2):
                event.misfit = True
            event.uuid = span
        else:
            event.token = span


cdef inline uint8_t _kind(Walk* walk, Span span) noexcept nogil:
    return walk.start[span.start] if span.end else 0


cdef void _judge_set(Walk* walk, Event* event, Span* span) noexcept nogil:
    cdef uint8_t kind = _kind(walk, span[0])
    if kind == c'n':
        span[0] = Span(0, 0)
    elif kind != 0 and kind != c'{':
        event.misfit = True


cdef void _judge(Walk* walk, Event* event) noexcept nogil:
    """What can be said of an event only once all of it was seen."""
    cdef uint32_t tokens = event.seen & ((1 << F_TOKEN) | (1 << F_DOLLAR_TOKEN) | (1 << F_API_KEY))
    cdef uint32_t ids = event.seen & ((1 << F_DISTINCT_ID) | (1 << F_DOLLAR_DISTINCT_ID))
    if tokens & (tokens - 1) or ids & (ids - 1):
        event.misfit = True
    if event.seen & (1 << F_PROPERTIES) and _kind(walk, event.properties) != c'{':
        event.misfit = True
    _judge_set(walk, event, &event.set_)
    _judge_set(walk, event, &event.set_once)


cdef const uint8_t* _event(const uint8_t* p, Walk* walk, Event* event) noexcept nogil:
    """An event of an array, from its brace. Any other value is walked over, as a misfit."""
    cdef const uint8_t* key
    cdef const uint8_t* value
    cdef Py_ssize_t size
    cdef uint8_t room[LONGEST_KEY]
    cdef Field field
    if p[0] != c'{':
        event.misfit = True
        return scan_value(p, walk.end, LEVELS, &walk.flags)
    p = scan_blanks(p + 1)
    if p[0] == c'}':
        event.misfit = True
        return p + 1
    while True:
        value = _key(p, walk, &key, &size, room)
        if value is NULL:
            return NULL
        field = _field_of(key, size)
        if field == F_PROPERTIES:
            p = _member(value, walk, event)
        else:
            p = scan_value(value, walk.end, LEVELS - 1, &walk.flags)
        if p is NULL:
            return NULL
        if F_NONE < field < F_BATCH and field != F_PROPERTIES:
            _keep(field, value, p, walk, event)
        p = scan_blanks(p)
        if p[0] == c'}':
            break
        if p[0] != c',':
            return NULL
        p = scan_blanks(p + 1)
    _judge(walk, event)
    if not event.event.end:
        event.misfit = True
    return p + 1


cdef inline const uint8_t* _member(const uint8_t* value, Walk* walk, Event* event) noexcept nogil:
    """The value of `properties`."""
    cdef const uint8_t* after
    if value[0] == c'{':
        after = _properties(value, walk, event)
    else:
        after = scan_value(value, walk.end, LEVELS - 1, &walk.flags)
    if after is not NULL:
        event.seen |= 1 << F_PROPERTIES
        event.properties = Span(<uint32_t>(value - walk.start), <uint32_t>(after - walk.start))
    return after


cdef Event* _new_event(Walk* walk) noexcept nogil:
    cdef Event* more
    if walk.count == walk.most:
        walk.too_many = True
        return NULL
    if walk.count == walk.room:
        walk.room = 2 * walk.room if walk.room else 16
        more = <Event*>realloc(walk.events, walk.room * sizeof(Event))
        if more is NULL:
            walk.out_of_memory = True
            return NULL
        walk.events = more
    memset(&walk.events[walk.count], 0, sizeof(Event))
    walk.count += 1
    return &walk.events[walk.count - 1]


cdef const uint8_t* _array(const uint8_t* p, Walk* walk) noexcept nogil:
    """Events, from the opening bracket to behind the closing one."""
    cdef Event* event
    p = scan_blanks(p + 1)
    if p[0] == c']':
        return p + 1
    while True:
        event = _new_event(walk)
        if event is NULL:
            return NULL
        p = _event(p, walk, event)
        if p is NULL:
            return NULL
        if event.misfit:
            walk.misfit = True
        p = scan_blanks(p)
        if p[0] == c']':
            return p + 1
        if p[0] != c',':
            return NULL
        p = scan_blanks(p + 1)


cdef const uint8_t* _object(const uint8_t* p, Walk* walk, Event* root, Batch batch) noexcept nogil:
    """The one object of a body, which is a batch or an event: both are read, and told apart when all was seen."""
    cdef const uint8_t* key
    cdef const uint8_t* value
    cdef Py_ssize_t size
    cdef uint8_t room[LONGEST_KEY]
    cdef Field field
    cdef bint unfit_batch = False
    cdef uint8_t kind
    p = scan_blanks(p + 1)
    if p[0] == c'}':
        walk.misfit = not batch._engage
        return p + 1
    while True:
        value = _key(p, walk, &key, &size, room)
        if value is NULL:
            return NULL
        kind = value[0]
        field = _field_of(key, size)
        if field == F_PROPERTIES:
            p = _member(value, walk, root)
        elif field == F_BATCH and kind == c'[' and not batch.is_batch:
            p = _array(value, walk)
        else:
            p = scan_value(value, walk.end, LEVELS - 1, &walk.flags)
        if p is NULL:
            return NULL
        if field == F_BATCH:
            if kind != c'[' or batch.is_batch:  # batches given twice: not for us
                unfit_batch = True
            batch.is_batch = True
        elif field == F_SENT_AT:
            batch._sent_at = Span(<uint32_t>(value - walk.start), <uint32_t>(p - walk.start))
            if kind == c'n':
                batch._sent_at = Span(0, 0)
            elif kind != c'"':
                unfit_batch = True
        elif field == F_HISTORICAL:
            batch.historical_migration = kind == c't'
            if kind != c't' and kind != c'f' and kind != c'n':
                unfit_batch = True
        elif field != F_NONE and field != F_PROPERTIES:
            if field == F_TOKEN or field == F_API_KEY:
                batch._token = Span(<uint32_t>(value - walk.start), <uint32_t>(p - walk.start))
                if kind != c'"':
                    unfit_batch = True
            _keep(field, value, p, walk, root)
        p = scan_blanks(p)
        if p[0] == c'}':
            break
        if p[0] != c',':
            return NULL
        p = scan_blanks(p + 1)
    if batch.is_batch:
        if unfit_batch or (root.seen >> F_TOKEN & 1) + (root.seen >> F_API_KEY & 1) != 1:
            walk.misfit = True
        return p + 1
    _judge(walk, root)
    if not root.event.end and not batch._engage:
        root.misfit = True
    if root.misfit:
        walk.misfit = True
    return p + 1


cdef const uint8_t* _body(Walk* walk, Event* root, Batch batch) noexcept nogil:
    cdef const uint8_t* p = scan_blanks(walk.start)
    if p[0] == c'[':
        p = _array(p, walk)
    elif p[0] == c'{':
        p = _object(p, walk, root, batch)
    else:
        walk.misfit = True
        p = scan_value(p, walk.end, LEVELS, &walk.flags)
    if p is NULL:
        return NULL
    p = scan_blanks(p)
    return p if p == walk.end else NULL


def scan(body, bint engage, Py_ssize_t max_events):
    """See `_scan_py.scan`."""
    cdef Walk walk
    cdef Event root
    cdef const uint8_t* after
    cdef Py_ssize_t size
    cdef Batch batch = Batch.__new__(Batch)
    if type(body) is bytes:
        batch._body = body
        batch._start = <const uint8_t*>PyBytes_AS_STRING(body)
        size = len(body)
    elif type(body) is bytearray:
        batch._body = memoryview(body)  # held, so that it cannot be resized while we point into it
        batch._start = <const uint8_t*>PyByteArray_AS_STRING(body)
        size = len(body)
    else:
        raise TypeError("a body is bytes or a bytearray")
    if size >= 0xFFFFFFFF or max_events < 1:
        return UNFIT
    memset(&root, 0, sizeof(Event))
    walk = Walk(batch._start, batch._start + size, 0, False, False, False, NULL, 0, 0, max_events)
    batch._engage = engage
    if size < GIL_IS_CHEAPER:
        after = _body(&walk, &root, batch)
    else:
        with nogil:
            after = _body(&walk, &root, batch)
    batch._events = walk.events
    if walk.out_of_memory:
        raise MemoryError
    if after is NULL:
        return UNFIT if walk.too_many or walk.flags & SCAN_DEEP else NOT_JSON
    if walk.flags & SCAN_LONE:
        return LONE_SURROGATE
    if walk.misfit:
        return UNFIT
    if walk.start[scan_blanks(walk.start) - walk.start] == c'{' and not batch.is_batch:
        batch._events = <Event*>malloc(sizeof(Event))
        if batch._events is NULL:
            raise MemoryError
        batch._events[0] = root
        walk.count = 1
        batch._sent_at = Span(0, 0)
        batch.historical_migration = False
    batch.count = walk.count
    return batch


# -- writing ---------------------------------------------------------------------------------------------------------

cdef int _reserve(Buffer* out, Py_ssize_t size) except -1 nogil:
    cdef uint8_t* more
    if out.used + size > out.room:
        out.room = 2 * (out.used + size)
        more = <uint8_t*>realloc(out.bytes, out.room)
        if more is NULL:
            with gil:
                raise MemoryError
        out.bytes = more
    return 0


cdef inline int _put(Buffer* out, const void* text, Py_ssize_t size) except -1:
    _reserve(out, size)
    memcpy(out.bytes + out.used, text, size)
    out.used += size
    return 0


cdef inline int _put_bytes(Buffer* out, bytes text) except -1:
    return _put(out, PyBytes_AS_STRING(text), len(text))


cdef bytes _json_text(str text):
    """What stands between the quotes of a JSON string."""
    cdef bytes raw = text.encode()
    cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(raw)
    cdef Py_ssize_t at
    for at in range(len(raw)):
        if p[at] < 0x20 or p[at] == c'"' or p[at] == c'\\':
            return _escaped(text).encode()
    return raw


cdef str _escaped(str text):
    short = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return "".join([short.get(c) or (c if c >= " " else f"\\u{ord(c):04x}") for c in text])


cdef inline bint _is_blank_start(uint8_t c) noexcept:
    """Whether a character that starts so may count as blank (str.isspace): ASCII's, or one of U+0085, U+00A0, U+1680,
    U+2000 to U+205F and U+3000."""
    return c <= 0x20 or c == 0xC2 or c == 0xE1 or c == 0xE2 or c == 0xE3


cdef Py_ssize_t _plain_id(const uint8_t* text, Py_ssize_t size) noexcept:
    """How many bytes of this string's inside are its distinct_id; -1 if that takes more than counting."""
    cdef Py_ssize_t at = 0
    cdef int characters = 0
    cdef bint solid = False
    if memchr(text, c'\\', size) is not NULL:
        return -1
    while at < size and characters < MAX_CHARACTERS:
        if (text[at] & 0xC0) != 0x80:
            characters += 1
            if not solid and not _is_blank_start(text[at]):
                solid = True
        at += 1
    while at < size and (text[at] & 0xC0) == 0x80:
        at += 1
    return at if solid else -1


cdef inline int _number(const uint8_t* text, int digits) noexcept:
    """A number of so many digits, or -1."""
    cdef int value = 0
    cdef int at
    for at in range(digits):
        if not c'0' <= text[at] <= c'9':
            return -1
        value = 10 * value + (text[at] - c'0')
    return value


cdef int64_t _days(int year, int month, int day) noexcept:
    """Days since 1970-01-01 (Howard Hinnant's days_from_civil; years from 1)."""
    cdef int shifted = year - 1 if month <= 2 else year
    cdef int era = shifted // 400
    cdef int of_era = shifted - era * 400
    cdef int of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return <int64_t>era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


cdef int _days_of_month(int year, int month) noexcept:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31


cdef bint _utc_time(const uint8_t* t, Py_ssize_t size, int64_t* micros) noexcept:
    """Read YYYY-MM-DDTHH:MM:SS[.f{1,9}](Z|+00:00), the form SDKs send. False for any other."""
    if size < 20 or t[4] != c'-' or t[7] != c'-' or t[10] != c'T' or t[13] != c':' or t[16] != c':':
        return False
    cdef int year = _number(t, 4)
    cdef int month = _number(t + 5, 2)
    cdef int day = _number(t + 8, 2)
    cdef int hour = _number(t + 11, 2)
    cdef int minute = _number(t + 14, 2)
    cdef int second = _number(t + 17, 2)
    if year < 1 or not 1 <= month <= 12 or not 1 <= day or day > _days_of_month(year, month):
        return False
    if not 0 <= hour <= 23 or not 0 <= minute <= 59 or not 0 <= second <= 59:
        return False
    cdef Py_ssize_t at = 19
    cdef int64_t fraction = 0
    cdef int64_t unit = 100000
    if t[at] == c'.':
        at += 1
        while at < size and at < 29 and c'0' <= t[at] <= c'9':
            fraction += unit * (t[at] - c'0')
            unit //= 10
            at += 1
        if at == 20:
            return False
    if not (size - at == 1 and t[at] == c'Z') and not (size - at == 6 and memcmp(t + at, b"+00:00", 6) == 0):
        return False
    micros[0] = ((_days(year, month, day) * 24 + hour) * 60 + minute) * 60000000 + second * <int64_t>1000000 + fraction
    return True


cdef int _print_number(uint8_t* into, int value, int digits) noexcept:
    while digits:
        digits -= 1
        into[digits] = <uint8_t>(c'0' + value % 10)
        value //= 10
    return 0


cdef int _print_time(uint8_t* into, int64_t micros) noexcept:
    """RFC 3339, UTC, to the millisecond or, where there is more, the microsecond. Its length."""
    cdef int64_t day = micros // 86400000000
    cdef int64_t rest = micros - day * 86400000000
    cdef int64_t z = day + 719468  # Hinnant's civil_from_days
    cdef int64_t era = z // 146097
    cdef int of_era = <int>(z - era * 146097)
    cdef int year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    cdef int of_year = of_era - (365 * year + year // 4 - year // 100)
    cdef int month = (5 * of_year + 2) // 153
    cdef int second = <int>(rest // 1000000)
    cdef int fraction = <int>(rest - <int64_t>second * 1000000)
    cdef int size
    _print_number(into + 8, of_year - (153 * month + 2) // 5 + 1, 2)
    month = month + 3 if month < 10 else month - 9
    _print_number(into, <int>(year + era * 400 + (1 if month <= 2 else 0)), 4)
    _print_number(into + 5, month, 2)
    _print_number(into + 11, second // 3600, 2)
    _print_number(into + 14, second // 60 % 60, 2)
    _print_number(into + 17, second % 60, 2)
    into[4] = into[7] = c'-'
    into[10] = c'T'
    into[13] = into[16] = c':'
    into[19] = c'.'
    if fraction % 1000:
        _print_number(into + 20, fraction, 6)
        size = 26
    else:
        _print_number(into + 20, fraction // 1000, 3)
        size = 23
    into[size] = c'Z'
    return size + 1


cdef int64_t _micros(moment) except? -1:
    """Microseconds since 1970 of a datetime in UTC."""
    cdef int64_t seconds
    seconds = _days(datetime_year(moment), datetime_month(moment), datetime_day(moment)) * 86400
    seconds += (datetime_hour(moment) * 60 + datetime_minute(moment)) * 60 + datetime_second(moment)
    return seconds * 1000000 + datetime_microsecond(moment)


cdef bytes _decimal(int64_t value):
    cdef char text[20]
    cdef int at = 20
    cdef uint64_t rest = <uint64_t>value if value >= 0 else <uint64_t>-value
    while True:
        at -= 1
        text[at] = <char>(c'0' + rest % 10)
        rest //= 10
        if rest == 0:
            break
    if value < 0:
        at -= 1
        text[at] = c'-'
    return PyBytes_FromStringAndSize(text + at, 20 - at)


cdef bytes _time_text(int64_t micros):
    cdef uint8_t text[27]
    cdef int size = _print_time(text, micros)
    return PyBytes_FromStringAndSize(<const char*>text, size)


cdef int _print_uuid7(uint8_t* into, int64_t milliseconds, const uint8_t* random) noexcept:
    """RFC 9562, from 80 random bits."""
    cdef const char* digits = b"0123456789abcdef"
    cdef uint8_t raw[16]
    cdef int at
    cdef int place = 0
    for at in range(6):
        raw[at] = <uint8_t>((<uint64_t>milliseconds >> (40 - 8 * at)) & 0xFF)
    raw[6] = 0x70 | (random[0] >> 4)
    raw[7] = <uint8_t>(random[0] << 4) | (random[1] >> 4)
    for at in range(8):
        raw[8 + at] = random[2 + at]
    raw[8] = 0x80 | (raw[8] & 0x3F)
    for at in range(16):
        if at == 4 or at == 6 or at == 8 or at == 10:
            into[place] = c'-'
            place += 1
        into[place] = digits[raw[at] >> 4]
        into[place + 1] = digits[raw[at] & 15]
        place += 2
    return 0


cdef class Batch:
    """See `_scan_py.Batch`."""

    def __dealloc__(self):
        free(self._events)

    def __len__(self):
        return self.count

    @property
    def token(self):
        return self._text(self._token) if self.is_batch else None

    @property
    def sent_at(self):
        return self._text(self._sent_at) if self._sent_at.end else None

    def count_named(self, bytes name not None):
        cdef Py_ssize_t at
        cdef Py_ssize_t found = 0
        cdef bytes quoted = b'"' + name + b'"'
        for at in range(self.count):
            found += self._is_named(&self._events[at], quoted)
        return found

    def tokens(self, bytes leave_out not None):
        cdef Py_ssize_t at
        cdef Event* event
        cdef Span span
        cdef Span last = Span(0, 0)
        cdef bytes quoted = b'"' + leave_out + b'"'
        found = set()
        for at in range(self.count):
            event = &self._events[at]
            if self._is_named(event, quoted):
                continue
            span = event.token if event.token.end else event.known[<int>P_TOKEN]
            if span.end and self._start[span.start] == c'"' and not self._same(span, last):
                found.add(self._text(span))
                last = span
        return found

    def carries_heatmap(self):
        cdef Py_ssize_t at
        cdef uint32_t scrolled = (1 << P_PREV_PATHNAME) | (1 << P_CURRENT_URL)
        cdef uint32_t present
        for at in range(self.count):
            present = self._events[at].present
            if present & (1 << P_HEATMAP) or present & scrolled == scrolled:
                if not self._is_named(&self._events[at], b'"$$heatmap"'):
                    return True
        return False

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
        *,
        bytes leave_out not None,
        str token not None,
        str ip not None,
        str internal_ip not None,
        bytes version not None,
        now not None,
        sent_at,
        bint historical_migration,
        Py_ssize_t max_record_bytes,
        distinct_id_of,
        time_of,
        record,
    ):
        cdef Py_ssize_t at
        cdef bytes quoted = b'"' + leave_out + b'"'
        cdef Writer writer = Writer.__new__(Writer)
        writer.start(self, token, ip, internal_ip, version, now, sent_at, historical_migration)
        writer.max_record_bytes = max_record_bytes
        writer.distinct_id_of = distinct_id_of
        writer.time_of = time_of
        writer.record = record
        taken = []
        for at in range(self.count):
            if self._is_named(&self._events[at], quoted):
                continue
            made = writer.record_of(&self._events[at], at)
            if made is None:
                return None
            taken.append(made)
        return taken

    cdef bint _is_named(self, const Event* event, bytes quoted) except -1:
        cdef Py_ssize_t size = event.event.end - event.event.start
        cdef const uint8_t* name = self._start + event.event.start
        if not event.event.end:
            return quoted == b'"$identify"'
        if size == len(quoted):
            return memcmp(name, PyBytes_AS_STRING(quoted), size) == 0
        return size > len(quoted) and memchr(name, c'\\', size) is not NULL and self._spells(event.event, quoted)

    cdef bint _spells(self, Span span, bytes quoted) except -1:
        return b'"' + self._string(span) + b'"' == quoted

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

    cdef bytes _string(self, Span span):
        """What a string says, in UTF-8."""
        cdef const char* inside = <const char*>self._start + span.start + 1
        cdef Py_ssize_t size = span.end - span.start - 2
        if memchr(inside, c'\\', size) is not NULL:
            return loads(self._raw(span)).encode()
        return PyBytes_FromStringAndSize(inside, size)


cdef class Writer:
    """What the records of one request share, and the buffer each is put together in."""

    def __dealloc__(self):
        free(self.out.bytes)

    cdef int start(
        self, Batch batch, str token, str ip, str internal_ip, bytes version, now, sent_at, bint historical
    ) except -1:
        cdef bytes raw_token = token.encode()
        cdef bytes now_text
        cdef bytes sent = b""
        self.batch = batch
        self.body = batch._start
        self.now = _micros(now)
        self.has_sent_at = sent_at is not None
        if self.has_sent_at:
            self.sent_at = _micros(sent_at)
            sent = b',"sent_at":"' + _time_text(self.sent_at) + b'"'
        now_text = _time_text(self.now)
        self.headers = (("v", version), ("token", raw_token), ("now", now_text))
        self.headers_size = 9 + len(version) + len(raw_token) + len(now_text)
        self.ending = b"}"
        if historical:
            self.headers += (("historical_migration", b"true"),)
            self.headers_size += 24
            self.ending = b',"historical_migration":true}'
        self.ip = ip.encode()
        self.internal_ip = internal_ip.encode()
        self.prefix = raw_token + b":"
        self.middle = b'},"now":"' + now_text + b'"' + sent + b',"token":"' + _json_text(token) + b'","event":'
        self.opening = b'","ip":"' + _json_text(ip) + b'","data":{'
        self.internal_opening = b'","ip":"' + _json_text(internal_ip) + b'","data":{'
        return 0

    cdef object record_of(self, const Event* event, Py_ssize_t at):
        """The record, or None if the event cannot be taken."""
        cdef Span span = event.known[<int>P_COOKIELESS]
        cdef bint cookieless = span.end and self.body[span.start] == c't'
        cdef bint internal = event.present & (1 << P_INTERNAL)
        cdef int64_t moment
        cdef bytes key
        if span.end and not cookieless and self.body[span.start] != c'f':
            return None
        if event.event.end == event.event.start + 2:
            return None
        if not self.identify(event):
            return None
        moment = self.moment(event)
        self.put_uuid(event, at)
        self.put_value(event, moment, cookieless, internal)
        key = self.key if not cookieless else self.prefix + (self.internal_ip if internal else self.ip)
        headers = self.headers_of(event, moment)
        if len(key) + self.out.used + self.size_of_headers > self.max_record_bytes:
            return None
        return self.record(key, PyBytes_FromStringAndSize(<const char*>self.out.bytes, self.out.used), headers)

    cdef bint identify(self, const Event* event) except -1:
        """Who did it. False for nobody. Neighbours are often of one person: what was made for it is kept."""
        cdef Span span = event.distinct_id
        cdef Py_ssize_t size = -1
        if not span.end or self.body[span.start] == c'n':
            span = event.known[<int>P_DISTINCT_ID]
        if self.key is not None and self.last_id.end and self.batch._same(span, self.last_id):
            return True
        if span.end and self.body[span.start] == c'"':
            size = _plain_id(self.body + span.start + 1, span.end - span.start - 2)
        if size >= 0:
            self.id_raw = self.id_text = PyBytes_FromStringAndSize(<const char*>self.body + span.start + 1, size)
            self.last_id = span
        else:
            person = self.distinct_id_of(
                self.batch._raw(event.distinct_id), self.batch._raw(event.known[<int>P_DISTINCT_ID]))
            if person is None:
                return False
            self.id_raw = person.encode()
            self.id_text = _json_text(person)
            self.last_id = Span(0, 0)
        self.key = self.prefix + self.id_raw
        self.id_header = ("distinct_id", self.id_raw)
        return True

    cdef int put_uuid(self, const Event* event, Py_ssize_t at) except -1:
        cdef int place
        cdef uint8_t c
        if event.uuid.end:
            for place in range(36):
                c = self.body[event.uuid.start + 1 + place]
                self.uuid[place] = c | 0x20 if c'A' <= c <= c'F' else c
            return 0
        if self.random is None:
            self.random = os.urandom(10 * self.batch.count)
        cdef bytes random = self.random
        _print_uuid7(self.uuid, self.now // 1000, <const uint8_t*>PyBytes_AS_STRING(random) + 10 * at)
        return 0

    cdef int put_value(self, const Event* event, int64_t moment, bint cookieless, bint internal) except -1:
        cdef Buffer* out = &self.out
        cdef uint8_t time[27]
        cdef int time_size = _print_time(time, moment)
        out.used = 0
        _put(out, b'{"uuid":"', 9)
        _put(out, self.uuid, 36)
        _put(out, b'","distinct_id":"', 17)
        _put_bytes(out, self.id_text)
        _put_bytes(out, self.internal_opening if internal else self.opening)
        self.put_data(event)
        _put_bytes(out, self.middle)
        self.put_name(event)
        _put(out, b',"timestamp":"', 14)
        _put(out, time, time_size)
        _put(out, b'"', 1)
        if cookieless:
            _put(out, b',"is_cookieless_mode":true', 26)
        return _put_bytes(out, self.ending)

    cdef int put_data(self, const Event* event) except -1:
        """The raw event without its braces: known fields under one name each, values as they were sent."""
        cdef Buffer* out = &self.out
        if event.token.end:
            _put(out, b'"token":', 8)
            self.put_span(event.token)
            _put(out, b",", 1)
        if event.distinct_id.end:
            _put(out, b'"distinct_id":', 14)
            self.put_span(event.distinct_id)
            _put(out, b",", 1)
        if event.uuid.end:
            _put(out, b'"uuid":"', 8)
            _put(out, self.uuid, 36)
            _put(out, b'",', 2)
        _put(out, b'"properties":', 13)
        if event.properties.end:
            self.put_span(event.properties)
        else:
            _put(out, b"{}", 2)
        if event.timestamp.end:
            _put(out, b',"timestamp":', 13)
            self.put_span(event.timestamp)
        if event.offset.end:
            _put(out, b',"offset":', 10)
            self.put_span(event.offset)
        if event.set_.end:
            _put(out, b',"$set":', 8)
            self.put_span(event.set_)
        if event.set_once.end:
            _put(out, b',"$set_once":', 13)
            self.put_span(event.set_once)
        _put(out, b',"event":', 9)
        return self.put_name(event)

    cdef int put_span(self, Span span) except -1:
        return _put(&self.out, self.body + span.start, span.end - span.start)

    cdef int put_name(self, const Event* event) except -1:
        if event.event.end:
            return self.put_span(event.event)
        return _put(&self.out, IDENTIFY, 11)

    cdef tuple headers_of(self, const Event* event, int64_t moment):
        """Those all records share and those of this one; `size_of_headers` is what they take."""
        cdef bytes name = self.batch._string(event.event) if event.event.end else b"$identify"
        cdef bytes stamp = _decimal(moment // 1000)
        cdef bytes uuid = PyBytes_FromStringAndSize(<const char*>self.uuid, 36)
        cdef Span span = event.known[<int>P_SESSION_ID]
        cdef bytes session
        self.size_of_headers = self.headers_size + OWN_HEADERS + len(self.id_raw) + len(stamp) + len(name)
        own = (self.id_header, ("timestamp", stamp), ("event", name), ("uuid", uuid))
        if span.end and self.body[span.start] == c'"':
            session = self.batch._string(span)
            self.size_of_headers += 10 + len(session)
            own = (*own, ("session_id", session))
        return self.headers + own

    cdef int64_t moment(self, const Event* event) except? -1:
        """When it happened, in microseconds since 1970."""
        cdef int64_t given = 0
        cdef Span span = event.known[<int>P_IGNORE_SENT_AT]
        cdef bint has_sent_at = self.has_sent_at and not (span.end and self.body[span.start] == c't')
        cdef Py_ssize_t at
        cdef bint ahead
        if event.offset.end:
            span = event.offset
            ahead = self.body[span.start] == c'-'
            for at in range(span.start + ahead, span.end):
                given = given * 10 + (self.body[at] - c'0')  # 18 digits at most
            if given > 1000000000000000:  # 30,000 years, and no overflow below
                return self.now if ahead else 0
            return self.within_reach(self.now + given * 1000 if ahead else self.now - given * 1000, ahead)
        span = event.timestamp
        if span.end - span.start <= 2:  # none, or ""
            return self.now
        if not _utc_time(self.body + span.start + 1, span.end - span.start - 2, &given):
            read = self.time_of(self.batch._text(span))
            if read is None:
                return self.now
            given = _micros(read)
        if not has_sent_at:
            return self.within_reach(given, False)
        return self.within_reach(given - (self.sent_at - self.now), self.sent_at < self.now)

    cdef int64_t within_reach(self, int64_t moment, bint ahead) noexcept:
        if not MICROSECOND_MIN <= moment <= MICROSECOND_MAX:
            return self.now if ahead else 0
        return self.now if moment - self.now > FUTURE_LIMIT else moment


def special_at(bytes text not None, Py_ssize_t start, bint portable):
    """For tests: where the string scan that this machine uses, or the portable one, stops."""
    cdef const uint8_t* begin = <const uint8_t*>PyBytes_AS_STRING(text)
    cdef const uint8_t* end = begin + len(text)
    if not 0 <= start <= len(text):
        raise IndexError(start)
    return (scan_special_portable(begin + start, end) if portable else scan_special(begin + start, end)) - begin
