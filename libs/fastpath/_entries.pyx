"""Compiled twin of `_entries_py.py`, which says what this promises and which bytes are records."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy

from libs.fastpath._murmur2 cimport _murmur2

cdef enum:
    NIL = 0xC0
    BIN_8 = 0xC4
    STR_8 = 0xD9
    ARRAY_16 = 0xDC
    ARRAY_32 = 0xDD
    TIMESTAMP = 0xCF
    PAIR = 0x92
    TRIPLE = 0x93
    PIECE_HEAD = 15  # pair, timestamp of 9 bytes, array of 5
    REMEMBERED = 16  # headers of the record before that are compared, position by position


cdef struct Span:
    const uint8_t* data
    Py_ssize_t size


cdef struct Cursor:
    const uint8_t* at
    const uint8_t* end


cdef struct Piece:
    Py_ssize_t partition
    Py_ssize_t count
    Py_ssize_t size


cdef struct Place:
    const uint8_t* start
    Py_ssize_t size
    Py_ssize_t piece


cdef inline bint _number(Cursor* cursor, int width, uint64_t* found) noexcept nogil:
    """False, here and below: these are not records."""
    cdef uint64_t number = 0
    cdef int i
    if cursor.end - cursor.at < width:
        return False
    for i in range(width):
        number = (number << 8) | cursor.at[i]
    cursor.at += width
    found[0] = number
    return True


cdef inline bint _content(Cursor* cursor, uint64_t size, Span* found) noexcept nogil:
    if size > <uint64_t>(cursor.end - cursor.at):
        return False
    found.data = cursor.at
    found.size = <Py_ssize_t>size
    cursor.at += size
    return True


cdef inline bint _sized(Cursor* cursor, int first, int tag, Span* found) noexcept nogil:
    """What follows a tag of three in a row, with lengths of 8, 16 and 32 bits."""
    cdef uint64_t size
    if tag < first or tag > first + 2:
        return False
    return _number(cursor, 1 << (tag - first), &size) and _content(cursor, size, found)


cdef inline int _tag(Cursor* cursor) noexcept nogil:
    if cursor.at >= cursor.end:
        return -1
    cdef int tag = cursor.at[0]
    cursor.at += 1
    return tag


cdef inline bint _bin(Cursor* cursor, Span* found) noexcept nogil:
    return _sized(cursor, BIN_8, _tag(cursor), found)


cdef inline bint _name(Cursor* cursor, Span* found) noexcept nogil:
    cdef int tag = _tag(cursor)
    if tag >= 0xA0 and tag <= 0xBF:
        return _content(cursor, tag & 0x1F, found)
    return _sized(cursor, STR_8, tag, found)


cdef inline bint _header(Cursor* cursor, Span* name, Span* value) noexcept nogil:
    return _tag(cursor) == PAIR and _name(cursor, name) and _bin(cursor, value)


cdef inline bint _start(Cursor* cursor, Span* key, Span* value, uint64_t* headers) noexcept nogil:
    """A record up to its headers. key.data is NULL when it has none."""
    cdef int tag
    if _tag(cursor) != TRIPLE:
        return False
    tag = _tag(cursor)
    key.data = NULL
    key.size = 0
    if tag != NIL and not _sized(cursor, BIN_8, tag, key):
        return False
    if not _bin(cursor, value):
        return False
    tag = _tag(cursor)
    if tag >= 0x90 and tag <= 0x9F:
        headers[0] = tag & 0x0F
        return True
    if tag == ARRAY_16 or tag == ARRAY_32:
        return _number(cursor, 2 if tag == ARRAY_16 else 4, headers)
    return False


cdef inline void* _with_room(void* items, Py_ssize_t used, Py_ssize_t* room, size_t each) except NULL:
    """The array, where one more has room. room: how many have, zero for NULL."""
    cdef Py_ssize_t more
    cdef void* grown = items
    if used == room[0]:
        more = max(16, room[0] * 2)
        grown = realloc(items, more * each)
        if grown is NULL:
            raise MemoryError
        room[0] = more
    return grown


cdef class _Shares:
    """The records of a payload, each with the piece it goes to."""
    cdef Place* places
    cdef Py_ssize_t records
    cdef Py_ssize_t places_room
    cdef Piece* found
    cdef Py_ssize_t pieces
    cdef Py_ssize_t pieces_room
    cdef Py_ssize_t* last  # of each partition: its latest piece + 1

    def __cinit__(self, Py_ssize_t partitions):
        self.last = <Py_ssize_t*>calloc(partitions, sizeof(Py_ssize_t))
        if self.last is NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.places)
        free(self.found)
        free(self.last)

    cdef int place(self, const uint8_t* start, Py_ssize_t size, Py_ssize_t piece) except -1:
        self.places = <Place*>_with_room(self.places, self.records, &self.places_room, sizeof(Place))
        self.places[self.records] = Place(start, size, piece)
        self.records += 1
        return 0

    cdef Py_ssize_t begin(self, Py_ssize_t partition) except -1:
        self.found = <Piece*>_with_room(self.found, self.pieces, &self.pieces_room, sizeof(Piece))
        self.found[self.pieces] = Piece(partition, 0, 0)
        self.pieces += 1
        self.last[partition] = self.pieces
        return self.pieces - 1

    cdef list written(self, bytes head):
        cdef list made = []
        cdef Py_ssize_t i, head_size = PyBytes_GET_SIZE(head)
        cdef Piece* piece
        cdef Place* place
        cdef bytes whole
        cdef uint8_t** cursors = <uint8_t**>malloc(max(1, self.pieces) * sizeof(uint8_t*))
        if cursors is NULL:
            raise MemoryError
        try:
            for i in range(self.pieces):
                piece = &self.found[i]
                whole = PyBytes_FromStringAndSize(NULL, 6 + head_size + piece.size)
                cursors[i] = _begun(<uint8_t*>PyBytes_AS_STRING(whole), head, piece.count)
                made.append((piece.partition, piece.count, whole))
            for i in range(self.records):
                place = &self.places[i]
                memcpy(cursors[place.piece], place.start, place.size)
                cursors[place.piece] += place.size
        finally:
            free(cursors)
        return made


cdef uint8_t* _begun(uint8_t* into, bytes head, Py_ssize_t count):
    cdef Py_ssize_t size = PyBytes_GET_SIZE(head)
    into[0] = PAIR
    memcpy(into + 1, PyBytes_AS_STRING(head), size)
    into += 1 + size
    into[0] = ARRAY_32
    into[1] = (count >> 24) & 0xFF
    into[2] = (count >> 16) & 0xFF
    into[3] = (count >> 8) & 0xFF
    into[4] = count & 0xFF
    return into + 5


def pieces(
    bytes payload not None,
    bytes head not None,
    Py_ssize_t partitions,
    Py_ssize_t turn,
    Py_ssize_t max_records,
    Py_ssize_t max_bytes,
):
    if partitions < 1:
        raise ValueError("a topic has at least one partition")
    cdef _Shares shares = _Shares(partitions)
    cdef Cursor cursor
    cdef Span key, value, name
    cdef uint64_t headers, i
    cdef const uint8_t* start
    cdef Py_ssize_t partition, number, size
    cursor.at = <const uint8_t*>PyBytes_AS_STRING(payload)
    cursor.end = cursor.at + PyBytes_GET_SIZE(payload)
    while cursor.at < cursor.end:
        start = cursor.at
        if not _start(&cursor, &key, &value, &headers):
            raise ValueError("these are not records")
        for i in range(headers):
            if not _header(&cursor, &name, &value):
                raise ValueError("these are not records")
        if key.data is NULL:
            partition = turn % partitions
            turn += 1
        else:
            partition = <Py_ssize_t>(_murmur2(key.data, key.size) & 0x7FFFFFFF) % partitions
        size = cursor.at - start
        number = shares.last[partition] - 1
        if (
            number < 0
            or shares.found[number].count >= max_records
            or shares.found[number].size > max_bytes - size
        ):
            number = shares.begin(partition)
        shares.found[number].count += 1
        shares.found[number].size += size
        shares.place(start, size, number)
    return shares.written(head), turn


cdef inline bint _is(bytes known, Span* span) noexcept:
    return PyBytes_GET_SIZE(known) == span.size and memcmp(PyBytes_AS_STRING(known), span.data, span.size) == 0


cdef inline bytes _bytes(Span* span):
    return PyBytes_FromStringAndSize(<const char*>span.data, span.size)


cdef class _Headers:
    """Makes headers. Neighbours in a log come from one request: most of their headers are the same, and become the
    same objects."""
    cdef list names  # of the record before, by position: encoded name, pair
    cdef list pairs

    def __cinit__(self):
        self.names = [b""] * REMEMBERED
        self.pairs = [None] * REMEMBERED

    cdef tuple pair(self, Py_ssize_t i, Span* name, Span* value):
        cdef tuple known
        cdef bint named
        if i >= REMEMBERED:
            return (_text(name), _bytes(value))
        known = self.pairs[i]
        named = known is not None and _is(<bytes>self.names[i], name)
        if named and _is(<bytes>known[1], value):
            return known
        if named:
            known = (known[0], _bytes(value))
        else:
            known = (_text(name), _bytes(value))
            self.names[i] = _bytes(name)
        self.pairs[i] = known
        return known


cdef str _text(Span* span):
    return PyUnicode_DecodeUTF8(<const char*>span.data, span.size, NULL)


def records(bytes piece not None, make, str topic not None, Py_ssize_t partition, int64_t next_offset):
    cdef Cursor cursor
    cdef Span key, value, name
    cdef uint64_t timestamp_ms, count, headers, i, number
    cdef _Headers remembered = _Headers()
    cdef list made = [], pairs
    cdef bytes record_value
    cursor.at = <const uint8_t*>PyBytes_AS_STRING(piece)
    cursor.end = cursor.at + PyBytes_GET_SIZE(piece)
    if (
        _tag(&cursor) != PAIR
        or _tag(&cursor) != TIMESTAMP
        or not _number(&cursor, 8, &timestamp_ms)
        or _tag(&cursor) != ARRAY_32
        or not _number(&cursor, 4, &count)
        or next_offset < 0
        or count > <uint64_t>next_offset
    ):
        raise ValueError("these are not records")
    time = timestamp_ms
    for number in range(count):
        if not _start(&cursor, &key, &value, &headers):
            raise ValueError("these are not records")
        record_value = _bytes(&value)
        pairs = []
        for i in range(headers):
            if not _header(&cursor, &name, &value):
                raise ValueError("these are not records")
            pairs.append(remembered.pair(i, &name, &value))
        made.append(
            make(
                topic,
                partition,
                next_offset - <int64_t>count + <int64_t>number,
                None if key.data is NULL else _bytes(&key),
                record_value,
                tuple(pairs),
                time,
            )
        )
    if cursor.at != cursor.end:
        raise ValueError("these are not records")
    return made
