# Included by _members.pyx: the names of objects. A Shape is the names in their order, shared by all objects that have
# them (unless they are more than SHARED_NAMES); Places (Onto, Picker, Spelling) say which member of one stands where in
# another, or in what the sender wrote. What is remembered is bounded: at REMEMBERED_NAMES all of it is let go.

cdef enum:
    RECENT = 1024

cdef dict _shapes = {}  # names -> Shape
cdef dict _spellings = {}  # names as they were written -> Spelling
cdef list _recent = [None] * RECENT  # of these, some by a hash that is quickly made
cdef Py_ssize_t _remembered = 0


cdef class Shape:
    """See `_members_py.Shape`."""

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

    cpdef object decision(self, object decide):
        found = self.decided.get(decide, self)  # itself: there is none; None is an answer
        if found is self:
            found = self.decided[decide] = decide(self)
        return found

    def picker(self, pairs, given=None):
        return Picker(self, pairs, given)

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
    def __init__(self, Shape base, Shape other):
        new = [name for name in other.names if name not in base.index]
        self.shape = _shape(base.names + tuple(new)) if new else base
        self.hold([self.shape.index[name] for name in other.names])


cdef enum:
    GIVEN = -1  # and below: places in what is given besides


cdef class Picker(Places):
    def __init__(self, Shape source not None, pairs, Shape given=None):
        self.source = source
        self.given = given
        self.shape = _shape(tuple([target for _, target in pairs]))
        if len(self.shape.index) != self.shape.count:
            raise ValueError("a name is picked twice")
        self.hold(
            [GIVEN - given.index[target] if name is None else source.index[name] for name, target in pairs]
        )

    cdef Py_ssize_t size_of(self, Members given) noexcept:
        """That of what is picked from it, as `Members.size` says."""
        cdef Py_ssize_t total = 0
        cdef Py_ssize_t at
        for at in range(self.shape.count):
            total += self.shape.prefixes[at].size + given.slots[self.at[at]].size + 1
        return total


cdef class Spelling(Places):
    """How an object wrote its names: with escapes, or one of them twice. in_order: each once; plainly: as we would."""

    cdef:
        Shape shape
        bint in_order
        bint plainly
        bytes text

    cdef bint stands_for(self, Parts* parts) noexcept:
        """Whether these are its names."""
        cdef const uint8_t* ours = <const uint8_t*>PyBytes_AS_STRING(self.text)
        cdef const uint8_t* end = ours + PyBytes_GET_SIZE(self.text)
        cdef Py_ssize_t at
        cdef Py_ssize_t size
        for at in range(parts.count):
            size = parts.at[at].name_size + 1
            if end - ours < size or memcmp(ours, parts.at[at].name, size) != 0:
                return False
            ours += size
        return ours == end


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
        _recent[:] = [None] * RECENT
        _likely[:] = [None] * LIKELY
        _remembered = names + 4
    return 0


cdef Spelling _spelling(Parts* parts):
    cdef Py_ssize_t place = _quick_hash(parts)
    cdef bytes text
    cdef Spelling made
    recent = _recent[place]
    if recent is not None and (<Spelling>recent).stands_for(parts):
        return <Spelling>recent
    text = _names_of(parts)
    found = _spellings.get(text)
    if found is not None:
        _recent[place] = found
        return <Spelling>found
    made = _spelled(parts)
    made.text = text
    if parts.count <= SHARED_NAMES:
        _make_room(parts.count)
        _spellings[text] = _recent[place] = made
    return made


cdef Py_ssize_t _quick_hash(Parts* parts) noexcept:
    cdef uint64_t mixed = parts.count
    cdef Part* part
    cdef Py_ssize_t at
    for at in range(parts.count):
        part = &parts.at[at]
        mixed = mixed * <uint64_t>1099511628211 + part.name_size
        if part.name_size:
            mixed += (part.name[part.name_size // 2] << 16) + (part.name[part.name_size - 1] << 8)
    return <Py_ssize_t>((mixed ^ (mixed >> 32)) % RECENT)


cdef bytes _names_of(Parts* parts):
    """One behind the other, each with its closing quote, which no name can hold."""
    cdef Py_ssize_t size = 0
    cdef Py_ssize_t at
    cdef bytes text
    cdef uint8_t* into
    for at in range(parts.count):
        size += parts.at[at].name_size + 1
    text = PyBytes_FromStringAndSize(NULL, size)
    into = <uint8_t*>PyBytes_AS_STRING(text)
    for at in range(parts.count):
        size = parts.at[at].name_size + 1
        memcpy(into, parts.at[at].name, size)
        into += size
    return text


cdef Spelling _spelled(Parts* parts):
    cdef Spelling made = Spelling.__new__(Spelling)
    cdef Part* part
    cdef Py_ssize_t at
    cdef dict first = {}
    cdef list places = []
    cdef bint escaped = False
    for at in range(parts.count):
        part = &parts.at[at]
        if part.escaped:
            escaped = True
            name = _decoded(b'"' + part.name[: part.name_size] + b'"')
        else:
            name = PyUnicode_DecodeUTF8(<const char*>part.name, part.name_size, NULL)
        places.append(first.setdefault(name, len(first)))
    made.shape = _shape(tuple(first))
    made.in_order = len(first) == parts.count
    made.plainly = made.in_order and not escaped
    made.hold(places)
    return made
