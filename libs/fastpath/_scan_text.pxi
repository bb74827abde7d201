# Included by _scan.pyx: bytes put behind each other, and texts, times and uuids read and printed.

cdef int _open(Out* out, Py_ssize_t room) except -1:
    """Begin with this much room; more is made when it is needed."""
    out.made = <PyObject*>NULL
    out.room = room
    out.size = 0
    out.start = NULL
    made = PyBytes_FromStringAndSize(NULL, room)
    Py_INCREF(made)
    out.made = <PyObject*>made
    out.start = <uint8_t*>PyBytes_AS_STRING(made)
    return 0


cdef void _drop(Out* out) noexcept:
    """Let go of what was written. Nothing, for one that was never opened or is closed."""
    Py_XDECREF(out.made)
    out.made = NULL


cdef bytes _close(Out* out):
    """What was written."""
    cdef PyObject* made = out.made
    out.made = NULL
    if made is NULL:
        raise MemoryError
    _PyBytes_Resize(&made, out.size)
    found = <bytes>made
    Py_DECREF(found)
    return found


cdef bytes _with_room(Out* out):
    """What was written, and the room that is left behind it: cheaper than `_close` for what is not kept."""
    cdef PyObject* made = out.made
    out.made = NULL
    if made is NULL:
        raise MemoryError
    found = <bytes>made
    Py_DECREF(found)
    return found


cdef bint _grow(Out* out, Py_ssize_t size) noexcept:
    """Make room for so many bytes more. False when there is none: then nothing more is written, and `_close` raises."""
    if out.made is NULL:
        return False
    try:
        _PyBytes_Resize(&out.made, 2 * out.room + size)
    except MemoryError:
        out.made = NULL
        out.room = out.size
        return False
    out.room = 2 * out.room + size
    out.start = <uint8_t*>PyBytes_AS_STRING(<object>out.made)
    return True


cdef inline void _put(Out* out, const void* text, Py_ssize_t size) noexcept:
    if out.room - out.size < size and not _grow(out, size):
        return
    memcpy(out.start + out.size, text, size)
    out.size += size


cdef inline void _put_bytes(Out* out, bytes text) noexcept:
    _put(out, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))


cdef inline void _put_text(Out* out, Text text) noexcept:
    _put(out, text.start, text.size)


cdef inline void _print_big(uint8_t* into, uint64_t value, int size) noexcept:
    """A number as bytes, the highest first."""
    while size:
        size -= 1
        into[size] = <uint8_t>(value & 0xFF)
        value >>= 8


cdef inline void _put_bin(Out* out, Py_ssize_t size) noexcept:
    """What stands before so many bytes in MessagePack."""
    cdef uint8_t head[5]
    if size <= 0xFF:
        head[0] = 0xC4
        head[1] = <uint8_t>size
        _put(out, head, 2)
    else:
        head[0] = 0xC6
        _print_big(head + 1, size, 4)
        _put(out, head, 5)


cdef inline void _put_header(Out* out, const char* name, Py_ssize_t size, Text text) noexcept:
    """A pair in MessagePack: a name of less than 32 bytes, and bytes."""
    cdef uint8_t head[2]
    head[0] = 0x92
    head[1] = 0xA0 | <uint8_t>size
    _put(out, head, 2)
    _put(out, name, size)
    _put_bin(out, text.size)
    _put_text(out, text)


cdef inline Text _slice(const uint8_t* start, Py_ssize_t size) noexcept:
    return Text(start, size)


cdef inline Text _text_of(bytes held) noexcept:
    """To be used while the object is held."""
    return Text(<const uint8_t*>PyBytes_AS_STRING(held), PyBytes_GET_SIZE(held))


cdef inline Text _utf8(str text) except *:
    """To be used while the object is held."""
    cdef Py_ssize_t size
    cdef const char* start = PyUnicode_AsUTF8AndSize(text, &size)
    return Text(<const uint8_t*>start, size)


cdef bytes _json_text(Text* text):
    """Make it what stands between the quotes of a JSON string that says this. The object to hold while it is used: None
    where that is the text itself."""
    cdef Py_ssize_t at
    cdef bytes held = None
    for at in range(text.size):
        if text.start[at] < 0x20 or text.start[at] == c'"' or text.start[at] == c'\\':
            held = _escaped(text.start[: text.size].decode()).encode()
            text[0] = _text_of(held)
            break
    return held


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
    if 0 < size <= MAX_CHARACTERS and not _is_blank_start(text[0]):  # nearly always
        return size
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


cdef inline int _print_number(uint8_t* into, unsigned int value, int digits) noexcept:
    while digits:
        digits -= 1
        into[digits] = <uint8_t>(c'0' + value % 10)
        value //= 10
    return 0


# The date printed last: nearly all times are of today. Written and read under the GIL.
cdef int64_t _printed_day = INT64_MIN
cdef uint8_t _printed[11]


cdef void _print_date(uint8_t* into, int64_t day) noexcept:
    """YYYY-MM-DDT of a day since 1970."""
    global _printed_day
    if day != _printed_day:
        _print_new_date(_printed, day)
        _printed_day = day
    memcpy(into, _printed, 11)


cdef void _print_new_date(uint8_t* into, int64_t day) noexcept:
    """Hinnant's civil_from_days."""
    cdef int z = <int>day + 719468
    cdef int era = z // 146097
    cdef int of_era = z - era * 146097
    cdef int year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    cdef int of_year = of_era - (365 * year + year // 4 - year // 100)
    cdef int month = (5 * of_year + 2) // 153
    _print_number(into + 8, of_year - (153 * month + 2) // 5 + 1, 2)
    month = month + 3 if month < 10 else month - 9
    _print_number(into, year + era * 400 + (1 if month <= 2 else 0), 4)
    _print_number(into + 5, month, 2)
    into[4] = into[7] = c'-'
    into[10] = c'T'


cdef int _print_hour(uint8_t* into, int64_t micros) noexcept:
    """The rest of an RFC 3339 time behind its date, to the millisecond or, where there is more, the microsecond. The
    length of all of it."""
    cdef unsigned int second = <unsigned int>(<uint64_t>micros // 1000000)
    cdef unsigned int fraction = <unsigned int>(<uint64_t>micros % 1000000)
    cdef int size
    _print_number(into + 11, second // 3600, 2)
    _print_number(into + 14, second // 60 % 60, 2)
    _print_number(into + 17, second % 60, 2)
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


cdef int _print_decimal(uint8_t* into, int64_t value) noexcept:
    """20 characters at most. How many there are."""
    cdef uint8_t text[20]
    cdef int at = 20
    cdef uint64_t rest = <uint64_t>value if value >= 0 else <uint64_t>-value
    while True:
        at -= 1
        text[at] = <uint8_t>(c'0' + rest % 10)
        rest //= 10
        if rest == 0:
            break
    if value < 0:
        at -= 1
        text[at] = c'-'
    memcpy(into, text + at, 20 - at)
    return 20 - at


cdef int _print_time(uint8_t* into, int64_t micros) noexcept:
    """An RFC 3339 time of 27 characters at most. How many there are."""
    cdef int64_t day = micros // DAY
    _print_date(into, day)
    return _print_hour(into, micros - day * DAY)


cdef void _print_uuid7(uint8_t* into, int64_t milliseconds, const uint8_t* random) noexcept:
    """RFC 9562, from 80 random bits."""
    cdef uint8_t raw[16]
    cdef int at
    for at in range(6):
        raw[at] = <uint8_t>((<uint64_t>milliseconds >> (40 - 8 * at)) & 0xFF)
    raw[6] = 0x70 | (random[0] >> 4)
    raw[7] = <uint8_t>(random[0] << 4) | (random[1] >> 4)
    for at in range(8):
        raw[8 + at] = random[2 + at]
    raw[8] = 0x80 | (raw[8] & 0x3F)
    _print_uuid(into, raw)


cdef void _print_uuid(uint8_t* into, const uint8_t* raw) noexcept:
    cdef const char* digits = b"0123456789abcdef"
    cdef int at
    cdef int place = 0
    for at in range(16):
        if at == 4 or at == 6 or at == 8 or at == 10:
            into[place] = c'-'
            place += 1
        into[place] = digits[raw[at] >> 4]
        into[place + 1] = digits[raw[at] & 15]
        place += 2


cdef void _read_uuid(uint8_t* into, const uint8_t* text) noexcept:
    """The bytes of 36 characters in lower case."""
    cdef int at
    cdef uint8_t c
    cdef uint8_t digit
    cdef int digits = 0
    for at in range(36):
        c = text[at]
        if c != c'-':
            digit = c - c'0' if c <= c'9' else c - c'a' + 10
            into[digits // 2] = digit << 4 if digits % 2 == 0 else into[digits // 2] | digit
            digits += 1
