# Included by _members.pyx: records one behind the other, as a log takes them.

cdef bytes NO_HEADERS = b"\x90"


cdef inline uint8_t* _bin(uint8_t* into, Py_ssize_t size) noexcept:
    """The head of bytes as MessagePack has them, where there is room; returns what is behind."""
    into[0] = 0xC6
    into[1] = <uint8_t>(size >> 24)
    into[2] = <uint8_t>(size >> 16)
    into[3] = <uint8_t>(size >> 8)
    into[4] = <uint8_t>size
    return into + 5


cdef class RowBlock:
    """See `_members_py.RowBlock`. Rows are written where they stay: into the bytes object that is handed out."""

    def __cinit__(self, Py_ssize_t room=0):
        self._open(room)

    def __dealloc__(self):
        Py_XDECREF(self.out.owner)

    def __len__(self):
        return self.count

    cpdef object add(self, bytes key, bytes value, bytes headers):
        self._begin(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))
        _add(&self.out, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
        self._end(PyBytes_GET_SIZE(key), PyBytes_GET_SIZE(value), headers)

    def taken(self):
        cdef PyObject* payload = self.out.owner
        cdef tuple found
        if payload is NULL:
            raise MemoryError
        self.out.owner = NULL
        try:
            _PyBytes_Resize(&payload, self.whole)
            found = <bytes>payload, self.count, self.size
        finally:
            Py_XDECREF(payload)
            self.whole = self.count = self.size = 0
            self._open(0)
        return found

    cpdef bint add_laid_out(
        self,
        Layout layout,
        Members properties,
        Members person_properties,
        Members latest,
        Members first,
        str ip,
        str sent_at,
        str uuid,
        str event,
        object timestamp,
        int64_t team_id,
        str distinct_id,
        object created_at,
        object captured_at,
        object person_id,
        object person_created_at,
        bint historical_migration,
        bytes headers,
    ) except -1:
        cdef Buffer* out = &self.out
        cdef Onto onto
        cdef const char* key
        cdef Py_ssize_t key_size
        cdef Py_ssize_t start
        if not layout.suits(properties):
            return False
        if latest is None:
            if layout.given:
                raise ValueError("a layout of what is given besides")
            onto = person_properties.shape.laid(layout.latest.shape)
            if not _says_nothing_new(layout, properties, person_properties, onto):
                return False
            if not _fills_nothing(
                person_properties, person_properties.shape.laid(layout.first.shape), layout.first.shape.count
            ):
                return False
        key = PyUnicode_AsUTF8AndSize(uuid, &key_size)
        start = self._begin(key, key_size)
        _add_head(out, uuid, event)
        _add_laid_out(out, layout, properties, ip, sent_at, latest, first)
        _add_middle(out, timestamp, team_id, distinct_id)
        if layout.chain < 0:
            _add(out, b'""', 2)
        else:
            _add(out, properties.slots[layout.chain].start, properties.slots[layout.chain].size)
        _add_moments(out, created_at, captured_at, person_id)
        if latest is None:
            _add_laid_over(out, person_properties, layout.latest, properties, onto)
        else:
            _add_merged(out, person_properties, latest)
        _add_end(out, person_created_at, "full", historical_migration)
        self._end(key_size, out.used - start, headers)
        return True

    cpdef object add_stored(
        self,
        str uuid,
        str event,
        Members properties,
        object timestamp,
        int64_t team_id,
        str distinct_id,
        str elements_chain,
        object created_at,
        object captured_at,
        object person_id,
        Members person_properties,
        Members person_set,
        object person_created_at,
        str person_mode,
        bint historical_migration,
        bytes headers,
    ):
        cdef Buffer* out = &self.out
        cdef Py_ssize_t key_size
        cdef const char* key = PyUnicode_AsUTF8AndSize(uuid, &key_size)
        cdef Py_ssize_t start = self._begin(key, key_size)
        _add_head(out, uuid, event)
        _add_members(out, properties)
        _add_middle(out, timestamp, team_id, distinct_id)
        _add_string(out, elements_chain)
        _add_moments(out, created_at, captured_at, person_id)
        _add_merged(out, person_properties, person_set)
        _add_end(out, person_created_at, person_mode, historical_migration)
        self._end(key_size, out.used - start, headers)

    cpdef object add_person(
        self,
        object identity,
        int64_t team_id,
        object created_at,
        object last_seen_at,
        Members properties,
        bint is_identified,
        bint is_deleted,
        int64_t version,
    ):
        cdef uint8_t key[UUID_SIZE]
        cdef Py_ssize_t start
        _put_uuid(key, identity)
        start = self._begin(<const char*>key, UUID_SIZE)
        _add_person(
            &self.out, key, team_id, created_at, last_seen_at, properties, is_identified, is_deleted, version
        )
        self._end(UUID_SIZE, self.out.used - start, NO_HEADERS)

    cpdef object add_distinct_id(
        self, str distinct_id, int64_t team_id, object person, bint is_deleted, int64_t version
    ):
        cdef Py_ssize_t key_size
        cdef const char* key = PyUnicode_AsUTF8AndSize(distinct_id, &key_size)
        cdef Py_ssize_t start = self._begin(key, key_size)
        _add_distinct_id(&self.out, distinct_id, team_id, person, is_deleted, version)
        self._end(key_size, self.out.used - start, NO_HEADERS)

    cdef int _open(self, Py_ssize_t room) except -1:
        cdef PyObject* owner = PyBytes_FromStringAndSize_(NULL, room)
        if owner is NULL:
            raise MemoryError
        self.out = Buffer(<uint8_t*>PyBytes_AS_STRING(<bytes>owner), 0, room, owner)
        return 0

    cdef Py_ssize_t _begin(self, const char* key, Py_ssize_t size) except -1:
        """A record up to its value, whose place is returned. `_end` writes what is before it."""
        cdef uint8_t* into
        self.out.used = self.whole
        _reserve(&self.out, 1 + 5 + size + 5)
        into = self.out.bytes + self.whole
        into[0] = 0x93
        memcpy(_bin(into + 1, size), key, size)
        self.out.used += 1 + 5 + size + 5
        return self.out.used

    cdef int _end(self, Py_ssize_t key_size, Py_ssize_t value_size, bytes headers) except -1:
        _bin(self.out.bytes + self.whole + 1 + 5 + key_size, value_size)
        _add(&self.out, PyBytes_AS_STRING(headers), PyBytes_GET_SIZE(headers))
        self.whole = self.out.used
        self.count += 1
        self.size += key_size + value_size
        return 0
