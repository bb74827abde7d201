# Included by _members.pyx: the records that tell of a person and of a distinct id.

cdef int _add_escaped(Buffer* out, const uint8_t* text, Py_ssize_t size) except -1:
    """Text of another place, as a string."""
    cdef const uint8_t* p = text
    cdef const uint8_t* end = text + size
    cdef const uint8_t* special
    cdef uint8_t* into
    cdef bytes escaped
    _reserve(out, 2 * size + 2)
    into = out.bytes + out.used
    into[0] = c'"'
    into += 1
    while p < end:
        special = scan_special(p, end)
        _copy(into, p, special - p)
        into += special - p
        if special == end:
            break
        if special[0] < 0x20:  # a sender's line breaks, within objects and arrays
            escaped = _encoded(PyUnicode_DecodeUTF8(<const char*>text, size, NULL))
            return _add(out, PyBytes_AS_STRING(escaped), PyBytes_GET_SIZE(escaped))
        if special[0] < 0x80:
            into[0] = c'\\'
            into += 1
        into[0] = special[0]
        into += 1
        p = special + 1
    into[0] = c'"'
    out.used = into + 1 - out.bytes
    return 0


cdef inline int _add_flag(Buffer* out, bint flag) except -1:
    return _add(out, b"1" if flag else b"0", 1)


cdef int _add_person(
    Buffer* out,
    const uint8_t* identity,
    int64_t team_id,
    created_at,
    last_seen_at,
    Members properties,
    bint is_identified,
    bint is_deleted,
    int64_t version,
) except -1:
    _out.used = 0
    _add_members(&_out, properties)
    _add(out, b'{"id":"', 7)
    _add(out, identity, UUID_SIZE)
    _add(out, b'","created_at":', 15)
    _add_time(out, created_at, False)
    _add(out, b',"properties":', 14)
    _add_escaped(out, _out.bytes, _out.used)
    _let_go(&_out)
    _add(out, b',"team_id":', 11)
    _add_number(out, team_id)
    _add(out, b',"is_identified":', 17)
    _add_flag(out, is_identified)
    _add(out, b',"is_deleted":', 14)
    _add_flag(out, is_deleted)
    _add(out, b',"version":', 11)
    _add_number(out, version)
    _add(out, b',"last_seen_at":', 16)
    _add_time(out, last_seen_at, False)
    return _add(out, b"}", 1)


cdef int _add_distinct_id(
    Buffer* out, str distinct_id, int64_t team_id, person, bint is_deleted, int64_t version
) except -1:
    _add(out, b'{"person_id":', 13)
    _add_uuid(out, person)
    _add(out, b',"team_id":', 11)
    _add_number(out, team_id)
    _add(out, b',"distinct_id":', 15)
    _add_string(out, distinct_id)
    _add(out, b',"version":', 11)
    _add_number(out, version)
    _add(out, b',"is_deleted":', 14)
    _add_flag(out, is_deleted)
    return _add(out, b"}", 1)
