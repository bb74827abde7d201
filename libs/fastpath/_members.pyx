"""Compiled twin of `_members_py.py`, which says what this promises. The same members, the same bytes.

`_scan_json.h` steps over values. Here names become a Shape, met once and then found by their bytes, and values stay
where they are: a pointer, a length, and the bytes object that keeps them alive.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.datetime cimport (
    datetime_day, datetime_hour, datetime_microsecond, datetime_minute, datetime_month, datetime_second, datetime_year
)
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcmp, memcpy, memchr

from collections.abc import ItemsView, KeysView, Mapping, MutableMapping, ValuesView
from hashlib import blake2b

from msgspec import Raw
from msgspec.json import decode as _decoded, encode as _encoded

cdef extern from "_scan_json.h" nogil:
    enum:
        SCAN_LONE
        SCAN_ESCAPED
        SCAN_DEEP
        SCAN_HUGE
    const uint8_t* scan_blanks(const uint8_t* p)
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

cdef struct Part:
    # a member as it was read
    const uint8_t* name
    Py_ssize_t name_size
    bint escaped
    const uint8_t* value
    Py_ssize_t value_size

cdef struct Value:
    PyObject* owner
    const uint8_t* start
    Py_ssize_t size

cdef struct Prefix:
    # `"name":`
    const uint8_t* start
    Py_ssize_t size

cdef struct Parts:
    Part* at
    Py_ssize_t count
    Py_ssize_t room
    Part first[FIRST_ROOM]


# -- shapes ----------------------------------------------------------------------------------------------------------

cdef dict _shapes = {}  # names -> Shape
cdef dict _spellings = {}  # names as they were written -> Spelling
cdef Py_ssize_t _remembered = 0


cdef class Shape:
    """See `_members_py.Shape`."""

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

    def __cinit__(self, tuple names):
        cdef Py_ssize_t at
        cdef bytes text
        self.names = names
        self.count = len(names)
        self.shared = self.count <= SHARED_NAMES
        self.texts = tuple([_encoded(name) + b":" for name in names])
        self.prefixes = <Prefix*>PyMem_Malloc(max(1, self.count) * sizeof(Prefix))
        if self.prefixes is NULL:
            raise MemoryError
        for at in range(self.count):
            text = self.texts[at]
            self.prefixes[at] = Prefix(<const uint8_t*>PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
        self.index = {name: at for at, name in enumerate(names)}
        self.longer = {}
        self.shorter = {}
        self.onto = {}
        self.decided = {}

    def __dealloc__(self):
        PyMem_Free(self.prefixes)

    @property
    def digest(self):
        if self._digest is None:
            self._digest = blake2b(b"".join(self.texts), digest_size=16).digest()
        return self._digest

    def decision(self, decide):
        found = self.decided.get(decide)
        if found is None:
            found = decide(self)
            self.decided[decide] = found
        return found

    def picker(self, pairs):
        return Picker(self, pairs)

    cdef Shape plus(self, str name):
        found = self.longer.get(name)
        if found is None:
            found = _shape(self.names + (name,))
            if self.shared:
                if len(self.longer) >= MAX_STEPS:
                    self.longer.clear()
                self.longer[name] = found
        return <Shape>found

    cdef Shape minus(self, Py_ssize_t at):
        found = self.shorter.get(at)
        if found is None:
            found = _shape(self.names[:at] + self.names[at + 1 :])
            if self.shared:
                if len(self.shorter) >= MAX_STEPS:
                    self.shorter.clear()
                self.shorter[at] = found
        return <Shape>found

    cdef Onto laid(self, Shape other):
        """Where the members of `other` come to stand when they are laid over ours."""
        found = self.onto.get(other)
        if found is None:
            found = Onto(self, other)
            if self.shared:
                if len(self.onto) >= MAX_STEPS:
                    self.onto.clear()
                self.onto[other] = found
        return <Onto>found


cdef class Places:
    cdef Py_ssize_t* at

    cdef int hold(self, list places) except -1:
        cdef Py_ssize_t number
        self.at = <Py_ssize_t*>PyMem_Malloc(max(1, len(places)) * sizeof(Py_ssize_t))
        if self.at is NULL:
            raise MemoryError
        for number in range(len(places)):
            self.at[number] = places[number]
        return 0

    def __dealloc__(self):
        PyMem_Free(self.at)


cdef class Onto(Places):
    cdef Shape shape

    def __init__(self, Shape base, Shape other):
        new = [name for name in other.names if name not in base.index]
        self.shape = _shape(base.names + tuple(new)) if new else base
        self.hold([self.shape.index[name] for name in other.names])


cdef class Picker(Places):
    cdef:
        Shape source
        readonly Shape shape

    def __init__(self, Shape source not None, pairs):
        self.source = source
        self.shape = _shape(tuple([target for _, target in pairs]))
        if len(self.shape.index) != self.shape.count:
            raise ValueError("a name is picked twice")
        self.hold([source.index[name] for name, _ in pairs])


cdef class Spelling(Places):
    """How an object wrote its names: with escapes, or one of them twice. in_order: the plain way."""

    cdef:
        Shape shape
        bint in_order


cdef Shape _shape(tuple names):
    global _remembered
    cdef Shape shape
    found = _shapes.get(names)
    if found is not None:
        return <Shape>found
    shape = Shape(names)
    if shape.shared:
        _make_room(shape.count)
        _shapes[names] = shape
    return shape


cdef int _make_room(Py_ssize_t names) except -1:
    global _remembered
    _remembered += names + 4
    if _remembered > REMEMBERED_NAMES:
        _shapes.clear()
        _spellings.clear()
        _remembered = names + 4
    return 0


cdef Spelling _spelling(Parts* parts):
    cdef Py_ssize_t size = 0
    cdef Py_ssize_t at
    cdef bytes text
    cdef uint8_t* into
    cdef Spelling made
    for at in range(parts.count):
        size += parts.at[at].name_size + 1
    text = PyBytes_FromStringAndSize(NULL, size)
    into = <uint8_t*>PyBytes_AS_STRING(text)
    for at in range(parts.count):
        # up to the closing quote, which no name can hold
        size = parts.at[at].name_size + 1
        memcpy(into, parts.at[at].name, size)
        into += size
    found = _spellings.get(text)
    if found is not None:
        return <Spelling>found
    made = _spelled(parts)
    if parts.count <= SHARED_NAMES:
        _make_room(parts.count)
        _spellings[text] = made
    return made


cdef Spelling _spelled(Parts* parts):
    cdef Spelling made = Spelling.__new__(Spelling)
    cdef Part* part
    cdef Py_ssize_t at
    cdef dict first = {}
    cdef list places = []
    for at in range(parts.count):
        part = &parts.at[at]
        if part.escaped:
            name = _decoded(b'"' + part.name[: part.name_size] + b'"')
        else:
            name = PyUnicode_DecodeUTF8(<const char*>part.name, part.name_size, NULL)
        places.append(first.setdefault(name, len(first)))
    made.shape = _shape(tuple(first))
    made.in_order = len(first) == parts.count
    made.hold(places)
    return made


# -- reading ---------------------------------------------------------------------------------------------------------

cdef inline const uint8_t* _name(const uint8_t* p, const uint8_t* end, int* flags, Part* part) noexcept:
    """From a name's quote to the first byte of its value."""
    if p[0] != c'"':
        return NULL
    part.name = p + 1
    flags[0] &= ~SCAN_ESCAPED
    p = scan_string(p + 1, end, flags)
    if p is NULL:
        return NULL
    part.name_size = p - 1 - part.name
    part.escaped = (flags[0] & SCAN_ESCAPED) != 0
    p = scan_blanks(p)
    return scan_blanks(p + 1) if p[0] == c':' else NULL


cdef Part* _more(Parts* parts) noexcept:
    cdef Part* more
    if parts.count == parts.room:
        if parts.at == parts.first:
            more = <Part*>PyMem_Malloc(4 * parts.room * sizeof(Part))
            if more is not NULL:
                memcpy(more, parts.first, parts.count * sizeof(Part))
        else:
            more = <Part*>PyMem_Realloc(parts.at, 4 * parts.room * sizeof(Part))
        if more is NULL:
            return NULL
        parts.at = more
        parts.room *= 4
    parts.count += 1
    return &parts.at[parts.count - 1]


cdef inline void _open(Parts* parts) noexcept:
    parts.at = parts.first
    parts.count = 0
    parts.room = FIRST_ROOM


cdef inline void _close(Parts* parts) noexcept:
    if parts.at != parts.first:
        PyMem_Free(parts.at)


cdef const uint8_t* _members(const uint8_t* p, const uint8_t* end, int levels, int* flags, Parts* parts) noexcept:
    """From the opening brace to behind the closing one."""
    cdef Part* part
    p = scan_blanks(p + 1)
    if p[0] == c'}':
        return p + 1
    while True:
        part = _more(parts)
        if part is NULL:
            return NULL
        p = _name(p, end, flags, part)
        if p is NULL:
            return NULL
        part.value = p
        p = scan_value(p, end, levels - 1, flags)
        if p is NULL:
            return NULL
        part.value_size = p - part.value
        p = scan_blanks(p)
        if p[0] == c'}':
            return p + 1
        if p[0] != c',':
            return NULL
        p = scan_blanks(p + 1)


cdef Members _taken(bytes text, Parts* parts):
    cdef Spelling spelling = _spelling(parts)
    cdef Members made = _empty(spelling.shape, parts.count)
    cdef Py_ssize_t at
    cdef Value* value
    if not spelling.in_order:
        return _out_of_order(made, spelling, text, parts)
    for at in range(parts.count):
        value = &made.slots[at]
        value.owner = <PyObject*>text
        Py_INCREF(text)
        value.start = parts.at[at].value
        value.size = parts.at[at].value_size
        made.held += 1
    return made


cdef Members _out_of_order(Members made, Spelling spelling, bytes text, Parts* parts):
    cdef Py_ssize_t at
    for at in range(parts.count):
        _put(&made.slots[spelling.at[at]], text, parts.at[at].value, parts.at[at].value_size)
    made.held = spelling.shape.count
    return made


cdef Members _empty(Shape shape, Py_ssize_t room):
    cdef Members made = Members.__new__(Members)
    cdef Py_ssize_t at
    made.shape = shape
    made.room = room + 6  # what is usually added: $ip, $sent_at, $set, $set_once
    made.slots = <Value*>PyMem_Malloc(made.room * sizeof(Value))
    if made.slots is NULL:
        raise MemoryError
    for at in range(made.room):
        made.slots[at].owner = NULL
    return made


cdef inline bint _is_plain(const Value* value) noexcept:
    """A string without \\u, a word, or a short number without an exponent."""
    cdef const uint8_t* p = value.start
    cdef const uint8_t* end = p + value.size
    if p[0] == c'"':
        while True:
            p = <const uint8_t*>memchr(p, c'\\', end - p)
            if p is NULL:
                return True
            if p[1] == c'u':
                return False
            p += 2
    if p[0] == c't' or p[0] == c'f' or p[0] == c'n':
        return True
    if p[0] == c'{' or p[0] == c'[' or value.size > PLAIN_NUMBER:
        return value.size == 2
    while p < end:
        if p[0] | 0x20 == c'e':
            return False
        p += 1
    return True


cdef inline void _put(Value* value, bytes owner, const uint8_t* start, Py_ssize_t size) noexcept:
    cdef PyObject* before = value.owner
    Py_INCREF(owner)
    value.owner = <PyObject*>owner
    value.start = start
    value.size = size
    if before is not NULL:
        Py_DECREF(<object>before)


def members(bytes text not None):
    """See `_members_py.members`."""
    cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(text)
    cdef const uint8_t* end = p + PyBytes_GET_SIZE(text)
    cdef int flags = 0
    cdef Parts parts
    p = scan_blanks(p)
    if p[0] != c'{':
        return None
    _open(&parts)
    try:
        p = _members(p, end, LEVELS, &flags, &parts)
        if p is NULL or scan_blanks(p) != end or flags & (SCAN_LONE | SCAN_DEEP):
            return None
        return _taken(text, &parts)
    finally:
        _close(&parts)


# -- members ---------------------------------------------------------------------------------------------------------

cdef bytes _bytes_of(value):
    return <bytes>value if PyBytes_CheckExact(value) else bytes(value)


@cython.final
@cython.no_gc  # holds bytes, and a Shape that never holds it
@cython.freelist(256)
cdef class Members:
    """See `_members_py.Members`."""

    cdef:
        readonly Shape shape
        Value* slots
        Py_ssize_t held  # the first of `slots` that are in use
        Py_ssize_t room

    def __init__(self, other=()):
        raise TypeError("made by members() and members_of()")

    def __dealloc__(self):
        cdef Py_ssize_t at
        for at in range(self.held):
            if self.slots[at].owner is not NULL:
                Py_DECREF(<object>self.slots[at].owner)
        PyMem_Free(self.slots)

    def __len__(self):
        return self.held

    def __bool__(self):
        return self.held != 0

    def __iter__(self):
        return iter(self.shape.names)

    def __contains__(self, name):
        return name in self.shape.index

    def __getitem__(self, name):
        return Raw(self._bytes(self.shape.index[name]))

    def __setitem__(self, str name not None, value):
        cdef bytes text = _bytes_of(value)
        cdef Value* grown
        cdef Shape shape
        at = self.shape.index.get(name)
        if at is None:
            shape = self.shape.plus(name)
            if self.held == self.room:
                grown = <Value*>PyMem_Realloc(self.slots, (2 * self.room + 4) * sizeof(Value))
                if grown is NULL:
                    raise MemoryError
                self.slots = grown
                self.room = 2 * self.room + 4
            self.slots[self.held].owner = NULL
            _put(&self.slots[self.held], text, <const uint8_t*>PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
            self.held += 1
            self.shape = shape
        else:
            _put(&self.slots[<Py_ssize_t>at], text, <const uint8_t*>PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))

    def __delitem__(self, name):
        self._drop(self.shape.index[name])

    def __eq__(self, other):
        if not isinstance(other, Mapping):
            return NotImplemented
        return {name: self.raw(name) for name in self} == {name: bytes(other[name]) for name in other}

    __hash__ = None

    def __repr__(self):
        return f"Members({self.encoded()!r})"

    def get(self, name, default=None):
        at = self.shape.index.get(name)
        return default if at is None else Raw(self._bytes(at))

    def raw(self, name):
        at = self.shape.index.get(name)
        return None if at is None else self._bytes(at)

    def opens(self, name):
        at = self.shape.index.get(name)
        return 0 if at is None else self.slots[<Py_ssize_t>at].start[0]

    def pop(self, name, *default):
        cdef bytes text
        at = self.shape.index.get(name)
        if at is None:
            if default:
                return default[0]
            raise KeyError(name)
        text = self._bytes(at)
        self._drop(at)
        return Raw(text)

    def drop(self, names):
        """Remove those of `names` that are there."""
        for name in names:
            at = self.shape.index.get(name)
            if at is not None:
                self._drop(at)

    def setdefault(self, str name not None, value):
        at = self.shape.index.get(name)
        if at is None:
            self[name] = value
            return value
        return Raw(self._bytes(at))

    def update(self, other):
        for name in other.keys():
            self[name] = other[name]

    def keys(self):
        return KeysView(self)

    def values(self):
        return ValuesView(self)

    def items(self):
        return ItemsView(self)

    def copy(self):
        cdef Members made = _empty(self.shape, self.held)
        self._copy_into(made)
        return made

    def encoded(self):
        cdef Py_ssize_t size = 2 + (self.held - 1 if self.held else 0)
        cdef Py_ssize_t at
        cdef Prefix* prefix
        cdef Value* value
        cdef bytes text
        cdef uint8_t* into
        for at in range(self.held):
            size += self.shape.prefixes[at].size + self.slots[at].size
        text = PyBytes_FromStringAndSize(NULL, size)
        into = <uint8_t*>PyBytes_AS_STRING(text)
        into[0] = c'{'
        into += 1
        for at in range(self.held):
            if at:
                into[0] = c','
                into += 1
            prefix = &self.shape.prefixes[at]
            memcpy(into, prefix.start, prefix.size)
            into += prefix.size
            value = &self.slots[at]
            memcpy(into, value.start, value.size)
            into += value.size
        into[0] = c'}'
        return text

    def is_plain(self):
        cdef Py_ssize_t at
        for at in range(self.held):
            if not _is_plain(&self.slots[at]):
                return False
        return True

    def size(self):
        cdef Py_ssize_t total = 0
        cdef Py_ssize_t at
        for at in range(self.held):
            total += self.shape.prefixes[at].size + self.slots[at].size + 1
        return total

    def picked(self, Picker picker not None):
        cdef Members made
        cdef Value* value
        cdef Py_ssize_t at
        if picker.source is not self.shape:
            raise ValueError("a picker of another shape")
        made = _empty(picker.shape, picker.shape.count)
        for at in range(picker.shape.count):
            value = &self.slots[picker.at[at]]
            _put(&made.slots[at], <bytes>value.owner, value.start, value.size)
        made.held = picker.shape.count
        return made

    def merged(self, Members other not None):
        cdef Onto onto
        cdef Members made
        cdef Value* value
        cdef Py_ssize_t at
        if not other.held:
            return self.copy()
        onto = self.shape.laid(other.shape)
        made = _empty(onto.shape, onto.shape.count)
        self._copy_into(made)
        for at in range(other.held):
            value = &other.slots[at]
            _put(&made.slots[onto.at[at]], <bytes>value.owner, value.start, value.size)
        made.held = onto.shape.count
        return made

    def differing(self, Members other not None):
        cdef Onto onto = self.shape.laid(other.shape)
        cdef Value* theirs
        cdef Value* ours
        cdef Py_ssize_t at
        cdef list found = []
        for at in range(other.held):
            theirs = &other.slots[at]
            if onto.at[at] < self.held and theirs.start[0] != c'{' and theirs.start[0] != c'[':
                ours = &self.slots[onto.at[at]]
                if ours.size == theirs.size and memcmp(ours.start, theirs.start, ours.size) == 0:
                    continue
            found.append(other.shape.names[at])
        return found

    def completed(self, Members other not None):
        cdef Onto onto
        cdef Members made
        cdef Value* value
        cdef Py_ssize_t at
        onto = self.shape.laid(other.shape)
        made = _empty(onto.shape, onto.shape.count)
        self._copy_into(made)
        for at in range(other.held):
            if onto.at[at] >= self.held:
                value = &other.slots[at]
                _put(&made.slots[onto.at[at]], <bytes>value.owner, value.start, value.size)
        made.held = onto.shape.count
        return made

    def filling(self, Members other not None):
        cdef Onto onto = self.shape.laid(other.shape)
        cdef Value* ours
        cdef Py_ssize_t at
        cdef list found = []
        for at in range(other.held):
            if onto.at[at] < self.held:
                ours = &self.slots[onto.at[at]]
                if ours.start[0] != c'n':
                    continue
            found.append(other.shape.names[at])
        return found

    cdef bytes _bytes(self, Py_ssize_t at):
        return PyBytes_FromStringAndSize(<const char*>self.slots[at].start, self.slots[at].size)

    cdef int _drop(self, Py_ssize_t at) except -1:
        cdef Shape shape = self.shape.minus(at)
        cdef PyObject* owner = self.slots[at].owner
        cdef Py_ssize_t place
        self.held -= 1
        for place in range(at, self.held):
            self.slots[place] = self.slots[place + 1]
        self.shape = shape
        Py_DECREF(<object>owner)
        return 0

    cdef int _copy_into(self, Members made) except -1:
        cdef Py_ssize_t at
        for at in range(self.held):
            Py_INCREF(<object>self.slots[at].owner)
            made.slots[at] = self.slots[at]
        made.held = self.held
        return 0


MutableMapping.register(Members)


def members_of(pairs):
    """See `_members_py.members_of`."""
    cdef dict given = {name: _bytes_of(value) for name, value in pairs.items()}
    cdef Members made = _empty(_shape(tuple(given)), len(given))
    cdef bytes text
    for text in given.values():
        _put(&made.slots[made.held], text, <const uint8_t*>PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
        made.held += 1
    return made


# -- captured events -------------------------------------------------------------------------------------------------

cdef enum Field:
    F_UUID, F_EVENT, F_DISTINCT_ID, F_TOKEN, F_IP, F_TIMESTAMP, F_NOW, F_SENT_AT, F_DATA, F_HISTORICAL, F_NONE

cdef struct Text:
    const uint8_t* start
    Py_ssize_t size
    bint escaped


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
            p = _members(p, end, LEVELS - 2, flags, parts)
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


cdef str _uuid(Text* text):
    """In lower case; None for one that is not written the usual way."""
    cdef uint8_t lower[36]
    cdef uint8_t c
    cdef int at
    if text.size != 38 or text.escaped:
        return None
    for at in range(36):
        c = text.start[at + 1]
        if at == 8 or at == 13 or at == 18 or at == 23:
            if c != c'-':
                return None
        elif c'A' <= c <= c'F':
            c |= 0x20
        elif not (c'0' <= c <= c'9' or c'a' <= c <= c'f'):
            return None
        lower[at] = c
    return PyUnicode_DecodeUTF8(<const char*>lower, 36, NULL)


cdef bytes _slice(Text* text):
    return PyBytes_FromStringAndSize(<const char*>text.start, text.size) if text.start is not NULL else None


def captured(bytes value not None):
    """See `_members_py.captured`."""
    cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(value)
    cdef const uint8_t* end = p + PyBytes_GET_SIZE(value)
    cdef Found found
    cdef Parts parts
    cdef int flags = 0
    cdef int field
    cdef str uuid
    for field in range(8):
        found.fields[field] = Text(NULL, 0, False)
    found.historical = found.has_data = found.has_properties = found.has_historical = found.has_cookieless = False
    found.set_ = found.set_once = Text(NULL, 0, False)
    _open(&parts)
    try:
        p = _record(scan_blanks(p), end, &flags, &found, &parts)
        if p is NULL or scan_blanks(p) != end or flags & (SCAN_LONE | SCAN_DEEP) or not found.has_data:
            return None
        for field in range(<int>F_SENT_AT):
            if found.fields[field].start is NULL:
                return None
        uuid = _uuid(&found.fields[<int>F_UUID])
        if uuid is None:
            return None
        return (
            uuid,
            _string(&found.fields[<int>F_EVENT]),
            _string(&found.fields[<int>F_DISTINCT_ID]),
            _string(&found.fields[<int>F_TOKEN]),
            _string(&found.fields[<int>F_IP]),
            _string(&found.fields[<int>F_TIMESTAMP]),
            _string(&found.fields[<int>F_NOW]),
            _string(&found.fields[<int>F_SENT_AT]),
            found.historical,
            _slice(&found.set_),
            _slice(&found.set_once),
            _taken(value, &parts),
        )
    finally:
        _close(&parts)


# -- stored events ---------------------------------------------------------------------------------------------------

cdef struct Buffer:
    uint8_t* bytes
    Py_ssize_t used
    Py_ssize_t room

cdef enum:
    KEPT_ROOM = 1048576

cdef Buffer _out = Buffer(NULL, 0, 0)  # kept from one event to the next; the GIL guards it


cdef int _reserve(Buffer* out, Py_ssize_t size) except -1:
    cdef uint8_t* more
    if out.used + size > out.room:
        more = <uint8_t*>PyMem_Realloc(out.bytes, 2 * (out.used + size))
        if more is NULL:
            raise MemoryError
        out.bytes = more
        out.room = 2 * (out.used + size)
    return 0


cdef inline int _add(Buffer* out, const void* text, Py_ssize_t size) except -1:
    _reserve(out, size)
    memcpy(out.bytes + out.used, text, size)
    out.used += size
    return 0


cdef int _add_string(Buffer* out, str text) except -1:
    """With its quotes."""
    cdef Py_ssize_t size
    cdef const char* raw = PyUnicode_AsUTF8AndSize(text, &size)
    cdef Py_ssize_t at
    cdef bytes escaped
    for at in range(size):
        if <uint8_t>raw[at] < 0x20 or raw[at] == c'"' or raw[at] == c'\\':
            escaped = _encoded(text)
            return _add(out, PyBytes_AS_STRING(escaped), PyBytes_GET_SIZE(escaped))
    _reserve(out, size + 2)
    out.bytes[out.used] = c'"'
    memcpy(out.bytes + out.used + 1, raw, size)
    out.bytes[out.used + 1 + size] = c'"'
    out.used += size + 2
    return 0


cdef inline void _digits(uint8_t* into, int value, int digits) noexcept:
    while digits:
        digits -= 1
        into[digits] = <uint8_t>(c'0' + value % 10)
        value //= 10


cdef int _add_time(Buffer* out, moment, bint milliseconds) except -1:
    """`"YYYY-MM-DD HH:MM:SS[.mmm]"` of a datetime in UTC."""
    cdef uint8_t* into
    _reserve(out, 25)
    into = out.bytes + out.used
    memcpy(into, b'"0000-00-00 00:00:00.000"', 25)
    _digits(into + 1, datetime_year(moment), 4)
    _digits(into + 6, datetime_month(moment), 2)
    _digits(into + 9, datetime_day(moment), 2)
    _digits(into + 12, datetime_hour(moment), 2)
    _digits(into + 15, datetime_minute(moment), 2)
    _digits(into + 18, datetime_second(moment), 2)
    if milliseconds:
        _digits(into + 21, datetime_microsecond(moment) // 1000, 3)
        out.used += 25
    else:
        into[20] = c'"'
        out.used += 21
    return 0


cdef int _add_uuid(Buffer* out, identity) except -1:
    cdef const char* digits = b"0123456789abcdef"
    cdef bytes raw = identity.int.to_bytes(16, "big")
    cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(raw)
    cdef uint8_t* into
    cdef int at
    _reserve(out, 38)
    into = out.bytes + out.used
    into[0] = into[37] = c'"'
    into += 1
    for at in range(16):
        if at == 4 or at == 6 or at == 8 or at == 10:
            into[0] = c'-'
            into += 1
        into[0] = digits[p[at] >> 4]
        into[1] = digits[p[at] & 15]
        into += 2
    out.used += 38
    return 0


cdef int _add_number(Buffer* out, int64_t number) except -1:
    cdef bytes text = b"%d" % number
    return _add(out, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))


cdef int _add_member(Buffer* out, const Prefix* prefix, const Value* value, bint first) except -1:
    _reserve(out, prefix.size + value.size + 1)
    if not first:
        out.bytes[out.used] = c','
        out.used += 1
    memcpy(out.bytes + out.used, prefix.start, prefix.size)
    out.used += prefix.size
    memcpy(out.bytes + out.used, value.start, value.size)
    out.used += value.size
    return 0


cdef int _add_members(Buffer* out, Members given) except -1:
    cdef Py_ssize_t at
    _add(out, b"{", 1)
    for at in range(given.held):
        _add_member(out, &given.shape.prefixes[at], &given.slots[at], at == 0)
    return _add(out, b"}", 1)


cdef int _add_merged(Buffer* out, Members base, Members over) except -1:
    """What `base.merged(over).encoded()` is, without making it."""
    cdef Onto onto
    cdef const Value** chosen
    cdef Py_ssize_t at
    cdef Py_ssize_t count
    if over is None or not over.held:
        return _add_members(out, base)
    onto = base.shape.laid(over.shape)
    count = onto.shape.count
    chosen = <const Value**>PyMem_Malloc(count * sizeof(Value*))
    if chosen is NULL:
        raise MemoryError
    try:
        for at in range(base.held):
            chosen[at] = &base.slots[at]
        for at in range(over.held):
            chosen[onto.at[at]] = &over.slots[at]
        _add(out, b"{", 1)
        for at in range(count):
            _add_member(out, &onto.shape.prefixes[at], chosen[at], at == 0)
        return _add(out, b"}", 1)
    finally:
        PyMem_Free(chosen)


def stored(
    *,
    str uuid not None,
    str event not None,
    Members properties not None,
    timestamp not None,
    int64_t team_id,
    str distinct_id not None,
    str elements_chain not None,
    created_at not None,
    captured_at,
    person_id not None,
    Members person_properties not None,
    Members person_set,
    person_created_at not None,
    str person_mode not None,
    bint historical_migration,
):
    """See `_members_py.stored`."""
    cdef Buffer* out = &_out
    out.used = 0
    _add(out, b'{"uuid":', 8)
    _add_string(out, uuid)
    _add(out, b',"event":', 9)
    _add_string(out, event)
    _add(out, b',"properties":', 14)
    _add_members(out, properties)
    _add(out, b',"timestamp":', 13)
    _add_time(out, timestamp, True)
    _add(out, b',"team_id":', 11)
    _add_number(out, team_id)
    _add(out, b',"project_id":', 14)
    _add_number(out, team_id)
    _add(out, b',"distinct_id":', 15)
    _add_string(out, distinct_id)
    _add(out, b',"elements_chain":', 18)
    _add_string(out, elements_chain)
    _add(out, b',"created_at":', 14)
    _add_time(out, created_at, True)
    _add(out, b',"captured_at":', 15)
    if captured_at is None:
        _add(out, b"null", 4)
    else:
        _add_time(out, captured_at, True)
    _add(out, b',"person_id":', 13)
    _add_uuid(out, person_id)
    _add(out, b',"person_properties":', 21)
    _add_merged(out, person_properties, person_set)
    _add(out, b',"person_created_at":', 21)
    _add_time(out, person_created_at, False)
    _add(out, b',"person_mode":', 15)
    _add_string(out, person_mode)
    if historical_migration:
        _add(out, b',"historical_migration":true', 28)
    _add(out, b"}", 1)
    made = PyBytes_FromStringAndSize(<const char*>out.bytes, out.used)
    _let_go(out)
    return made


# -- lines of the events table ---------------------------------------------------------------------------------------

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
            p = _members(p, end, LEVELS - 1, flags, own) if p[0] == c'{' else NULL
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
    """`"YYYY-MM-DD HH:MM:SS[.mmm]"`, up to the 28th of a month: later days need a calendar, which the slow way has."""
    cdef const uint8_t* t = text.start + 1
    if text.size != 21 and text.size != 25:
        return False
    if not _is_number(t, 4) or not _is_number(t + 5, 2) or not _is_number(t + 8, 2) or not _is_number(t + 11, 2):
        return False
    if not _is_number(t + 14, 2) or not _is_number(t + 17, 2):
        return False
    if t[4] != c'-' or t[7] != c'-' or t[10] != c' ' or t[13] != c':' or t[16] != c':':
        return False
    if text.size == 25 and (t[19] != c'.' or not _is_number(t + 20, 3)):
        return False
    if not 1 <= _two(t + 5) <= 12 or _two(t + 8) == 0 or _two(t) + _two(t + 2) == 0:
        return False
    if _two(t + 8) > 28 and (_two(t + 8) > 31 or (_two(t + 8) == 31 and not _has_31_days(_two(t + 5))) or _two(t + 5) == 2):
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


cdef void _let_go(Buffer* out) noexcept:
    if out.room > KEPT_ROOM:
        PyMem_Free(out.bytes)
        out.bytes = NULL
        out.room = 0


def line(bytes value not None, bytes place not None):
    """See `_members_py.line`."""
    cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(value)
    cdef const uint8_t* end = p + PyBytes_GET_SIZE(value)
    cdef Text columns[COLUMNS]
    cdef Parts own
    cdef int flags = 0
    cdef int at
    for at in range(COLUMNS):
        columns[at] = Text(NULL, 0, False)
    _open(&own)
    try:
        p = _columns(scan_blanks(p), end, &flags, columns, &own)
        if p is NULL or scan_blanks(p) != end or flags & (SCAN_LONE | SCAN_DEEP | SCAN_HUGE):
            return None
        if not _are_usual(columns):
            return None
        made = _line(columns, &own, place)
        if made is None:
            return None
        return (
            int(columns[<int>C_TEAM].start[: columns[<int>C_TEAM].size]),
            _string(&columns[<int>C_UUID]),
            _string(&columns[<int>C_EVENT]),
            _string(&columns[<int>C_DISTINCT_ID]),
            _string(&columns[<int>C_TIMESTAMP]),
            made,
        )
    finally:
        _close(&own)
