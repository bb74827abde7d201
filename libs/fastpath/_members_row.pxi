# Included by _members.pyx: an event and its person as the record of a stored event, and what that is written with: the
# buffer, which is kept from one record to the next, and the writers of strings, times, uuids, numbers and members.

cdef enum:
    KEPT_ROOM = 1048576

cdef Buffer _out = Buffer(NULL, 0, 0, NULL)  # kept from one event to the next; the GIL guards it


cdef inline int _reserve(Buffer* out, Py_ssize_t size) except -1:
    if out.used + size > out.room:
        _grow(out, 2 * (out.used + size))
    return 0


cdef int _grow(Buffer* out, Py_ssize_t room) except -1:
    cdef uint8_t* more
    if out.owner is not NULL:
        out.bytes, out.room = NULL, 0  # if this fails, there is no owner any more
        _PyBytes_Resize(&out.owner, room)
        more = <uint8_t*>PyBytes_AS_STRING(<bytes>out.owner)
    else:
        more = <uint8_t*>PyMem_Realloc(out.bytes, room)
        if more is NULL:
            raise MemoryError
    out.bytes = more
    out.room = room
    return 0


cdef void _let_go(Buffer* out) noexcept:
    if out.room > KEPT_ROOM:
        PyMem_Free(out.bytes)
        out.bytes = NULL
        out.room = 0


cdef inline int _add(Buffer* out, const void* text, Py_ssize_t size) except -1:
    _reserve(out, size)
    memcpy(out.bytes + out.used, text, size)
    out.used += size
    return 0


cdef int _add_string(Buffer* out, str text) except -1:
    """With its quotes."""
    cdef Py_ssize_t size
    cdef const char* raw = PyUnicode_AsUTF8AndSize(text, &size)
    cdef const uint8_t* p = <const uint8_t*>raw
    cdef const uint8_t* end = p + size
    cdef bytes escaped
    while True:
        p = scan_special(p, end)
        if p == end:
            break
        if p[0] < 0x80:
            escaped = _encoded(text)
            return _add(out, PyBytes_AS_STRING(escaped), PyBytes_GET_SIZE(escaped))
        p += 1
    _reserve(out, size + 2)
    out.bytes[out.used] = c'"'
    memcpy(out.bytes + out.used + 1, raw, size)
    out.bytes[out.used + 1 + size] = c'"'
    out.used += size + 2
    return 0


cdef const char* _PAIRS = (
    b"0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
    b"5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899"
)


cdef inline void _pair(uint8_t* into, int value) noexcept:
    """A number below 100, in two digits."""
    memcpy(into, _PAIRS + 2 * value, 2)


cdef int _add_time(Buffer* out, moment, bint milliseconds) except -1:
    """`"YYYY-MM-DD HH:MM:SS[.mmm]"` of a datetime in UTC."""
    cdef uint8_t* into
    cdef int year = datetime_year(moment)
    cdef int thousandths
    _reserve(out, 25)
    into = out.bytes + out.used
    memcpy(into, b'"0000-00-00 00:00:00.000"', 25)
    _pair(into + 1, year // 100)
    _pair(into + 3, year % 100)
    _pair(into + 6, datetime_month(moment))
    _pair(into + 9, datetime_day(moment))
    _pair(into + 12, datetime_hour(moment))
    _pair(into + 15, datetime_minute(moment))
    _pair(into + 18, datetime_second(moment))
    if milliseconds:
        thousandths = datetime_microsecond(moment) // 1000
        _pair(into + 21, thousandths // 10)
        into[23] = <uint8_t>(c'0' + thousandths % 10)
        out.used += 25
    else:
        into[20] = c'"'
        out.used += 21
    return 0


cdef int _put_uuid(uint8_t* into, identity) except -1:
    """Its 36 characters."""
    cdef const char* digits = b"0123456789abcdef"
    cdef bytes raw = identity.bytes
    cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(raw)
    cdef int at
    for at in range(16):
        if at == 4 or at == 6 or at == 8 or at == 10:
            into[0] = c'-'
            into += 1
        into[0] = digits[p[at] >> 4]
        into[1] = digits[p[at] & 15]
        into += 2
    return 0


cdef int _add_uuid(Buffer* out, identity) except -1:
    _reserve(out, 38)
    out.bytes[out.used] = out.bytes[out.used + 37] = c'"'
    _put_uuid(out.bytes + out.used + 1, identity)
    out.used += 38
    return 0


cdef int _add_number(Buffer* out, int64_t number) except -1:
    cdef uint8_t digits[20]
    cdef int at = 20
    cdef bytes text
    if number < 0:
        text = b"%d" % number
        return _add(out, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
    while True:
        at -= 1
        digits[at] = <uint8_t>(c'0' + number % 10)
        number //= 10
        if number == 0:
            return _add(out, digits + at, 20 - at)


cdef inline void _copy(uint8_t* into, const uint8_t* text, Py_ssize_t size) noexcept:
    """memcpy for what is mostly short: two copies of a fixed size, which may overlap, cost no call."""
    if size > 32:
        memcpy(into, text, size)
    elif size >= 16:
        memcpy(into, text, 16)
        memcpy(into + size - 16, text + size - 16, 16)
    elif size >= 8:
        memcpy(into, text, 8)
        memcpy(into + size - 8, text + size - 8, 8)
    elif size >= 4:
        memcpy(into, text, 4)
        memcpy(into + size - 4, text + size - 4, 4)
    else:
        while size:
            size -= 1
            into[size] = text[size]


cdef inline uint8_t* _member(uint8_t* into, const Prefix* prefix, const Value* value) noexcept:
    """`,"name":value`, where there is room for it; returns what is behind."""
    into[0] = c','
    _copy(into + 1, prefix.start, prefix.size)
    into += 1 + prefix.size
    _copy(into, value.start, value.size)
    return into + value.size


cdef inline int _close_object(Buffer* out, uint8_t* first, uint8_t* behind) noexcept:
    """Make an object of the members that `_member` has put between these two."""
    if first == behind:
        behind += 1
    first[0] = c'{'
    behind[0] = c'}'
    out.used = behind + 1 - out.bytes
    return 0


cdef int _add_members(Buffer* out, Members given) except -1:
    cdef uint8_t* first
    cdef uint8_t* into
    cdef Py_ssize_t at
    _reserve(out, given._size() + 2)
    into = first = out.bytes + out.used
    if given.packed:
        into = given._run(into, 0, given.packed)
    for at in range(given.packed, given.held):
        into = _member(into, &given.shape.prefixes[at], &given.slots[at])
    return _close_object(out, first, into)


cdef int _add_merged(Buffer* out, Members base, Members over) except -1:
    """What `base.merged(over).encoded()` is, without making it."""
    cdef Onto onto
    cdef const Value** chosen
    cdef uint8_t* first
    cdef uint8_t* into
    cdef Py_ssize_t at
    cdef Py_ssize_t count
    if over is None or not over.held:
        return _add_members(out, base)
    onto = base.shape.laid(over.shape)
    count = onto.shape.count
    _reserve(out, base._size() + over._size() + 2)
    chosen = <const Value**>PyMem_Malloc(count * sizeof(Value*))
    if chosen is NULL:
        raise MemoryError
    try:
        for at in range(base.held):
            chosen[at] = &base.slots[at]
        for at in range(over.held):
            chosen[onto.at[at]] = &over.slots[at]
        into = first = out.bytes + out.used
        for at in range(count):
            into = _member(into, &onto.shape.prefixes[at], chosen[at])
        return _close_object(out, first, into)
    finally:
        PyMem_Free(chosen)


cdef int _add_head(Buffer* out, str uuid, str event) except -1:
    """Up to the name of the properties."""
    _add(out, b'{"uuid":', 8)
    _add_string(out, uuid)
    _add(out, b',"event":', 9)
    _add_string(out, event)
    return _add(out, b',"properties":', 14)


cdef int _add_middle(Buffer* out, timestamp, int64_t team_id, str distinct_id) except -1:
    """From behind the properties to the elements chain's name."""
    _add(out, b',"timestamp":', 13)
    _add_time(out, timestamp, True)
    _add(out, b',"team_id":', 11)
    _add_number(out, team_id)
    _add(out, b',"project_id":', 14)
    _add_number(out, team_id)
    _add(out, b',"distinct_id":', 15)
    _add_string(out, distinct_id)
    return _add(out, b',"elements_chain":', 18)


cdef int _add_moments(Buffer* out, created_at, captured_at, person_id) except -1:
    """From behind the elements chain to the name of the person's properties."""
    _add(out, b',"created_at":', 14)
    _add_time(out, created_at, True)
    _add(out, b',"captured_at":', 15)
    if captured_at is None:
        _add(out, b"null", 4)
    else:
        _add_time(out, captured_at, True)
    _add(out, b',"person_id":', 13)
    _add_uuid(out, person_id)
    return _add(out, b',"person_properties":', 21)


cdef int _add_end(Buffer* out, person_created_at, str person_mode, bint historical_migration) except -1:
    _add(out, b',"person_created_at":', 21)
    _add_time(out, person_created_at, False)
    _add(out, b',"person_mode":', 15)
    _add_string(out, person_mode)
    if historical_migration:
        _add(out, b',"historical_migration":true', 28)
    return _add(out, b"}", 1)
