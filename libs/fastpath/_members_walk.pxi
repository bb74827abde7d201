# Included by _members.pyx: one walk over an object, which notes where each name and each value is. It makes no Python
# object and raises nothing: NULL says that this is not an object we can read, or that memory ran out.

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
    parts.shape = NULL


cdef inline void _close(Parts* parts) noexcept:
    if parts.at != parts.first:
        PyMem_Free(parts.at)


cdef const uint8_t* _foreseen(
    const uint8_t* p, const uint8_t* end, int levels, int* flags, Parts* parts, Shape shape
) noexcept:
    """From the opening brace, as long as it is an object of that shape without blanks: to behind the last member that
    was as foreseen. Names are then compared, not read."""
    cdef Part* part
    cdef const uint8_t* value
    cdef Prefix* prefix = shape.prefixes
    cdef Prefix* behind = prefix + shape.count
    while prefix < behind and end - p > prefix.size and same_bytes(p + 1, prefix.start, prefix.size):
        value = p + 1 + prefix.size
        if value[0] <= c' ':
            break
        part = _more(parts)
        if part is NULL:
            return NULL
        part.name = p + 2
        part.name_size = prefix.size - 3
        part.escaped = False
        part.value = p = value
        p = scan_string(p + 1, end, flags) if p[0] == c'"' else scan_value(p, end, levels - 1, flags)
        if p is NULL:
            return NULL
        part.value_size = p - part.value
        prefix += 1
        if p[0] != c',':
            break
    if prefix == behind and p[0] == c'}':
        parts.shape = <PyObject*>shape
    return p


cdef const uint8_t* _members(
    const uint8_t* p, const uint8_t* end, int levels, int* flags, Parts* parts, Shape likely
) noexcept:
    """From the opening brace to behind the closing one. likely: the shape it probably has, or None."""
    cdef Part* part
    if likely is not None:
        p = _foreseen(p, end, levels, flags, parts, likely)
        if p is NULL:
            return NULL
    if parts.count:
        p = scan_blanks(p)
        if p[0] == c'}':
            return p + 1
        if p[0] != c',':
            return NULL
        p = scan_blanks(p + 1)
    else:
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
