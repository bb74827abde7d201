# Included by _members.pyx: a captured record, read in one walk down to the members of its event's properties. What is
# rare (a field twice, its name with escapes, a type that is not the usual one) gives None, and is read another way.

cdef enum:
    COMMON = 128
    LIKELY = 256

cdef enum Field:
    F_UUID, F_EVENT, F_DISTINCT_ID, F_TOKEN, F_IP, F_TIMESTAMP, F_NOW, F_SENT_AT, F_DATA, F_HISTORICAL, F_NONE


cdef Field _field(const uint8_t* name, Py_ssize_t size) noexcept:
    if size == 2:
        return F_IP if memcmp(name, b"ip", 2) == 0 else F_NONE
    if size == 3:
        return F_NOW if memcmp(name, b"now", 3) == 0 else F_NONE
    if size == 4:
        if memcmp(name, b"uuid", 4) == 0:
            return F_UUID
        return F_DATA if memcmp(name, b"data", 4) == 0 else F_NONE
    if size == 5:
        if memcmp(name, b"event", 5) == 0:
            return F_EVENT
        return F_TOKEN if memcmp(name, b"token", 5) == 0 else F_NONE
    if size == 7:
        return F_SENT_AT if memcmp(name, b"sent_at", 7) == 0 else F_NONE
    if size == 9:
        return F_TIMESTAMP if memcmp(name, b"timestamp", 9) == 0 else F_NONE
    if size == 11:
        return F_DISTINCT_ID if memcmp(name, b"distinct_id", 11) == 0 else F_NONE
    if size == 20:
        return F_HISTORICAL if memcmp(name, b"historical_migration", 20) == 0 else F_NONE
    return F_NONE


cdef inline bint _is(Part* part, const char* name, Py_ssize_t size) noexcept:
    return part.name_size == size and memcmp(part.name, name, size) == 0


cdef struct Found:
    Text fields[8]
    bint historical
    bint has_historical
    bint has_cookieless
    Text set_
    Text set_once
    bint has_data
    bint has_properties


cdef inline Text _text(Part* part) noexcept:
    return Text(part.value, part.value_size, False)


cdef list _likely = [None] * LIKELY  # shapes of properties, some, by what tells them before they are read


cdef inline Py_ssize_t _place_of(Found* found) noexcept:
    """A project sends events of one name with the same properties, mostly. Capture writes both before the event."""
    cdef Text* event = &found.fields[<int>F_EVENT]
    cdef Text* token = &found.fields[<int>F_TOKEN]
    cdef Py_ssize_t mixed = 0
    if event.start is not NULL:
        mixed = event.size + 7 * event.start[event.size // 2] + 31 * event.start[event.size - 2]
    if token.start is not NULL:
        mixed += 3 * token.start[token.size // 2] + 13 * token.start[token.size - 2]
    return mixed % LIKELY


cdef const uint8_t* _data(const uint8_t* p, const uint8_t* end, int* flags, Found* found, Parts* parts) noexcept:
    """The event as it was sent, from its brace. NULL also for what is rare: it is read another way."""
    cdef Part part
    p = scan_blanks(p + 1)
    if p[0] == c'}':
        return p + 1
    while True:
        p = _name(p, end, flags, &part)
        if p is NULL or part.escaped:
            return NULL
        part.value = p
        if _is(&part, b"properties", 10):
            if p[0] != c'{' or found.has_properties:
                return NULL
            found.has_properties = True
            p = _members(p, end, LEVELS - 2, flags, parts, <Shape>_likely[_place_of(found)])
        else:
            p = scan_value(p, end, LEVELS - 2, flags)
        if p is NULL:
            return NULL
        part.value_size = p - part.value
        if _is(&part, b"$set", 4):
            if found.set_.start is not NULL:
                return NULL
            found.set_ = _text(&part)
        elif _is(&part, b"$set_once", 9):
            if found.set_once.start is not NULL:
                return NULL
            found.set_once = _text(&part)
        p = scan_blanks(p)
        if p[0] == c'}':
            return p + 1
        if p[0] != c',':
            return NULL
        p = scan_blanks(p + 1)


cdef const uint8_t* _record(const uint8_t* p, const uint8_t* end, int* flags, Found* found, Parts* parts) noexcept:
    cdef Part part
    cdef Field field
    cdef uint8_t kind
    if p[0] != c'{':
        return NULL
    p = scan_blanks(p + 1)
    while True:
        p = _name(p, end, flags, &part)
        if p is NULL or part.escaped:
            return NULL
        field = _field(part.name, part.name_size)
        kind = p[0]
        part.value = p
        if field == F_DATA:
            if kind != c'{' or found.has_data:
                return NULL
            found.has_data = True
            p = _data(p, end, flags, found, parts)
        else:
            flags[0] &= ~SCAN_ESCAPED
            p = scan_value(p, end, LEVELS - 1, flags)
        if p is NULL:
            return NULL
        part.value_size = p - part.value
        if field < F_DATA:
            if found.fields[<int>field].start is not NULL or kind != c'"' and (field != F_SENT_AT or kind != c'n'):
                return NULL
            found.fields[<int>field] = Text(part.value, part.value_size, (flags[0] & SCAN_ESCAPED) != 0)
        elif field == F_HISTORICAL:
            if found.has_historical or (kind != c't' and kind != c'f'):
                return NULL
            found.has_historical = True
            found.historical = kind == c't'
        elif _is(&part, b"is_cookieless_mode", 18):
            if found.has_cookieless or (kind != c't' and kind != c'f'):
                return NULL
            found.has_cookieless = True
        p = scan_blanks(p)
        if p[0] == c'}':
            break
        if p[0] != c',':
            return NULL
        p = scan_blanks(p + 1)
    return p + 1


cdef str _string(Text* text):
    if text.start is NULL or text.start[0] != c'"':
        return None
    if text.escaped:
        return _decoded(text.start[: text.size])
    return PyUnicode_DecodeUTF8(<const char*>text.start + 1, text.size - 2, NULL)


cdef list _common = [None] * COMMON  # what events say alike, some of it


cdef str _common_string(Text* text):
    """As `_string`; one object for all events that say the same, so that looking it up touches no cold memory."""
    cdef Py_ssize_t size
    cdef Py_ssize_t place
    cdef const char* known
    if text.start is NULL or text.start[0] != c'"' or text.escaped or not 2 < text.size < COMMON:
        return _string(text)
    place = (text.size + 5 * text.start[text.size // 2] + 3 * text.start[text.size - 2]) % COMMON
    found = _common[place]
    if found is not None:
        known = PyUnicode_AsUTF8AndSize(found, &size)
        if size == text.size - 2 and memcmp(known, text.start + 1, size) == 0:
            return <str>found
    made = _common[place] = _string(text)
    return made


cdef uint8_t[256] _lower  # what may stand in a uuid, in lower case; 0 for all else


cdef int _know_lower() noexcept:
    cdef const uint8_t* said = b"0123456789abcdefABCDEF-"
    cdef int at
    memset(_lower, 0, sizeof(_lower))
    for at in range(23):
        _lower[said[at]] = said[at] | 0x20
    return 0


_know_lower()


cdef str _uuid(Text* text):
    """In lower case; None for one that is not written the usual way."""
    cdef const uint8_t* t = text.start + 1
    cdef uint8_t lower[36]
    cdef int at
    cdef int strange = 0
    cdef int dashes = 0
    if text.size != 38 or text.escaped:
        return None
    for at in range(36):  # without a branch: four bytes of a hundred would each be a surprise
        lower[at] = _lower[t[at]]
        strange += lower[at] == 0
        dashes += lower[at] == c'-'
    if strange or dashes != 4 or t[8] != c'-' or t[13] != c'-' or t[18] != c'-' or t[23] != c'-':
        return None
    made = PyUnicode_New(36, 127)
    memcpy(PyUnicode_1BYTE_DATA(made), lower, 36)
    return made


cdef bytes _slice(Text* text):
    return PyBytes_FromStringAndSize(<const char*>text.start, text.size) if text.start is not NULL else None


cdef str _latest_said = None
cdef object _latest_moment = None


cdef object _common_moment(Text* text):
    """As `_moment`; one object for all events of a request, which say the same."""
    global _latest_said, _latest_moment
    said = _common_string(text)
    if said is not _latest_said:
        _latest_moment = _moment(text)
        _latest_said = said
    return _latest_moment


cdef object _moment(Text* text):
    """`utc_moment`; by itself what is written as `"YYYY-MM-DDTHH:MM:SS[.mmm]Z"`."""
    cdef const uint8_t* t = text.start + 1
    cdef int year
    cdef int micros = 0
    if (text.size != 22 and text.size != 26) or t[text.size - 3] != c'Z' or not _is_second(t, c'T'):
        return _utc_moment(_string(text))
    if text.size == 26:
        if t[19] != c'.' or not _is_number(t + 20, 3):
            return _utc_moment(_string(text))
        micros = ((t[20] - c'0') * 100 + _two(t + 21)) * 1000
    year = 100 * _two(t) + _two(t + 2)
    return datetime_new(
        year, _two(t + 5), _two(t + 8), _two(t + 11), _two(t + 14), _two(t + 17), micros, _UTC
    )


@cython.final
@cython.no_gc  # what it holds never holds it
@cython.freelist(8)
cdef class Captured:
    """See `_members_py.Captured`."""


def captured(bytes value not None):
    """See `_members_py.captured`."""
    cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(value)
    cdef const uint8_t* end = p + PyBytes_GET_SIZE(value)
    cdef Found found
    cdef Parts parts
    cdef int flags = 0
    cdef int field
    for field in range(8):
        found.fields[field] = Text(NULL, 0, False)
    found.historical = found.has_data = found.has_properties = found.has_historical = found.has_cookieless = False
    found.set_ = found.set_once = Text(NULL, 0, False)
    _open(&parts)
    try:
        p = _record(scan_blanks(p), end, &flags, &found, &parts)
        if p is NULL or scan_blanks(p) != end or flags & (SCAN_LONE | SCAN_DEEP) or not found.has_data:
            return None
        return _captured_of(value, &found, &parts)
    finally:
        _close(&parts)


cdef Captured _captured_of(bytes value, Found* found, Parts* parts):
    cdef Captured made = Captured.__new__(Captured)
    cdef Text* field = found.fields
    cdef Text* event = &field[<int>F_EVENT]
    cdef Text* distinct_id = &field[<int>F_DISTINCT_ID]
    cdef int at
    for at in range(<int>F_SENT_AT):
        if field[at].start is NULL:
            return None
    made.properties = _properties_of(value, found, parts)  # first: nobody holds the shape that was foreseen
    made.uuid = _uuid(&field[<int>F_UUID])
    if made.uuid is None:
        return None
    made.event = _common_string(event)
    made.distinct_id = _string(distinct_id)
    if (event.escaped or distinct_id.escaped) and ("\0" in made.event or "\0" in made.distinct_id):
        return None
    made.token = _common_string(&field[<int>F_TOKEN])
    made.ip = _string(&field[<int>F_IP])  # others each time: in the table they would take the place of tokens
    made.timestamp = _moment(&field[<int>F_TIMESTAMP])
    made.now = _common_moment(&field[<int>F_NOW])
    made.sent_at = _common_string(&field[<int>F_SENT_AT])
    made.historical_migration = found.historical
    made.latest = _slice(&found.set_)
    made.first = _slice(&found.set_once)
    return made


cdef Members _properties_of(bytes value, Found* found, Parts* parts):
    cdef Members made = _taken(value, parts)
    if parts.shape is NULL and made.packed and made.packed == made.held and made.shape.shared:
        _likely[_place_of(found)] = made.shape
    return made
