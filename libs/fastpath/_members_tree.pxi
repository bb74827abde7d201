# Included by _members.pyx: objects, row by row, as what ClickHouse's Native format sends of a JSON column (structure
# version 3, "flattened"): the paths, of each the types of its values, then for each path which type every row has, and
# the values of each type. Built here, because the engine's own way from text takes ten times the CPU.
#
# An object is read whole before anything of it is kept, so that one which has to go as text leaves nothing behind.

cdef enum Kind:
    K_STRING, K_INT, K_FLOAT, K_BOOL, K_STRINGS

cdef enum:
    KINDS = 5
    NOTHING = 255  # this row has no such path
    MAX_NODES = 1024  # paths of one block: each costs a byte a row
    HASH_SIZE = 4096
    FLATTENED = 3
    MAX_WHOLE = 18  # digits of an integer that surely is an Int64

cdef const char** KIND_NAMES = [b"String", b"Int64", b"Float64", b"Bool", b"Array(Nullable(String))"]


cdef struct Node:
    # one step of a path; a path itself where it has values
    const uint8_t* key  # in the key's own spelling, in `keys` of the tree
    Py_ssize_t key_size
    int parent
    int after  # the node that came behind this one in the row before: the likely next
    Py_ssize_t seen  # the reading in which it was met last
    bint typed
    Py_ssize_t items  # of all lists
    Buffer path
    Buffer kinds  # of each row so far
    Buffer values[KINDS]
    Buffer ends  # of lists: where each ends


cdef struct Leaf:
    int node
    Kind kind
    Text text


@cython.final
cdef class _Tree:
    """The columns of one JSON column. typed: its typed paths, all Nullable(String), in the column's order."""

    cdef:
        Node* nodes
        int count
        int typed
        Py_ssize_t rows
        Py_ssize_t reading
        int last  # the node met before
        Leaf* leaves
        Py_ssize_t found
        Py_ssize_t room
        int table[HASH_SIZE]
        list keys

    def __cinit__(self, tuple typed):
        cdef int at
        self.nodes = <Node*>PyMem_Malloc(MAX_NODES * sizeof(Node))
        self.room = 256
        self.leaves = <Leaf*>PyMem_Malloc(self.room * sizeof(Leaf))
        self.count = 0
        if self.nodes is NULL or self.leaves is NULL:
            raise MemoryError
        for at in range(HASH_SIZE):
            self.table[at] = -1
        self.keys = []
        self.rows = self.found = 0
        self.reading = 1
        self.last = -1
        self.typed = len(typed)
        for name in typed:
            at = self._node(-1, <const uint8_t*>PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
            self.nodes[at].typed = True
        self.reading = 2

    def __dealloc__(self):
        cdef int at, kind
        if self.nodes is not NULL:
            for at in range(self.count):
                PyMem_Free(self.nodes[at].path.bytes)
                PyMem_Free(self.nodes[at].kinds.bytes)
                PyMem_Free(self.nodes[at].ends.bytes)
                for kind in range(KINDS):
                    PyMem_Free(self.nodes[at].values[kind].bytes)
        PyMem_Free(self.nodes)
        PyMem_Free(self.leaves)

    cdef bint read(self, const uint8_t* p, const uint8_t* end) except -1:
        """Note the values of an object, from its brace; it is valid JSON. False: it has to go as text."""
        self.found = 0
        self.reading += 1
        self.last = -1
        return self._object(-1, p, end) is not NULL

    cdef const uint8_t* _object(self, int parent, const uint8_t* p, const uint8_t* end) except? NULL:
        """From the brace to behind the closing one; NULL without an error declines."""
        cdef Part part
        cdef int flags = 0
        cdef int node
        p = scan_blanks(p + 1)
        if p[0] == c'}':
            return p + 1
        while True:
            p = _name(p, end, &flags, &part)
            if p is NULL or part.escaped or part.name_size == 0:
                return NULL
            node = self._node(parent, part.name, part.name_size)
            if node < 0:
                return NULL
            if p[0] != c'{':
                p = self._value(node, p, end)
            elif self.nodes[node].typed:
                return NULL
            else:
                p = self._object(node, p, end)
            if p is NULL:
                return NULL
            p = scan_blanks(p)
            if p[0] == c'}':
                return p + 1
            p = scan_blanks(p + 1)

    cdef const uint8_t* _value(self, int node, const uint8_t* p, const uint8_t* end) except? NULL:
        cdef const uint8_t* start = p
        cdef int flags = 0
        cdef Kind kind
        cdef bint typed = self.nodes[node].typed
        if p[0] == c'n':
            return p + 4
        if p[0] == c'[':
            if typed or not _is_list_of_strings(p, end):
                return NULL
            kind = K_STRINGS
        elif p[0] == c'"':
            kind = K_STRING
        elif typed:
            return NULL
        elif p[0] == c't' or p[0] == c'f':
            kind = K_BOOL
        else:
            kind = K_INT
        p = scan_value(p, end, LEVELS, &flags)
        if kind == K_INT:
            kind = _number_kind(start, p - start)
            if kind == K_INT and p - start > MAX_WHOLE:
                return NULL
        if self.found == self.room:
            self._more_leaves()
        self.leaves[self.found] = Leaf(node, kind, Text(start, p - start, (flags & SCAN_ESCAPED) != 0))
        self.found += 1
        return p

    cdef int _more_leaves(self) except -1:
        cdef Leaf* more = <Leaf*>PyMem_Realloc(self.leaves, 2 * self.room * sizeof(Leaf))
        if more is NULL:
            raise MemoryError
        self.leaves = more
        self.room *= 2
        return 0

    cdef int _node(self, int parent, const uint8_t* key, Py_ssize_t size) except? -1:
        """The step of that name under `parent`; -1 declines: too many, met already in this row, or of an odd name."""
        cdef int node = self.nodes[self.last].after if self.last >= 0 else -1
        cdef uint32_t at
        if node < 0 or not self._is(node, parent, key, size):
            at = _hash_of(parent, key, size)
            node = self.table[at]
            while node >= 0 and not self._is(node, parent, key, size):
                at = (at + 1) % HASH_SIZE
                node = self.table[at]
            if node < 0:
                # a key that spells %2E would be the same path as one with a dot
                if self.count == MAX_NODES or memchr(key, c'%', size) is not NULL:
                    return -1
                node = self._new_node(parent, key, size)
                self.table[at] = node
            if self.last >= 0:
                self.nodes[self.last].after = node
        if self.nodes[node].seen == self.reading:
            return -1
        self.nodes[node].seen = self.reading
        self.last = node
        return node

    cdef inline bint _is(self, int node, int parent, const uint8_t* key, Py_ssize_t size) noexcept:
        cdef Node* one = &self.nodes[node]
        return one.parent == parent and one.key_size == size and memcmp(one.key, key, size) == 0

    cdef int _new_node(self, int parent, const uint8_t* key, Py_ssize_t size) except -1:
        cdef Node* node = &self.nodes[self.count]
        cdef bytes kept = PyBytes_FromStringAndSize(<const char*>key, size)
        cdef bytes step = kept.replace(b".", b"%2E")
        memset(node, 0, sizeof(Node))
        self.keys.append(kept)
        node.key = <const uint8_t*>PyBytes_AS_STRING(kept)
        node.key_size = size
        node.parent = parent
        node.after = -1
        self.count += 1
        if parent >= 0:
            _add(&node.path, self.nodes[parent].path.bytes, self.nodes[parent].path.used)
            _add(&node.path, b".", 1)
        _add(&node.path, PyBytes_AS_STRING(step), PyBytes_GET_SIZE(step))
        return self.count - 1

    cdef int keep(self) except -1:
        """What was read is the next row."""
        cdef Py_ssize_t at
        cdef Node* node
        cdef Leaf* leaf
        for at in range(self.found):
            leaf = &self.leaves[at]
            node = &self.nodes[leaf.node]
            _fill(&node.kinds, self.rows)
            _add_word(&node.kinds, leaf.kind, 1)
            if node.typed:
                _pad(node, self.rows)
            _add_value(node, leaf)
        self.rows += 1
        return 0

    cdef int write(self, Buffer* out, Py_ssize_t rows) except -1:
        cdef int at
        cdef Py_ssize_t paths = 0
        for at in range(self.typed, self.count):
            paths += self.nodes[at].kinds.used > 0
        _add_word(out, FLATTENED, 8)
        _add_varint(out, paths)
        for at in range(self.typed, self.count):
            if self.nodes[at].kinds.used:
                _add_sized(out, self.nodes[at].path.bytes, self.nodes[at].path.used)
        for at in range(self.typed, self.count):
            if self.nodes[at].kinds.used:
                _add_kinds(out, &self.nodes[at])
        for at in range(self.typed):
            _add_typed(out, &self.nodes[at], rows)
        for at in range(self.typed, self.count):
            if self.nodes[at].kinds.used:
                _add_path(out, &self.nodes[at], rows)
        return 0


cdef inline uint32_t _hash_of(int parent, const uint8_t* key, Py_ssize_t size) noexcept:
    cdef uint32_t hashed = 2166136261u ^ <uint32_t>(parent + 1)
    cdef Py_ssize_t at
    for at in range(size):
        hashed = (hashed ^ key[at]) * 16777619u
    return (hashed ^ hashed >> 15) % HASH_SIZE


cdef bint _is_list_of_strings(const uint8_t* p, const uint8_t* end) noexcept:
    """Not empty, and nothing but strings."""
    cdef int flags = 0
    p = scan_blanks(p + 1)
    while p[0] == c'"':
        p = scan_blanks(scan_string(p + 1, end, &flags))
        if p[0] == c']':
            return True
        p = scan_blanks(p + 1)
    return False


cdef Kind _number_kind(const uint8_t* text, Py_ssize_t size) noexcept:
    cdef Py_ssize_t at
    for at in range(size):
        if text[at] == c'.' or text[at] == c'e' or text[at] == c'E':
            return K_FLOAT
    return K_INT


cdef int _fill(Buffer* kinds, Py_ssize_t rows) except -1:
    """Rows up to this one had no such path."""
    cdef Py_ssize_t missing = rows - kinds.used
    if missing > 0:
        _reserve(kinds, missing + 1)
        memset(kinds.bytes + kinds.used, NOTHING, missing)
        kinds.used = rows
    return 0


cdef int _pad(Node* node, Py_ssize_t rows) except -1:
    """A Nullable(String) has a value for every row. `items` counts them."""
    cdef Buffer* values = &node.values[<int>K_STRING]
    cdef Py_ssize_t missing = rows - node.items
    if missing > 0:
        _reserve(values, missing)
        memset(values.bytes + values.used, 0, missing)
        values.used += missing
    node.items = rows + 1
    return 0


cdef int _add_value(Node* node, Leaf* leaf) except -1:
    cdef Buffer* values = &node.values[<int>leaf.kind]
    cdef int64_t whole
    cdef double number
    cdef bytes digits
    if leaf.kind == K_STRING:
        return _add_plain_text(values, &leaf.text)
    if leaf.kind == K_BOOL:
        return _add_word(values, leaf.text.start[0] == c't', 1)
    if leaf.kind == K_INT:
        whole = _signed(&leaf.text)
        return _add(values, &whole, 8)
    if leaf.kind == K_FLOAT:
        digits = leaf.text.start[: leaf.text.size]
        number = PyOS_string_to_double(PyBytes_AS_STRING(digits), NULL, NULL)
        return _add(values, &number, 8)
    return _add_list(node, &leaf.text)


cdef int64_t _signed(const Text* text) noexcept:
    cdef Text digits = text[0]
    if text.start[0] != c'-':
        return _whole(text)
    digits.start += 1
    digits.size -= 1
    return -_whole(&digits)


cdef int _add_list(Node* node, const Text* text) except -1:
    cdef const uint8_t* p = scan_blanks(text.start + 1)
    cdef const uint8_t* end = text.start + text.size
    cdef Text item
    cdef int flags
    while p[0] != c']':
        flags = 0
        item.start = p
        p = scan_string(p + 1, end, &flags)
        item.size = p - item.start
        item.escaped = (flags & SCAN_ESCAPED) != 0
        _add_plain_text(&node.values[<int>K_STRINGS], &item)
        node.items += 1
        p = scan_blanks(p)
        if p[0] == c',':
            p = scan_blanks(p + 1)
    return _add_word(&node.ends, node.items, 8)


cdef int _add_kinds(Buffer* out, Node* node) except -1:
    cdef int kind
    cdef Py_ssize_t kinds = 0
    for kind in range(KINDS):
        kinds += node.values[kind].used > 0
    _add_word(out, FLATTENED, 8)
    _add_varint(out, kinds)
    for kind in range(KINDS):
        if node.values[kind].used:
            _add_sized(out, KIND_NAMES[kind], strlen(KIND_NAMES[kind]))
    return 0


cdef int _add_typed(Buffer* out, Node* node, Py_ssize_t rows) except -1:
    cdef Py_ssize_t at
    cdef Py_ssize_t held = node.kinds.used
    _reserve(out, 2 * rows + node.values[<int>K_STRING].used)
    for at in range(rows):
        out.bytes[out.used + at] = at >= held or node.kinds.bytes[at] == NOTHING
    out.used += rows
    _add(out, node.values[<int>K_STRING].bytes, node.values[<int>K_STRING].used)
    memset(out.bytes + out.used, 0, rows - node.items)
    out.used += rows - node.items
    return 0


cdef int _add_path(Buffer* out, Node* node, Py_ssize_t rows) except -1:
    cdef uint8_t place[256]
    cdef int kind
    cdef uint8_t kinds = 0
    cdef Py_ssize_t at
    for kind in range(KINDS):
        if node.values[kind].used:
            place[kind] = kinds
            kinds += 1
    place[<int>NOTHING] = kinds
    _fill(&node.kinds, rows)
    _reserve(out, rows)
    for at in range(rows):
        out.bytes[out.used + at] = place[node.kinds.bytes[at]]
    out.used += rows
    for kind in range(KINDS):
        if kind == K_STRINGS and node.items:
            _add(out, node.ends.bytes, node.ends.used)
            _reserve(out, node.items)
            memset(out.bytes + out.used, 0, node.items)
            out.used += node.items
        _add(out, node.values[kind].bytes, node.values[kind].used)
    return 0
