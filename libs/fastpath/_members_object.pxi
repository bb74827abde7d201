# Included by _members.pyx: Members, the values that stand for a Shape's names. A value is a slice of the bytes it came
# in and keeps them alive; copying, merging and picking hand slices on, and only what is asked for becomes bytes again.

cdef Members _taken(bytes text, Parts* parts):
    cdef Spelling spelling
    cdef Members made
    cdef Py_ssize_t at
    cdef Py_ssize_t size = 0
    if parts.shape is not NULL:
        made = _in_order(<Shape>parts.shape, text, parts)
        made.packed = made.held
        return made
    spelling = _spelling(parts)
    if not spelling.in_order:
        return _out_of_order(spelling, text, parts)
    made = _in_order(spelling.shape, text, parts)
    for at in range(parts.count):
        size += made.shape.prefixes[at].size + parts.at[at].value_size + 1
    # what the sender wrote is never shorter than what we would: of one length means without blanks
    at = parts.count - 1
    if spelling.plainly and made.held and parts.at[at].value + parts.at[at].value_size + 2 - parts.at[0].name == size:
        made.packed = made.held
    return made


cdef Members _in_order(Shape shape, bytes text, Parts* parts):
    cdef Members made = _with_room(shape, parts.count)
    cdef Part* part = parts.at
    cdef Py_ssize_t at
    for at in range(parts.count):
        made.slots[at] = Value(<PyObject*>text, part[at].value, part[at].value_size)
    _share(text, parts.count)
    made.held = parts.count
    return made


cdef Members _out_of_order(Spelling spelling, bytes text, Parts* parts):
    cdef Members made = _empty(spelling.shape, parts.count)
    cdef Py_ssize_t at
    for at in range(parts.count):
        _put(&made.slots[spelling.at[at]], text, parts.at[at].value, parts.at[at].value_size)
    made.held = spelling.shape.count
    return made


cdef Members _empty(Shape shape, Py_ssize_t room):
    cdef Members made = _with_room(shape, room)
    cdef Py_ssize_t at
    for at in range(made.room):
        made.slots[at].owner = NULL
    return made


cdef Members _with_room(Shape shape, Py_ssize_t room):
    cdef Members made = Members.__new__(Members)
    made.shape = shape
    made.slots = _new_slots(&room)
    made.room = room
    return made


cdef enum:
    SLOTS_STEP = 8
    SLOTS_KINDS = 9  # up to 64 slots; those of larger objects are not kept
    KEPT_SLOTS = 131072  # 3 MiB

cdef Value* _kept[SLOTS_KINDS]  # slots that nobody uses, by their number in steps; each begins with where the next is
cdef Py_ssize_t _kept_slots = 0


cdef Value* _new_slots(Py_ssize_t* room) except NULL:
    """As many, or some more. Of a batch thousands come and go together, and malloc joins and parts what is free."""
    global _kept_slots
    cdef Py_ssize_t kind = max(1, (room[0] + SLOTS_STEP - 1) // SLOTS_STEP)
    cdef Value* made
    room[0] = kind * SLOTS_STEP
    if kind < SLOTS_KINDS and _kept[kind] is not NULL:
        made = _kept[kind]
        _kept[kind] = <Value*>made.owner
        _kept_slots -= room[0]
        return made
    made = <Value*>PyMem_Malloc(room[0] * sizeof(Value))
    if made is NULL:
        raise MemoryError
    return made


cdef void _free_slots(Value* slots, Py_ssize_t room) noexcept:
    global _kept_slots
    cdef Py_ssize_t kind = room // SLOTS_STEP
    if slots is NULL or kind >= SLOTS_KINDS or _kept_slots >= KEPT_SLOTS:
        PyMem_Free(slots)
        return
    slots.owner = <PyObject*>_kept[kind]
    _kept[kind] = slots
    _kept_slots += room


cdef inline void _share(object owner, Py_ssize_t times) noexcept:
    """Count that many references more, all at once."""
    Py_SET_REFCNT(owner, Py_REFCNT(owner) + times)


cdef inline void _let_go_of(PyObject* owner, Py_ssize_t times) noexcept:
    """Count that many references less, all at once."""
    if times > 1:
        Py_SET_REFCNT(<object>owner, Py_REFCNT(<object>owner) - (times - 1))
    if times:
        Py_DECREF(<object>owner)


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


cdef bint _is_same(const Value* one, const Value* other) except -1:
    """See `_members_py.Members.differing`. Values are looked into only when other bytes may say the same."""
    cdef uint8_t opening = one.start[0]
    if opening == c'{' or opening == c'[':
        return False
    if one.size == other.size and memcmp(one.start, other.start, one.size) == 0:
        return True
    if opening == c'"':
        if other.start[0] != c'"' or (not _holds_escape(one) and not _holds_escape(other)):
            return False
    elif not _opens_number(one) or not _opens_number(other) or (_is_digits(one) and _is_digits(other)):
        return False
    try:
        return bool(_decoded(one.start[:one.size]) == _decoded(other.start[:other.size]))
    except (MsgspecError, RecursionError):  # 1e400
        return False


cdef inline bint _holds_escape(const Value* value) noexcept:
    return memchr(value.start, c'\\', value.size) is not NULL


cdef inline bint _opens_number(const Value* value) noexcept:
    return value.start[0] == c'-' or c'0' <= value.start[0] <= c'9'


cdef inline bint _is_digits(const Value* value) noexcept:
    cdef Py_ssize_t at
    for at in range(value.size):
        if not c'0' <= value.start[at] <= c'9':
            return False
    return True


cdef inline void _put(Value* value, bytes owner, const uint8_t* start, Py_ssize_t size) noexcept:
    cdef PyObject* before = value.owner
    Py_INCREF(owner)
    value.owner = <PyObject*>owner
    value.start = start
    value.size = size
    if before is not NULL:
        Py_DECREF(<object>before)


cdef enum:
    COMMON_VALUES = 1024
    MIN_COMMON = 8
    MAX_COMMON = 512

cdef list _common_values = [None] * COMMON_VALUES


cdef inline bint _stands_in(bytes text, const Value* value) noexcept:
    return PyBytes_GET_SIZE(text) == value.size and memcmp(PyBytes_AS_STRING(text), value.start, value.size) == 0


cdef inline Py_ssize_t _mixed(const uint8_t* p, Py_ssize_t size) noexcept:
    """A hash of eight bytes and more, quickly made."""
    cdef uint64_t mixed = size
    cdef uint64_t word
    cdef const uint8_t* last = p + size - 8
    while p < last:
        memcpy(&word, p, 8)
        mixed = (mixed ^ word) * <uint64_t>0x9E3779B97F4A7C15
        mixed ^= mixed >> 32
        p += 8
    memcpy(&word, last, 8)
    mixed = (mixed ^ word) * <uint64_t>0x9E3779B97F4A7C15
    return <Py_ssize_t>(mixed >> 33)


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
        p = _members(p, end, LEVELS, &flags, &parts, None)
        if p is NULL or scan_blanks(p) != end or flags & (SCAN_LONE | SCAN_DEEP):
            return None
        return _taken(text, &parts)
    finally:
        _close(&parts)


cdef bytes _bytes_of(value):
    return <bytes>value if PyBytes_CheckExact(value) else bytes(value)


@cython.no_gc  # holds bytes, and a Shape that never holds it
@cython.freelist(256)
cdef class Members:
    """See `_members_py.Members`."""

    def __init__(self, other=()):
        raise TypeError("made by members() and members_of()")

    def __dealloc__(self):
        cdef Py_ssize_t at
        if self.packed:
            _let_go_of(self.slots[0].owner, self.packed)
        for at in range(self.packed, self.held):
            if self.slots[at].owner is not NULL:
                Py_DECREF(<object>self.slots[at].owner)
        _free_slots(self.slots, self.room)

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
        cdef Py_ssize_t room
        cdef Shape shape
        at = self.shape.index.get(name)
        if at is None:
            shape = self.shape.plus(name)
            if self.held == self.room:
                room = 2 * self.room
                grown = _new_slots(&room)
                memcpy(grown, self.slots, self.held * sizeof(Value))
                _free_slots(self.slots, self.room)
                self.slots, self.room = grown, room
            self.slots[self.held].owner = NULL
            _put(&self.slots[self.held], text, <const uint8_t*>PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
            self.held += 1
            self.shape = shape
        else:
            self._unpack(at)
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

    cpdef object raw(self, object name):
        at = self.shape.index.get(name)
        return None if at is None else self._bytes(at)

    cpdef object opens(self, object name):
        at = self.shape.index.get(name)
        return 0 if at is None else self.slots[<Py_ssize_t>at].start[0]

    cpdef bytes common(self, object name):
        cdef Value* value
        cdef Py_ssize_t place
        at = self.shape.index.get(name)
        if at is None:
            return None
        value = &self.slots[<Py_ssize_t>at]
        if not MIN_COMMON <= value.size <= MAX_COMMON:
            return self._bytes(at)
        place = _mixed(value.start, value.size) % COMMON_VALUES
        found = _common_values[place]
        if found is None or not _stands_in(<bytes>found, value):
            found = _common_values[place] = self._bytes(at)
        return <bytes>found

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
        cdef Members made = _empty(self.shape, self.held + 6)  # usually added: $ip, $sent_at, $set, $set_once
        self._copy_into(made)
        return made

    def encoded(self):
        cdef Buffer* out = &_out
        out.used = 0
        _add_members(out, self)
        made = PyBytes_FromStringAndSize(<const char*>out.bytes, out.used)
        _let_go(out)
        return made

    cpdef int warm(self) except -1:
        """See `_members_py.Members.warm`. Of the text a usual length: where it ends is not known before it is here."""
        cdef const uint8_t* p = <const uint8_t*>self.slots
        cdef const uint8_t* end = <const uint8_t*>&self.slots[self.held]
        while p < end:
            prefetched(p)
            p += CACHE_LINE
        if self.held:
            p = self.slots[0].start
            end = p + WARM_TEXT
            while p < end:
                prefetched(p)
                p += CACHE_LINE
        return 0

    def is_plain(self):
        cdef Py_ssize_t at
        for at in range(self.held):
            if not _is_plain(&self.slots[at]):
                return False
        return True

    def size(self):
        return self._size()

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
            made._unpack(onto.at[at])
            _put(&made.slots[onto.at[at]], <bytes>value.owner, value.start, value.size)
        made.held = onto.shape.count
        return made

    def differing(self, Members other not None):
        cdef Onto onto = self.shape.laid(other.shape)
        cdef Py_ssize_t at
        cdef list found = []
        for at in range(other.held):
            if onto.at[at] >= self.held or not _is_same(&other.slots[at], &self.slots[onto.at[at]]):
                found.append(at)
        return other._those(found)

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

    def filling(self, Members other not None, Members but not None):
        cdef Onto onto = self.shape.laid(other.shape)
        cdef Py_ssize_t at
        cdef list found = []
        for at in range(other.held):
            if onto.at[at] < self.held:
                if self.slots[onto.at[at]].start[0] != c'n' or other.slots[at].start[0] == c'n':
                    continue
            if other.shape.names[at] not in but.shape.index:
                found.append(at)
        return other._those(found)

    cdef Members _those(self, list places):
        """Another object, of the members there."""
        cdef Members made = _empty(_shape(tuple([self.shape.names[place] for place in places])), len(places))
        cdef Value* value
        for place in places:
            value = &self.slots[<Py_ssize_t>place]
            _put(&made.slots[made.held], <bytes>value.owner, value.start, value.size)
            made.held += 1
        return made

    cdef Py_ssize_t _size(self) noexcept:
        cdef Py_ssize_t total = 0
        cdef Py_ssize_t at
        for at in range(self.held):
            total += self.shape.prefixes[at].size + self.slots[at].size + 1
        return total

    cdef uint8_t* _run(self, uint8_t* into, Py_ssize_t at, Py_ssize_t behind) noexcept:
        """Members that are packed, each with its comma, where there is room for them; returns what is behind."""
        cdef const uint8_t* start = self.slots[at].start - self.shape.prefixes[at].size
        cdef Py_ssize_t size = self.slots[behind - 1].start + self.slots[behind - 1].size - start
        into[0] = c','
        memcpy(into + 1, start, size)
        return into + 1 + size

    cdef void _unpack(self, Py_ssize_t at) noexcept:
        """The value there becomes another."""
        if at < self.packed:
            self.packed = at

    cdef bytes _bytes(self, Py_ssize_t at):
        return PyBytes_FromStringAndSize(<const char*>self.slots[at].start, self.slots[at].size)

    cdef int _drop(self, Py_ssize_t at) except -1:
        cdef Shape shape = self.shape.minus(at)
        cdef PyObject* owner = self.slots[at].owner
        cdef Py_ssize_t place
        self._unpack(at)
        self.held -= 1
        for place in range(at, self.held):
            self.slots[place] = self.slots[place + 1]
        self.shape = shape
        Py_DECREF(<object>owner)
        return 0

    cdef int _copy_into(self, Members made) except -1:
        cdef Py_ssize_t at
        if self.packed:
            _share(<object>self.slots[0].owner, self.packed)
        for at in range(self.packed, self.held):
            Py_INCREF(<object>self.slots[at].owner)
        memcpy(made.slots, self.slots, self.held * sizeof(Value))
        made.held = self.held
        made.packed = self.packed
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
