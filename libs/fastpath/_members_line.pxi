# Included by _members.pyx: a stored event as a line of ClickHouse's events table. The columns are found in one walk; if
# one is missing, twice there, of another type or not in its usual form, that gives None, and the slow way decides.

cdef enum Column:
    C_UUID, C_EVENT, C_TIMESTAMP, C_DISTINCT_ID, C_CHAIN, C_CREATED, C_CAPTURED, C_PERSON, C_PERSON_CREATED, C_MODE
    C_TEAM, C_PROJECT, C_PROPERTIES, C_PERSON_PROPERTIES, C_HISTORICAL, C_NONE

cdef enum:
    COLUMNS = 15
    MAX_DIGITS = 18


cdef Column _column(const uint8_t* name, Py_ssize_t size) noexcept:
    if size == 4:
        return C_UUID if memcmp(name, b"uuid", 4) == 0 else C_NONE
    if size == 5:
        return C_EVENT if memcmp(name, b"event", 5) == 0 else C_NONE
    if size == 7:
        return C_TEAM if memcmp(name, b"team_id", 7) == 0 else C_NONE
    if size == 9:
        if memcmp(name, b"timestamp", 9) == 0:
            return C_TIMESTAMP
        return C_PERSON if memcmp(name, b"person_id", 9) == 0 else C_NONE
    if size == 10:
        if memcmp(name, b"properties", 10) == 0:
            return C_PROPERTIES
        if memcmp(name, b"project_id", 10) == 0:
            return C_PROJECT
        return C_CREATED if memcmp(name, b"created_at", 10) == 0 else C_NONE
    if size == 11:
        if memcmp(name, b"distinct_id", 11) == 0:
            return C_DISTINCT_ID
        if memcmp(name, b"captured_at", 11) == 0:
            return C_CAPTURED
        return C_MODE if memcmp(name, b"person_mode", 11) == 0 else C_NONE
    if size == 14:
        return C_CHAIN if memcmp(name, b"elements_chain", 14) == 0 else C_NONE
    if size == 17:
        if memcmp(name, b"person_properties", 17) == 0:
            return C_PERSON_PROPERTIES
        return C_PERSON_CREATED if memcmp(name, b"person_created_at", 17) == 0 else C_NONE
    if size == 20:
        return C_HISTORICAL if memcmp(name, b"historical_migration", 20) == 0 else C_NONE
    return C_NONE


cdef const uint8_t* _columns(const uint8_t* p, const uint8_t* end, int* flags, Text* columns, Parts* own) noexcept:
    """From the brace of a stored event. The members of its properties go to `own`."""
    cdef Part part
    cdef Column column
    if p[0] != c'{':
        return NULL
    p = scan_blanks(p + 1)
    while True:
        p = _name(p, end, flags, &part)
        if p is NULL or part.escaped:
            return NULL
        column = _column(part.name, part.name_size)
        if column != C_NONE and columns[<int>column].start is not NULL:
            return NULL
        part.value = p
        flags[0] &= ~SCAN_ESCAPED
        if column == C_PROPERTIES:
            p = _members(p, end, LEVELS - 1, flags, own, None) if p[0] == c'{' else NULL
        else:
            p = scan_value(p, end, LEVELS - 1, flags)
        if p is NULL:
            return NULL
        if column != C_NONE:
            columns[<int>column] = Text(part.value, p - part.value, (flags[0] & SCAN_ESCAPED) != 0)
        p = scan_blanks(p)
        if p[0] == c'}':
            return p + 1
        if p[0] != c',':
            return NULL
        p = scan_blanks(p + 1)


cdef bint _is_number(const uint8_t* text, int digits) noexcept:
    cdef int at
    for at in range(digits):
        if not c'0' <= text[at] <= c'9':
            return False
    return True


cdef inline int _two(const uint8_t* text) noexcept:
    return (text[0] - c'0') * 10 + text[1] - c'0'


cdef bint _is_time(const Text* text) noexcept:
    """`"YYYY-MM-DD HH:MM:SS[.mmm]"`; the end of a February needs a calendar, which the slow way has."""
    cdef const uint8_t* t = text.start + 1
    if text.size == 25:
        return t[19] == c'.' and _is_number(t + 20, 3) and _is_second(t, c' ')
    return text.size == 21 and _is_second(t, c' ')


cdef bint _is_second(const uint8_t* t, uint8_t between) noexcept:
    """Whether the 19 bytes there are a date and a time, with this between them; not of the end of a February."""
    if not _is_number(t, 4) or not _is_number(t + 5, 2) or not _is_number(t + 8, 2) or not _is_number(t + 11, 2):
        return False
    if not _is_number(t + 14, 2) or not _is_number(t + 17, 2):
        return False
    if t[4] != c'-' or t[7] != c'-' or t[10] != between or t[13] != c':' or t[16] != c':':
        return False
    if not 1 <= _two(t + 5) <= 12 or _two(t + 8) == 0 or _two(t) + _two(t + 2) == 0:
        return False
    if _two(t + 8) > 28 and _two(t + 5) == 2:
        return False
    if _two(t + 8) > 31 or (_two(t + 8) == 31 and not _has_31_days(_two(t + 5))):
        return False
    return _two(t + 11) < 24 and _two(t + 14) < 60 and _two(t + 17) < 60


cdef inline bint _has_31_days(int month) noexcept:
    return month == 1 or month == 3 or month == 5 or month == 7 or month == 8 or month == 10 or month == 12


cdef bint _is_lower_uuid(const Text* text) noexcept:
    cdef const uint8_t* t = text.start + 1
    cdef int at
    if text.size != 38:
        return False
    for at in range(36):
        if at == 8 or at == 13 or at == 18 or at == 23:
            if t[at] != c'-':
                return False
        elif not (c'0' <= t[at] <= c'9' or c'a' <= t[at] <= c'f'):
            return False
    return True


cdef bint _are_usual(const Text* columns) noexcept:
    """Whether every column is there, of its type and in its usual form."""
    cdef int at
    cdef Py_ssize_t place
    for at in range(<int>C_HISTORICAL):
        if columns[at].start is NULL:
            return False
        if at < <int>C_TEAM and columns[at].start[0] != c'"' and (at != <int>C_CAPTURED or columns[at].start[0] != c'n'):
            return False
    for at in range(<int>C_TEAM, <int>C_PROPERTIES):
        if columns[at].size > MAX_DIGITS or (columns[at].start[0] == c'0' and columns[at].size > 1):
            return False
        for place in range(columns[at].size):
            if not c'0' <= columns[at].start[place] <= c'9':
                return False
    if columns[<int>C_PERSON_PROPERTIES].start[0] != c'{':
        return False
    if not _is_lower_uuid(&columns[<int>C_UUID]) or not _is_lower_uuid(&columns[<int>C_PERSON]):
        return False
    if columns[<int>C_CAPTURED].start[0] != c'n' and not _is_time(&columns[<int>C_CAPTURED]):
        return False
    if columns[<int>C_HISTORICAL].start is not NULL and columns[<int>C_HISTORICAL].start[0] not in b"tf":
        return False
    if not (_is_time(&columns[<int>C_TIMESTAMP]) and _is_time(&columns[<int>C_CREATED])):
        return False
    return _is_time(&columns[<int>C_PERSON_CREATED]) and _is_mode(&columns[<int>C_MODE])


cdef bint _is_mode(const Text* text) noexcept:
    if text.size == 6:
        return memcmp(text.start, b'"full"', 6) == 0
    if text.size == 14:
        return memcmp(text.start, b'"propertyless"', 14) == 0
    return text.size == 15 and memcmp(text.start, b'"force_upgrade"', 15) == 0


cdef int _add_text(Buffer* out, Text* text) except -1:
    """As it is, or without escapes that need not be."""
    if text.escaped:
        return _add_string(out, _decoded(text.start[: text.size]))
    return _add(out, text.start, text.size)


cdef int _add_quoted(Buffer* out, Text* text) except -1:
    """JSON as the inside of a JSON string."""
    cdef uint8_t* into
    cdef const uint8_t* p = text.start
    cdef const uint8_t* end = text.start + text.size
    cdef uint8_t c
    _reserve(out, 2 * text.size)
    into = out.bytes + out.used
    while p < end:
        c = p[0]
        p += 1
        if c == c'"' or c == c'\\' or c < 0x20:
            into[0] = c'\\'
            into += 1
            if c == c'\n':
                c = c'n'
            elif c == c'\r':
                c = c'r'
            elif c == c'\t':
                c = c't'
        into[0] = c
        into += 1
    out.used = into - out.bytes
    return 0


cdef int _add_objects(Buffer* out, Parts* own) except -1:
    """Names of members that are objects. -1 is an error; 0 says that a name needs a closer look."""
    cdef Py_ssize_t at
    cdef Py_ssize_t other
    cdef bint first = True
    _add(out, b"[", 1)
    for at in range(own.count):
        if own.at[at].value[0] != c'{':
            continue
        if own.at[at].escaped:
            return 0
        for other in range(own.count):
            if other != at and own.at[other].name_size == own.at[at].name_size and memcmp(
                own.at[other].name, own.at[at].name, own.at[at].name_size
            ) == 0:
                return 0
        _add(out, b'"' if first else b',"', 1 if first else 2)
        _add(out, own.at[at].name, own.at[at].name_size + 1)
        first = False
    _add(out, b"]", 1)
    return 1


cdef object _line(Text* columns, Parts* own, bytes place):
    cdef Buffer* out = &_out
    out.used = 0
    _add(out, b'{"uuid":', 8)
    _add_text(out, &columns[<int>C_UUID])
    _add(out, b',"event":', 9)
    _add_text(out, &columns[<int>C_EVENT])
    _add(out, b',"timestamp":', 13)
    _add_text(out, &columns[<int>C_TIMESTAMP])
    _add(out, b',"team_id":', 11)
    _add_text(out, &columns[<int>C_TEAM])
    _add(out, b',"project_id":', 14)
    _add_text(out, &columns[<int>C_PROJECT])
    _add(out, b',"distinct_id":', 15)
    _add_text(out, &columns[<int>C_DISTINCT_ID])
    _add(out, b',"elements_chain":', 18)
    _add_text(out, &columns[<int>C_CHAIN])
    _add(out, b',"created_at":', 14)
    _add_text(out, &columns[<int>C_CREATED])
    _add(out, b',"captured_at":', 15)
    _add_text(out, &columns[<int>C_CAPTURED])
    _add(out, b',"person_id":', 13)
    _add_text(out, &columns[<int>C_PERSON])
    _add(out, b',"person_created_at":', 21)
    _add_text(out, &columns[<int>C_PERSON_CREATED])
    _add(out, b',"person_mode":', 15)
    _add_text(out, &columns[<int>C_MODE])
    if columns[<int>C_HISTORICAL].start is not NULL and columns[<int>C_HISTORICAL].start[0] == c't':
        _add(out, b',"historical_migration":true,"properties_objects":', 50)
    else:
        _add(out, b',"historical_migration":false,"properties_objects":', 51)
    if not _add_objects(out, own):
        return None
    _add(out, PyBytes_AS_STRING(place), PyBytes_GET_SIZE(place))
    _add(out, b',"properties":', 14)
    _add(out, columns[<int>C_PROPERTIES].start, columns[<int>C_PROPERTIES].size)
    _add(out, b',"properties_raw":"', 19)
    _add_quoted(out, &columns[<int>C_PROPERTIES])
    _add(out, b'","person_properties":', 22)
    _add(out, columns[<int>C_PERSON_PROPERTIES].start, columns[<int>C_PERSON_PROPERTIES].size)
    _add(out, b',"person_properties_raw":"', 26)
    _add_quoted(out, &columns[<int>C_PERSON_PROPERTIES])
    _add(out, b'"}\n', 3)
    made = PyBytes_FromStringAndSize(<const char*>out.bytes, out.used)
    _let_go(out)
    return made


cdef bint _is_usual(const uint8_t* p, const uint8_t* end, Text* columns, Parts* own) noexcept:
    """Find the columns of a stored event. False for one that the slow way has to look at."""
    cdef int flags = 0
    p = _columns(scan_blanks(p), end, &flags, columns, own)
    if p is NULL or scan_blanks(p) != end or flags & (SCAN_LONE | SCAN_DEEP | SCAN_HUGE):
        return False
    return _are_usual(columns)


cdef tuple _head(Text* columns):
    return (
        int(columns[<int>C_TEAM].start[: columns[<int>C_TEAM].size]),
        _string(&columns[<int>C_UUID]),
        _string(&columns[<int>C_EVENT]),
        _string(&columns[<int>C_DISTINCT_ID]),
        _string(&columns[<int>C_TIMESTAMP]),
    )


def head(bytes value not None):
    """See `_members_py.head`."""
    cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(value)
    cdef Text columns[COLUMNS]
    cdef Parts own
    cdef int at
    for at in range(COLUMNS):
        columns[at] = Text(NULL, 0, False)
    _open(&own)
    try:
        return _head(columns) if _is_usual(p, p + PyBytes_GET_SIZE(value), columns, &own) else None
    finally:
        _close(&own)


def line(bytes value not None, bytes place not None):
    """See `_members_py.line`."""
    cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(value)
    cdef Text columns[COLUMNS]
    cdef Parts own
    cdef int at
    for at in range(COLUMNS):
        columns[at] = Text(NULL, 0, False)
    _open(&own)
    try:
        return _line(columns, &own, place) if _is_usual(p, p + PyBytes_GET_SIZE(value), columns, &own) else None
    finally:
        _close(&own)
