# Included by _members.pyx: what becomes of an event whose person has all that it says. A Layout was decided from names
# alone; here it is followed for one event: its values are compared with the person's, and the record is written from
# the slices where they stand.

cdef enum:
    IP = -1
    SENT_AT = -2
    SET = -3
    SET_ONCE = -4
    CONSTANT = -5

FROM_IP, FROM_SENT_AT, FROM_SET, FROM_SET_ONCE = IP, SENT_AT, SET, SET_ONCE


cdef class Layout(Places):
    """See `_members_py.Layout`."""

    def __init__(
        self,
        Shape source not None,
        row,
        latest,
        first,
        ignored,
        str session,
        str chain,
        Shape given_latest=None,
        Shape given_first=None,
    ):
        cdef Py_ssize_t at
        cdef list places = []
        self.source = source
        self.shape = _shape(tuple([name for name, _ in row]))
        self.constants = []
        for _, origin in row:
            if isinstance(origin, bytes):
                places.append(CONSTANT - len(self.constants))
                self.constants.append(origin)
            else:
                places.append(origin)
        self.hold(places)
        self.runs = <Py_ssize_t*>PyMem_Malloc(max(1, len(places)) * sizeof(Py_ssize_t))
        if self.runs is NULL:
            raise MemoryError
        for at in reversed(range(self.shape.count)):
            kept = places[at] >= 0 and self.shape.names[at] == source.names[places[at]]
            goes_on = kept and at + 1 < self.shape.count and places[at + 1] == places[at] + 1
            self.runs[at] = max(self.runs[at + 1], at + 1) if goes_on else at + 1 if kept else at
        self.latest = Picker(source, latest, given_latest)
        self.first = Picker(source, first, given_first)
        self.given = given_latest is not None or given_first is not None
        self.session = source.index.get(session, -1)
        self.chain = source.index.get(chain, -1)
        self.ignored = <uint8_t*>PyMem_Malloc(max(1, self.latest.shape.count))
        if self.ignored is NULL:
            raise MemoryError
        for at in range(self.latest.shape.count):
            self.ignored[at] = self.latest.shape.names[at] in ignored

    def __dealloc__(self):
        PyMem_Free(self.ignored)
        PyMem_Free(self.runs)

    cpdef bint suits(self, Members properties) except -1:
        """See `_members_py.Layout.suits`."""
        cdef const Value* chain
        if self.source is not properties.shape:
            raise ValueError("a layout of another shape")
        if self.session >= 0 and _holds_capital(&properties.slots[self.session]):
            return False
        if self.chain < 0:
            return True
        chain = &properties.slots[self.chain]
        return chain.start[0] == c'"' and memchr(chain.start, c'\\', chain.size) is NULL


cdef inline bint _holds_capital(const Value* value) noexcept:
    cdef Py_ssize_t at
    for at in range(value.size):
        if c'A' <= value.start[at] <= c'Z':
            return True
    return False


cdef bint _says_nothing_new(Layout layout, Members properties, Members person, Onto latest) noexcept:
    """Whether the person has all of it: the latest values, or other ones that are ignored, and every first value."""
    cdef const Value* theirs
    cdef const Value* ours
    cdef Py_ssize_t at
    for at in range(layout.latest.shape.count):
        if latest.at[at] >= person.held:
            return False
        theirs = &properties.slots[layout.latest.at[at]]
        ours = &person.slots[latest.at[at]]
        if theirs.start[0] != c'{' and theirs.start[0] != c'[':
            if ours.size == theirs.size and memcmp(ours.start, theirs.start, ours.size) == 0:
                continue
        if not layout.ignored[at] or not _is_plain(theirs):
            return False
    return True


cdef bint _fills_nothing(Members person, Onto first, Py_ssize_t count) noexcept:
    cdef Py_ssize_t at
    for at in range(count):
        if first.at[at] >= person.held or person.slots[first.at[at]].start[0] == c'n':
            return False
    return True


cdef int _add_picked(Buffer* out, Picker picker, Members given) except -1:
    cdef uint8_t* first
    cdef uint8_t* into
    cdef Py_ssize_t at
    _reserve(out, picker.size_of(given) + 2)
    into = first = out.bytes + out.used
    for at in range(picker.shape.count):
        into = _member(into, &picker.shape.prefixes[at], &given.slots[picker.at[at]])
    return _close_object(out, first, into)


cdef int _add_laid_out(
    Buffer* out, Layout layout, Members given, str ip, str sent_at, Members latest, Members first
) except -1:
    cdef Py_ssize_t at = 0
    cdef Py_ssize_t place
    cdef Py_ssize_t behind
    cdef bytes constant
    cdef const Prefix* prefix
    cdef Py_ssize_t start = out.used
    while at < layout.shape.count:
        place = layout.at[at]
        behind = place + layout.runs[at] - at
        prefix = &layout.shape.prefixes[at]
        if place < behind <= given.packed:
            _reserve(out, given._size() + 1)
            out.used = given._run(out.bytes + out.used, place, behind) - out.bytes
            at = layout.runs[at]
            continue
        at += 1
        if place >= 0:
            _reserve(out, prefix.size + given.slots[place].size + 1)
            out.used = _member(out.bytes + out.used, prefix, &given.slots[place]) - out.bytes
            continue
        _add(out, b",", 1)
        _add(out, prefix.start, prefix.size)
        if place == IP:
            _add_string(out, ip)
        elif place == SENT_AT:
            _add_string(out, sent_at)
        elif place == SET:
            if latest is None:
                _add_picked(out, layout.latest, given)
            else:
                _add_members(out, latest)
        elif place == SET_ONCE:
            if first is None:
                _add_picked(out, layout.first, given)
            else:
                _add_members(out, first)
        else:
            constant = layout.constants[CONSTANT - place]
            _add(out, PyBytes_AS_STRING(constant), PyBytes_GET_SIZE(constant))
    _reserve(out, 2)
    return _close_object(out, out.bytes + start, out.bytes + out.used)


cdef int _add_laid_over(Buffer* out, Members person, Picker picker, Members given, Onto onto) except -1:
    """The person's properties with the picked ones over them. All of these are there: nothing is behind the last."""
    cdef const Value** chosen = <const Value**>PyMem_Malloc(max(1, person.held) * sizeof(Value*))
    cdef uint8_t* first
    cdef uint8_t* into
    cdef Py_ssize_t at
    if chosen is NULL:
        raise MemoryError
    try:
        for at in range(person.held):
            chosen[at] = &person.slots[at]
        for at in range(picker.shape.count):
            chosen[onto.at[at]] = &given.slots[picker.at[at]]
        _reserve(out, person._size() + picker.size_of(given) + 2)
        into = first = out.bytes + out.used
        for at in range(person.held):
            into = _member(into, &person.shape.prefixes[at], chosen[at])
        return _close_object(out, first, into)
    finally:
        PyMem_Free(chosen)
