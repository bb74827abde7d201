# Included by _scan.pyx: one walk over a body, which finds events and the few of their fields that matter.

cdef int _unescaped(const uint8_t* key, Py_ssize_t size, uint8_t* into) noexcept nogil:
    """The bytes of a key, or -1 for one that is longer than any we know or not ASCII (so none of ours)."""
    cdef Py_ssize_t at = 0
    cdef int length = 0
    cdef int code
    while at < size:
        if length == LONGEST_KEY:
            return -1
        code = key[at]
        at += 1
        if code == c'\\':
            code = key[at]
            at += 1
            if code == c'u':
                code = scan_hex4(key + at)
                at += 4
            elif code == c'b':
                code = 8
            elif code == c'f':
                code = 12
            elif code == c'n':
                code = 10
            elif code == c'r':
                code = 13
            elif code == c't':
                code = 9
        if code >= 0x80:
            return -1
        into[length] = <uint8_t>code
        length += 1
    return length


cdef Field _field_of(const uint8_t* key, Py_ssize_t size) noexcept nogil:
    if size == 4:
        if memcmp(key, b"uuid", 4) == 0:
            return F_UUID
        if memcmp(key, b"$set", 4) == 0:
            return F_SET
    elif size == 5:
        if memcmp(key, b"event", 5) == 0:
            return F_EVENT
        if memcmp(key, b"token", 5) == 0:
            return F_TOKEN
        if memcmp(key, b"batch", 5) == 0:
            return F_BATCH
    elif size == 6:
        if memcmp(key, b"offset", 6) == 0:
            return F_OFFSET
        if memcmp(key, b"$token", 6) == 0:
            return F_DOLLAR_TOKEN
    elif size == 7:
        if memcmp(key, b"api_key", 7) == 0:
            return F_API_KEY
        if memcmp(key, b"sent_at", 7) == 0:
            return F_SENT_AT
    elif size == 9:
        if memcmp(key, b"timestamp", 9) == 0:
            return F_TIMESTAMP
        if memcmp(key, b"$set_once", 9) == 0:
            return F_SET_ONCE
    elif size == 10:
        if memcmp(key, b"properties", 10) == 0:
            return F_PROPERTIES
    elif size == 11:
        if memcmp(key, b"distinct_id", 11) == 0:
            return F_DISTINCT_ID
    elif size == 12:
        if memcmp(key, b"$distinct_id", 12) == 0:
            return F_DOLLAR_DISTINCT_ID
    elif size == 20:
        if memcmp(key, b"historical_migration", 20) == 0:
            return F_HISTORICAL
    return F_NONE


cdef Property _property_of(const uint8_t* key, Py_ssize_t size) noexcept nogil:
    if size == 5:
        if memcmp(key, b"token", 5) == 0:
            return P_TOKEN
    elif size == 11:
        if memcmp(key, b"distinct_id", 11) == 0:
            return P_DISTINCT_ID
        if memcmp(key, b"$session_id", 11) == 0:
            return P_SESSION_ID
    elif size == 12:
        if memcmp(key, b"$current_url", 12) == 0:
            return P_CURRENT_URL
    elif size == 13:
        if memcmp(key, b"$heatmap_data", 13) == 0:
            return P_HEATMAP
    elif size == 15:
        if memcmp(key, b"$ignore_sent_at", 15) == 0:
            return P_IGNORE_SENT_AT
    elif size == 16:
        if memcmp(key, b"$cookieless_mode", 16) == 0:
            return P_COOKIELESS
        if memcmp(key, b"capture_internal", 16) == 0:
            return P_INTERNAL
    elif size == 23:
        if memcmp(key, b"$process_person_profile", 23) == 0:
            return P_PERSON
        if memcmp(key, b"$prev_pageview_pathname", 23) == 0:
            return P_PREV_PATHNAME
    return P_NONE


cdef uint32_t _member_of(const uint8_t* key, Py_ssize_t size) noexcept nogil:
    """Which of a heatmap's properties a key names."""
    if size == 11:
        if memcmp(key, b"$session_id", 11) == 0:
            return M_OF_HEATMAP
    elif size == 12:
        if memcmp(key, b"$current_url", 12) == 0:
            return M_OF_HEATMAP
    elif size == 13:
        if memcmp(key, b"$heatmap_data", 13) == 0:
            return M_HEATMAP_DATA
    elif size == 15:
        if memcmp(key, b"$viewport_width", 15) == 0:
            return M_OF_HEATMAP
    elif size == 16:
        if memcmp(key, b"$viewport_height", 16) == 0 or memcmp(key, b"$cookieless_mode", 16) == 0:
            return M_OF_HEATMAP
    elif size == 23:
        if memcmp(key, b"$prev_pageview_pathname", 23) == 0:
            return M_OF_HEATMAP
    elif size == 25:
        if memcmp(key, b"$prev_pageview_max_scroll", 25) == 0:
            return M_OF_HEATMAP
    return M_NONE


cdef inline const uint8_t* _key(const uint8_t* p, Walk* walk, const uint8_t** key, Py_ssize_t* size,
    uint8_t* room) noexcept nogil:
    """From a key's quote to the first byte of its value. `key` is what it spells, in the body or in `room`."""
    if p[0] != c'"':
        return NULL
    cdef const uint8_t* begin = p + 1
    walk.flags &= ~SCAN_ESCAPED
    p = scan_string(begin, walk.end, &walk.flags)
    if p is NULL:
        return NULL
    key[0] = begin
    size[0] = p - 1 - begin
    if walk.flags & SCAN_ESCAPED:
        size[0] = _unescaped(begin, size[0], room)
        key[0] = room
    p = scan_blanks(p)
    return scan_blanks(p + 1) if p[0] == c':' else NULL


cdef const uint8_t* _properties(const uint8_t* p, Walk* walk, Event* event) noexcept nogil:
    """From the opening brace to behind the closing one."""
    cdef const uint8_t* key
    cdef const uint8_t* value
    cdef Py_ssize_t size
    cdef uint8_t room[LONGEST_KEY]
    cdef Property which
    cdef int index
    for index in range(<int>P_WITH_VALUE):
        event.known[index] = Span(0, 0)
    event.present = 0
    p = scan_blanks(p + 1)
    if p[0] == c'}':
        return p + 1
    while True:
        value = _key(p, walk, &key, &size, room)
        if value is NULL:
            return NULL
        p = scan_value(value, walk.end, LEVELS - 2, &walk.flags)
        if p is NULL:
            return NULL
        which = _property_of(key, size)
        if which < P_WITH_VALUE:
            event.known[<int>which] = Span(<uint32_t>(value - walk.start), <uint32_t>(p - walk.start))
        elif which != P_NONE:
            event.present |= 1 << <int>which
        p = scan_blanks(p)
        if p[0] == c'}':
            return p + 1
        if p[0] != c',':
            return NULL
        p = scan_blanks(p + 1)


cdef inline bint _is_canonical_uuid(const uint8_t* text, Py_ssize_t size) noexcept nogil:
    """36 characters, in either case; other spellings are not for us."""
    cdef int at
    cdef uint8_t c
    if size != 36:
        return False
    for at in range(36):
        c = text[at]
        if at == 8 or at == 13 or at == 18 or at == 23:
            if c != c'-':
                return False
        elif not (c'0' <= c <= c'9' or c'a' <= (c | 0x20) <= c'f'):
            return False
    return True


cdef inline bint _is_small_integer(const uint8_t* text, Py_ssize_t size) noexcept nogil:
    """Up to 18 digits and not minus zero: printed anew, it is the same text."""
    cdef Py_ssize_t at = 0
    if text[0] == c'-':
        at = 1
        if size < 2 or text[1] == c'0':
            return False
    if size - at > 18:
        return False
    while at < size:
        if not c'0' <= text[at] <= c'9':
            return False
        at += 1
    return True


cdef void _keep(Field field, const uint8_t* value, const uint8_t* after, Walk* walk, Event* event) noexcept nogil:
    """Put one field of an event's root in its place, or call the event a misfit."""
    cdef Span span = Span(<uint32_t>(value - walk.start), <uint32_t>(after - walk.start))
    cdef Py_ssize_t size = after - value
    cdef uint8_t kind = value[0]
    event.seen |= 1 << <int>field
    if field == F_EVENT:
        event.event = span
        if kind != c'"':
            event.misfit = True
    elif field == F_DISTINCT_ID or field == F_DOLLAR_DISTINCT_ID:
        event.distinct_id = span
    elif field == F_SET:
        event.set_ = span
    elif field == F_SET_ONCE:
        event.set_once = span
    elif field == F_OFFSET:
        event.offset = span if kind != c'n' else Span(0, 0)
        if kind != c'n' and not _is_small_integer(value, size):
            event.misfit = True
    elif kind != c'"' and kind != c'n':
        event.misfit = True
    else:
        if kind == c'n':
            span = Span(0, 0)
        if field == F_TIMESTAMP:
            event.timestamp = span
        elif field == F_UUID:
            if size == 2:
                span = Span(0, 0)
            elif kind == c'"' and not _is_canonical_uuid(value + 1, size - 2):
                event.misfit = True
            event.uuid = span
        else:
            event.token = span


cdef inline uint8_t _kind(Walk* walk, Span span) noexcept nogil:
    return walk.start[span.start] if span.end else 0


cdef void _judge_set(Walk* walk, Event* event, Span* span) noexcept nogil:
    cdef uint8_t kind = _kind(walk, span[0])
    if kind == c'n':
        span[0] = Span(0, 0)
    elif kind != 0 and kind != c'{':
        event.misfit = True


cdef void _judge(Walk* walk, Event* event) noexcept nogil:
    """What can be said of an event only once all of it was seen."""
    cdef uint32_t tokens = event.seen & ((1 << F_TOKEN) | (1 << F_DOLLAR_TOKEN) | (1 << F_API_KEY))
    cdef uint32_t ids = event.seen & ((1 << F_DISTINCT_ID) | (1 << F_DOLLAR_DISTINCT_ID))
    if tokens & (tokens - 1) or ids & (ids - 1):
        event.misfit = True
    if event.seen & (1 << F_PROPERTIES) and _kind(walk, event.properties) != c'{':
        event.misfit = True
    _judge_set(walk, event, &event.set_)
    _judge_set(walk, event, &event.set_once)


cdef const uint8_t* _event(const uint8_t* p, Walk* walk, Event* event) noexcept nogil:
    """An event of an array, from its brace. Any other value is walked over, as a misfit."""
    cdef const uint8_t* key
    cdef const uint8_t* value
    cdef Py_ssize_t size
    cdef uint8_t room[LONGEST_KEY]
    cdef Field field
    if p[0] != c'{':
        event.misfit = True
        return scan_value(p, walk.end, LEVELS, &walk.flags)
    p = scan_blanks(p + 1)
    if p[0] == c'}':
        event.misfit = True
        return p + 1
    while True:
        value = _key(p, walk, &key, &size, room)
        if value is NULL:
            return NULL
        field = _field_of(key, size)
        if field == F_PROPERTIES:
            p = _member(value, walk, event)
        else:
            p = scan_value(value, walk.end, LEVELS - 1, &walk.flags)
        if p is NULL:
            return NULL
        if F_NONE < field < F_BATCH and field != F_PROPERTIES:
            _keep(field, value, p, walk, event)
        p = scan_blanks(p)
        if p[0] == c'}':
            break
        if p[0] != c',':
            return NULL
        p = scan_blanks(p + 1)
    _judge(walk, event)
    if not event.event.end:
        event.misfit = True
    return p + 1


cdef inline const uint8_t* _member(const uint8_t* value, Walk* walk, Event* event) noexcept nogil:
    """The value of `properties`."""
    cdef const uint8_t* after
    if value[0] == c'{':
        after = _properties(value, walk, event)
    else:
        after = scan_value(value, walk.end, LEVELS - 1, &walk.flags)
    if after is not NULL:
        event.seen |= 1 << F_PROPERTIES
        event.properties = Span(<uint32_t>(value - walk.start), <uint32_t>(after - walk.start))
    return after


cdef Event* _new_event(Walk* walk) noexcept nogil:
    cdef Event* more
    if walk.count == walk.most:
        walk.too_many = True
        return NULL
    if walk.count == walk.room:
        walk.room = 2 * walk.room if walk.room else 16
        more = <Event*>realloc(walk.events, walk.room * sizeof(Event))
        if more is NULL:
            walk.out_of_memory = True
            return NULL
        walk.events = more
    memset(&walk.events[walk.count], 0, sizeof(Event))
    walk.count += 1
    return &walk.events[walk.count - 1]


cdef const uint8_t* _array(const uint8_t* p, Walk* walk) noexcept nogil:
    """Events, from the opening bracket to behind the closing one."""
    cdef Event* event
    p = scan_blanks(p + 1)
    if p[0] == c']':
        return p + 1
    while True:
        event = _new_event(walk)
        if event is NULL:
            return NULL
        p = _event(p, walk, event)
        if p is NULL:
            return NULL
        if event.misfit:
            walk.misfit = True
        p = scan_blanks(p)
        if p[0] == c']':
            return p + 1
        if p[0] != c',':
            return NULL
        p = scan_blanks(p + 1)


cdef const uint8_t* _object(const uint8_t* p, Walk* walk, Event* root, Batch batch) noexcept nogil:
    """The one object of a body, which is a batch or an event: both are read, and told apart when all was seen."""
    cdef const uint8_t* key
    cdef const uint8_t* value
    cdef Py_ssize_t size
    cdef uint8_t room[LONGEST_KEY]
    cdef Field field
    cdef bint unfit_batch = False
    cdef uint8_t kind
    p = scan_blanks(p + 1)
    if p[0] == c'}':
        walk.misfit = not batch._engage
        return p + 1
    while True:
        value = _key(p, walk, &key, &size, room)
        if value is NULL:
            return NULL
        kind = value[0]
        field = _field_of(key, size)
        if field == F_PROPERTIES:
            p = _member(value, walk, root)
        elif field == F_BATCH and kind == c'[' and not batch.is_batch:
            p = _array(value, walk)
        else:
            p = scan_value(value, walk.end, LEVELS - 1, &walk.flags)
        if p is NULL:
            return NULL
        if field == F_BATCH:
            if kind != c'[' or batch.is_batch:  # batches given twice: not for us
                unfit_batch = True
            batch.is_batch = True
        elif field == F_SENT_AT:
            batch._sent_at = Span(<uint32_t>(value - walk.start), <uint32_t>(p - walk.start))
            if kind == c'n':
                batch._sent_at = Span(0, 0)
            elif kind != c'"':
                unfit_batch = True
        elif field == F_HISTORICAL:
            batch.historical_migration = kind == c't'
            if kind != c't' and kind != c'f' and kind != c'n':
                unfit_batch = True
        elif field != F_NONE and field != F_PROPERTIES:
            if field == F_TOKEN or field == F_API_KEY:
                batch._token = Span(<uint32_t>(value - walk.start), <uint32_t>(p - walk.start))
                if kind != c'"':
                    unfit_batch = True
            _keep(field, value, p, walk, root)
        p = scan_blanks(p)
        if p[0] == c'}':
            break
        if p[0] != c',':
            return NULL
        p = scan_blanks(p + 1)
    if batch.is_batch:
        if unfit_batch or (root.seen >> F_TOKEN & 1) + (root.seen >> F_API_KEY & 1) != 1:
            walk.misfit = True
        return p + 1
    _judge(walk, root)
    if not root.event.end and not batch._engage:
        root.misfit = True
    if root.misfit:
        walk.misfit = True
    return p + 1


cdef const uint8_t* _body(Walk* walk, Event* root, Batch batch) noexcept nogil:
    cdef const uint8_t* p = scan_blanks(walk.start)
    if p[0] == c'[':
        p = _array(p, walk)
    elif p[0] == c'{':
        p = _object(p, walk, root, batch)
    else:
        walk.misfit = True
        p = scan_value(p, walk.end, LEVELS, &walk.flags)
    if p is NULL:
        return NULL
    p = scan_blanks(p)
    return p if p == walk.end else NULL
