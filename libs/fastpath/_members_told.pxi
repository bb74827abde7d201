# Included by _members.pyx: the records that tell of a person and of a distinct id.

cdef int _add_escaped(Buffer* out, Py_ssize_t start, Py_ssize_t size) except -1:
    """What the buffer holds there, as a string."""
    cdef const uint8_t* p
    cdef const uint8_t* end
    cdef const uint8_t* special
    cdef uint8_t* into
    cdef bytes escaped
    _reserve(out, 2 * size + 2)
    p = out.bytes + start
    end = p + size
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
            escaped = _encoded(PyUnicode_DecodeUTF8(<const char*>out.bytes + start, size, NULL))
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


cdef bytes _from(Buffer* out, Py_ssize_t start):
    made = PyBytes_FromStringAndSize(<const char*>out.bytes + start, out.used - start)
    _let_go(out)
    return made


def told_person(
    str uuid not None,
    int64_t team_id,
    created_at not None,
    last_seen_at not None,
    Members properties not None,
    bint is_identified,
    bint is_deleted,
    int64_t version,
):
    """See `_members_py.told_person`."""
    cdef Buffer* out = &_out
    cdef Py_ssize_t start
    out.used = 0
    _add_members(out, properties)
    start = out.used
    _add(out, b'{"id":', 6)
    _add_string(out, uuid)
    _add(out, b',"created_at":', 14)
    _add_time(out, created_at, False)
    _add(out, b',"properties":', 14)
    _add_escaped(out, 0, start)
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
    _add(out, b"}", 1)
    return _from(out, start)


def told_distinct_id(
    str distinct_id not None, int64_t team_id, str person not None, bint is_deleted, int64_t version
):
    """See `_members_py.told_distinct_id`."""
    cdef Buffer* out = &_out
    out.used = 0
    _add(out, b'{"person_id":', 13)
    _add_string(out, person)
    _add(out, b',"team_id":', 11)
    _add_number(out, team_id)
    _add(out, b',"distinct_id":', 15)
    _add_string(out, distinct_id)
    _add(out, b',"version":', 11)
    _add_number(out, version)
    _add(out, b',"is_deleted":', 14)
    _add_flag(out, is_deleted)
    _add(out, b"}", 1)
    return _from(out, 0)
