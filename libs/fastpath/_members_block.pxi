# Included by _members.pyx: stored events as one block of ClickHouse's Native format. `_members_tree.pxi` turns objects
# into the columns of a JSON column; here are the other columns, and the order of everything.

cdef enum:
    EVENT_COLUMNS = 22
    FIRST_YEAR = 1970
    LAST_YEAR = 2200  # a DateTime64(6) ends in 2299


cdef struct Place:
    # where in the log a record stood, and when it came: seconds since 1970
    int64_t partition
    int64_t offset
    int64_t seconds


cdef int64_t _days(int year, int month, int day) noexcept:
    """Since 1970-01-01, in the Gregorian calendar; years from 1."""
    cdef int64_t shifted = year - (month <= 2)
    cdef int64_t day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return 365 * shifted + shifted // 4 - shifted // 100 + shifted // 400 + day_of_year - 719468


cdef int64_t _milliseconds(const Text* text) noexcept:
    """Since 1970, of what `_is_time` accepts."""
    cdef const uint8_t* t = text.start + 1
    cdef int year = 100 * _two(t) + _two(t + 2)
    cdef int64_t seconds = _days(year, _two(t + 5), _two(t + 8)) * 86400
    seconds += _two(t + 11) * 3600 + _two(t + 14) * 60 + _two(t + 17)
    return seconds * 1000 + ((t[20] - c'0') * 100 + _two(t + 21) if text.size == 25 else 0)


cdef bint _is_near(const Text* text) noexcept:
    """Whether a time is one that the column can hold."""
    cdef const uint8_t* t = text.start + 1
    return text.start[0] == c'n' or FIRST_YEAR <= 100 * _two(t) + _two(t + 2) <= LAST_YEAR


cdef int _add_varint(Buffer* out, size_t number) except -1:
    _reserve(out, 10)
    while number >= 0x80:
        out.bytes[out.used] = <uint8_t>(number | 0x80)
        out.used += 1
        number >>= 7
    out.bytes[out.used] = <uint8_t>number
    out.used += 1
    return 0


cdef inline int _add_sized(Buffer* out, const void* text, Py_ssize_t size) except -1:
    """A String."""
    _reserve(out, size + 10)
    _add_varint(out, size)
    memcpy(out.bytes + out.used, text, size)
    out.used += size
    return 0


cdef inline int _add_word(Buffer* out, int64_t number, int size) except -1:
    """Its lower bytes; both ends of the wire are little-endian."""
    cdef int at
    _reserve(out, size)
    for at in range(size):
        out.bytes[out.used + at] = <uint8_t>(number >> (8 * at))
    out.used += size
    return 0


cdef int _add_plain_text(Buffer* out, const Text* text) except -1:
    """What a JSON string says, as a String."""
    cdef Py_ssize_t size
    cdef const char* plain
    if not text.escaped:
        return _add_sized(out, text.start + 1, text.size - 2)
    said = _decoded(text.start[: text.size])
    plain = PyUnicode_AsUTF8AndSize(said, &size)
    return _add_sized(out, plain, size)


cdef inline uint8_t _nibble(uint8_t digit) noexcept:
    return digit - c'0' if digit <= c'9' else digit - c'a' + 10


cdef int _add_plain_uuid(Buffer* out, const Text* text) except -1:
    """Two words, the upper one first, each little-endian."""
    cdef uint8_t raw[16]
    cdef const uint8_t* t = text.start + 1
    cdef int at
    for at in range(16):
        if at == 4 or at == 6 or at == 8 or at == 10:
            t += 1
        raw[at] = _nibble(t[0]) << 4 | _nibble(t[1])
        t += 2
    _reserve(out, 16)
    for at in range(8):
        out.bytes[out.used + at] = raw[7 - at]
        out.bytes[out.used + 8 + at] = raw[15 - at]
    out.used += 16
    return 0


cdef int64_t _whole(const Text* text) noexcept:
    """At most 18 digits."""
    cdef int64_t number = 0
    cdef Py_ssize_t at
    for at in range(text.size):
        number = 10 * number + text.start[at] - c'0'
    return number


@cython.final
cdef class _Block:
    """Columns that grow by a row at a time, in the order of `_members_py.BLOCK_COLUMNS`."""

    cdef:
        Buffer columns[EVENT_COLUMNS]
        Buffer nulls  # of captured_at
        Buffer names  # the objects' names: the values behind the offsets of properties_objects
        Py_ssize_t named
        Py_ssize_t rows
        _Tree properties
        _Tree person_properties

    def __cinit__(self, tuple typed):
        cdef int at
        for at in range(EVENT_COLUMNS):
            self.columns[at] = Buffer(NULL, 0, 0, NULL)
        self.nulls = self.names = Buffer(NULL, 0, 0, NULL)
        self.named = self.rows = 0
        self.properties = _Tree(typed)
        self.person_properties = _Tree(())

    def __dealloc__(self):
        cdef int at
        for at in range(EVENT_COLUMNS):
            PyMem_Free(self.columns[at].bytes)
        PyMem_Free(self.nulls.bytes)
        PyMem_Free(self.names.bytes)

    cdef bint take(self, bytes value, const Place* place, bytes log_id) except -1:
        """One more row; False for a record whose row has to be sent as text."""
        cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(value)
        cdef const uint8_t* end = p + PyBytes_GET_SIZE(value)
        cdef Text texts[COLUMNS]
        cdef Parts own
        cdef int at
        for at in range(COLUMNS):
            texts[at] = Text(NULL, 0, False)
        _open(&own)
        try:
            if not _is_usual(p, end, texts, &own):
                return False
            if not (_is_near(&texts[<int>C_TIMESTAMP]) and _is_near(&texts[<int>C_CREATED])):
                return False
            if not (_is_near(&texts[<int>C_CAPTURED]) and _is_near(&texts[<int>C_PERSON_CREATED])):
                return False
            if not self.properties.read(texts[<int>C_PROPERTIES].start, end):
                return False
            if not self.person_properties.read(texts[<int>C_PERSON_PROPERTIES].start, end):
                return False
            self.properties.keep()
            self.person_properties.keep()
            self._objects(&own)
        finally:
            _close(&own)
        self._texts(texts)
        self._place(place, log_id)
        self.rows += 1
        return True

    cdef int _objects(self, Parts* own) except -1:
        """Names have no escapes here and none is there twice: `read` has looked."""
        cdef Py_ssize_t at
        for at in range(own.count):
            if own.at[at].value[0] == c'{':
                _add_sized(&self.names, own.at[at].name, own.at[at].name_size)
                self.named += 1
        return _add_word(&self.columns[4], self.named, 8)

    cdef int _texts(self, Text* texts) except -1:
        cdef Text* captured = &texts[<int>C_CAPTURED]
        cdef Text* historical = &texts[<int>C_HISTORICAL]
        cdef uint8_t mode = texts[<int>C_MODE].start[1]
        cdef bint none = captured.start[0] == c'n'
        _add_plain_uuid(&self.columns[0], &texts[<int>C_UUID])
        _add_plain_text(&self.columns[1], &texts[<int>C_EVENT])
        _add_sized(&self.columns[3], texts[<int>C_PROPERTIES].start, texts[<int>C_PROPERTIES].size)
        _add_word(&self.columns[5], _milliseconds(&texts[<int>C_TIMESTAMP]) * 1000, 8)
        _add_word(&self.columns[6], _whole(&texts[<int>C_TEAM]), 8)
        _add_word(&self.columns[7], _whole(&texts[<int>C_PROJECT]), 8)
        _add_plain_text(&self.columns[8], &texts[<int>C_DISTINCT_ID])
        _add_plain_text(&self.columns[9], &texts[<int>C_CHAIN])
        _add_word(&self.columns[10], _milliseconds(&texts[<int>C_CREATED]) * 1000, 8)
        _add_word(&self.nulls, none, 1)
        _add_word(&self.columns[11], 0 if none else _milliseconds(captured) * 1000, 8)
        _add_plain_uuid(&self.columns[12], &texts[<int>C_PERSON])
        _add_word(&self.columns[13], _milliseconds(&texts[<int>C_PERSON_CREATED]), 8)
        _add_sized(&self.columns[15], texts[<int>C_PERSON_PROPERTIES].start, texts[<int>C_PERSON_PROPERTIES].size)
        # full, propertyless, force_upgrade: as the column numbers them
        _add_word(&self.columns[16], 1 if mode == c'p' else 2 if texts[<int>C_MODE].size == 15 else 0, 1)
        return _add_word(&self.columns[17], historical.start is not NULL and historical.start[0] == c't', 1)

    cdef int _place(self, const Place* place, bytes log_id) except -1:
        _add_sized(&self.columns[18], PyBytes_AS_STRING(log_id), PyBytes_GET_SIZE(log_id))
        _add_word(&self.columns[19], place.partition, 4)
        _add_word(&self.columns[20], place.offset, 8)
        return _add_word(&self.columns[21], place.seconds, 4)

    cdef bytes made(self, tuple header):
        """The block; the rows are gone from here. header: name and type of each column, as bytes."""
        cdef Buffer out = Buffer(NULL, 0, 0, NULL)
        cdef int at
        try:
            _add_varint(&out, EVENT_COLUMNS)
            _add_varint(&out, self.rows)
            for at in range(EVENT_COLUMNS):
                name, kind = header[at]
                _add_sized(&out, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
                _add_sized(&out, PyBytes_AS_STRING(kind), PyBytes_GET_SIZE(kind))
                if at == 2:
                    self.properties.write(&out, self.rows)
                elif at == 14:
                    self.person_properties.write(&out, self.rows)
                elif at == 11:
                    _add(&out, self.nulls.bytes, self.nulls.used)
                _add(&out, self.columns[at].bytes, self.columns[at].used)
                if at == 4:
                    _add(&out, self.names.bytes, self.names.used)
            return PyBytes_FromStringAndSize(<const char*>out.bytes, out.used)
        finally:
            PyMem_Free(out.bytes)


def block(list records not None, bytes log_id not None, tuple header not None, tuple typed not None):
    """See `_members_py.block`."""
    cdef _Block made = _Block(typed)
    cdef Place place
    cdef Py_ssize_t at = 0
    cdef list declined = []
    for value, partition, offset, seconds in records:
        place = Place(partition, offset, seconds)
        if not made.take(value, &place, log_id):
            declined.append(at)
        at += 1
    return made.made(header) if made.rows else b"", declined
