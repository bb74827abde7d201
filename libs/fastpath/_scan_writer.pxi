# Included by _scan.pyx: the record of an event, written from slices of the body.

SKIP_HEATMAP = ("skip_heatmap_processing", b"true")
HEATMAP_HEADER = ("event", b"$$heatmap")

cdef inline void _set(tuple into, Py_ssize_t at, object item) noexcept:
    Py_INCREF(item)  # PyTuple_SET_ITEM takes a reference over
    PyTuple_SET_ITEM(into, at, item)


cdef class Writer:
    """What the records of one request share, and the slices each is put together from."""

    cdef int start(
        self, Batch batch, str token, str ip, str internal_ip, bytes version, now, sent_at, bint historical
    ) except -1:
        cdef bytes raw_token = token.encode()
        cdef bytes now_text
        cdef bytes sent = b""
        self.batch = batch
        self.body = batch._start
        self.now = _micros(now)
        self.has_sent_at = sent_at is not None
        if self.has_sent_at:
            self.sent_at = _micros(sent_at)
            sent = b',"sent_at":"' + _time_text(self.sent_at) + b'"'
        now_text = _time_text(self.now)
        self.headers = (("v", version), ("token", raw_token), ("now", now_text))
        self.headers_size = 9 + len(version) + len(raw_token) + len(now_text)
        self.ending = b"}"
        if historical:
            self.headers += (("historical_migration", b"true"),)
            self.headers_size += 24
            self.ending = b',"historical_migration":true}'
        self.ip = ip.encode()
        self.internal_ip = internal_ip.encode()
        self.prefix = raw_token + b":"
        self.middle = b'},"now":"' + now_text + b'"' + sent + b',"token":"' + _json_text(token) + b'","event":'
        self.opening = b'","ip":"' + _json_text(ip) + b'","data":{'
        self.internal_opening = b'","ip":"' + _json_text(internal_ip) + b'","data":{'
        return 0

    cdef bint take(self, const Event* event, Py_ssize_t at, list taken) except -1:
        """Put the record of an event into `taken`, and that of its heatmap. False if the event cannot be taken."""
        cdef Span span = event.known[<int>P_COOKIELESS]
        cdef int64_t moment
        cdef bint rides = self.batch._carries_heatmap(event)
        cdef bint taken_too
        cdef tuple name_header
        self.cookieless = span.end and self.body[span.start] == c't'
        self.internal = event.present & (1 << P_INTERNAL)
        if span.end and not self.cookieless and self.body[span.start] != c'f':
            return False
        if event.event.end == event.event.start + 2:
            return False
        if not self.identify(event):
            return False
        moment = self.moment(event)
        self.print_time(moment)
        self.stamp_header = ("timestamp", _decimal(moment // 1000))
        if not self.print_uuid(event, at):
            return False
        self.recall_name(event)
        self.put_value(event, rides)
        if not self.finish(event, SKIP_HEATMAP if rides else None, taken):
            return False
        if not rides:
            return True
        name_header = self.name_header
        self.name_header = HEATMAP_HEADER
        self.print_rider_uuid(event)
        self.put_rider(event)
        taken_too = self.finish(event, None, taken)
        self.name_header = name_header
        return taken_too

    cdef bint finish(self, const Event* event, tuple more, list taken) except -1:
        """Make a record of what was put together, with a header of its own. False if it is too large."""
        cdef bytes key = self.key
        cdef Py_ssize_t size
        cdef tuple headers
        if self.cookieless:
            key = self.prefix + (self.internal_ip if self.internal else self.ip)
        headers = self.headers_of(event, more, &size)
        if self.out.full or len(key) + self.out.size + size > self.max_record_bytes:
            return False
        taken.append(self.record(key, _joined(&self.out), headers))
        return True

    cdef bint identify(self, const Event* event) except -1:
        """Who did it. False for nobody. Neighbours are often of one person: what was made for it is kept."""
        cdef Span span = event.distinct_id
        cdef Py_ssize_t size = -1
        if not span.end or self.body[span.start] == c'n':
            span = event.known[<int>P_DISTINCT_ID]
        if self.last_id.end and self.batch._same(span, self.last_id):
            return True
        if span.end and self.body[span.start] == c'"':
            size = _plain_id(self.body + span.start + 1, span.end - span.start - 2)
        if size >= 0:
            self.id_raw = self.id_text = PyBytes_FromStringAndSize(<const char*>self.body + span.start + 1, size)
            self.last_id = span
        else:
            person = self.distinct_id_of(
                self.batch._raw(event.distinct_id), self.batch._raw(event.known[<int>P_DISTINCT_ID]))
            if person is None:
                return False
            self.id_raw = person.encode()
            self.id_text = _json_text(person)
            self.last_id = Span(0, 0)
        self.key = _two(self.prefix, self.id_raw)
        self.id_header = ("distinct_id", self.id_raw)
        return True

    cdef bint print_uuid(self, const Event* event, Py_ssize_t at) except -1:
        """The event's own, in lower case, or a new one."""
        cdef int place
        cdef uint8_t c
        if event.uuid.end:
            for place in range(36):
                c = self.body[event.uuid.start + 1 + place]
                self.uuid[place] = c | 0x20 if c'A' <= c <= c'F' else c
            return True
        if self.random is None:
            self.random = os.urandom(10 * self.batch.count)
        cdef bytes random = self.random
        _print_uuid7(self.uuid, self.now // 1000, <const uint8_t*>PyBytes_AS_STRING(random) + 10 * at)
        return True

    cdef int print_rider_uuid(self, const Event* event) except -1:
        """That of the heatmap which rides on this event: it follows from the event's own, if it brought one."""
        cdef bytes after
        if event.uuid.end:
            after = (<str>self.rider_uuid_of(PyUnicode_DecodeUTF8(<const char*>self.uuid, 36, NULL))).encode()
            if len(after) != 36:
                raise ValueError("a uuid has 36 characters")
            memcpy(self.uuid, PyBytes_AS_STRING(after), 36)
        else:
            after = os.urandom(10)
            _print_uuid7(self.uuid, self.now // 1000, <const uint8_t*>PyBytes_AS_STRING(after))
        return 0

    cdef void print_time(self, int64_t moment) noexcept:
        """Into `time`. Neighbours are mostly of one day, which is the dearer half to print."""
        cdef int64_t day = moment // DAY
        if self.time_size == 0 or day != self.day:
            _print_date(self.time, day)
            self.day = day
        self.time_size = _print_hour(self.time, moment - day * DAY)

    cdef void put_value(self, const Event* event, bint rides) noexcept:
        cdef Pieces* out = &self.out
        self.put_head()
        self.put_ids(event)
        if event.uuid.end:
            _put(out, b'"uuid":"', 8)
            _put(out, self.uuid, 36)
            _put(out, b'","properties":', 15)
        else:
            _put(out, b'"properties":', 13)
        if not event.properties.end:
            _put(out, b"{}", 2)
        elif rides and event.present & (1 << P_HEATMAP):
            self.put_members(event.properties, M_HEATMAP_DATA, False)
        else:
            self.put_span(event.properties)
        self.put_when(event)
        if event.set_.end:
            _put(out, b',"$set":', 8)
            self.put_span(event.set_)
        if event.set_once.end:
            _put(out, b',"$set_once":', 13)
            self.put_span(event.set_once)
        _put(out, b',"event":', 9)
        self.put_name(event)
        _put_bytes(out, self.middle)
        self.put_name(event)
        self.put_tail()

    cdef void put_rider(self, const Event* event) noexcept:
        """The heatmap that rides on an event, as a raw event of its own: who, where and when are the carrier's."""
        cdef Pieces* out = &self.out
        self.put_head()
        self.put_ids(event)
        _put(out, b'"uuid":"', 8)
        _put(out, self.uuid, 36)
        _put(out, b'","properties":', 15)
        self.put_members(event.properties, M_TAKEN_ALONG, True)
        self.put_when(event)
        _put(out, b',"event":"$$heatmap"', 20)
        _put_bytes(out, self.middle)
        _put(out, b'"$$heatmap"', 11)
        self.put_tail()

    cdef void put_head(self) noexcept:
        """From the record's brace to that of the raw event."""
        cdef Pieces* out = &self.out
        out.count = 0
        out.size = 0
        out.full = False
        _put(out, b'{"uuid":"', 9)
        _put(out, self.uuid, 36)
        _put(out, b'","distinct_id":"', 17)
        _put_bytes(out, self.id_text)
        _put_bytes(out, self.internal_opening if self.internal else self.opening)

    cdef void put_ids(self, const Event* event) noexcept:
        if event.token.end:
            _put(&self.out, b'"token":', 8)
            self.put_span(event.token)
            _put(&self.out, b",", 1)
        if event.distinct_id.end:
            _put(&self.out, b'"distinct_id":', 14)
            self.put_span(event.distinct_id)
            _put(&self.out, b",", 1)

    cdef void put_when(self, const Event* event) noexcept:
        if event.timestamp.end:
            _put(&self.out, b',"timestamp":', 13)
            self.put_span(event.timestamp)
        if event.offset.end:
            _put(&self.out, b',"offset":', 10)
            self.put_span(event.offset)

    cdef void put_tail(self) noexcept:
        """What stands behind the event's name."""
        _put(&self.out, b',"timestamp":"', 14)
        _put(&self.out, self.time, self.time_size)
        if self.cookieless:
            _put(&self.out, b'","is_cookieless_mode":true', 27)
            _put_bytes(&self.out, self.ending)
        else:
            _put(&self.out, b'"', 1)
            _put_bytes(&self.out, self.ending)

    cdef void put_members(self, Span whole, uint32_t named, bint only) noexcept:
        """An object without the members that are `named`, or with only those. Neighbours stay one slice."""
        cdef const uint8_t* p = scan_blanks(self.body + whole.start + 1)
        cdef const uint8_t* run = NULL  # where the members began that are kept, and not yet put
        cdef const uint8_t* key = NULL
        cdef const uint8_t* value
        cdef const uint8_t* after = p
        cdef Py_ssize_t size = 0
        cdef uint8_t room[LONGEST_KEY]
        cdef bint first = True
        cdef Walk walk
        walk.end = self.body + whole.end
        walk.flags = 0
        while p[0] == c'"':
            value = _key(p, &walk, &key, &size, room)
            if (_member_of(key, size) & named != 0) == only:
                if run is NULL:
                    run = p
            elif run is not NULL:
                _put(&self.out, b"{" if first else b",", 1)
                _put(&self.out, run, after - run)
                run = NULL
                first = False
            after = scan_value(value, walk.end, LEVELS, &walk.flags)
            p = scan_blanks(after)
            if p[0] == c',':
                p = scan_blanks(p + 1)
        if run is not NULL:
            _put(&self.out, b"{" if first else b",", 1)
            _put(&self.out, run, after - run)
            first = False
        _put(&self.out, b"{}" if first else b"}", 2 if first else 1)

    cdef void put_span(self, Span span) noexcept:
        _put(&self.out, self.body + span.start, span.end - span.start)

    cdef void put_name(self, const Event* event) noexcept:
        if event.event.end:
            self.put_span(event.event)
        else:
            _put(&self.out, IDENTIFY, 11)

    cdef tuple headers_of(self, const Event* event, tuple more, Py_ssize_t* size):
        """Those all records share, those of this one, and one more; `size` is what they take."""
        cdef Span span = event.known[<int>P_SESSION_ID]
        cdef bint has_session = span.end and self.body[span.start] == c'"'
        cdef Py_ssize_t shared = len(self.headers)
        cdef tuple found = PyTuple_New(shared + 4 + has_session + (more is not None))
        cdef Py_ssize_t at
        for at in range(shared):
            _set(found, at, self.headers[at])
        _set(found, shared, self.id_header)
        _set(found, shared + 1, self.stamp_header)
        _set(found, shared + 2, self.name_header)
        _set(found, shared + 3, ("uuid", PyBytes_FromStringAndSize(<const char*>self.uuid, 36)))
        size[0] = self.headers_size + OWN_HEADERS + len(self.id_raw) + len(<bytes>self.stamp_header[1])
        size[0] += len(<bytes>self.name_header[1])
        at = shared + 4
        if has_session:
            self.recall_session(span)
            _set(found, at, self.session_header)
            size[0] += 10 + len(<bytes>self.session_header[1])
            at += 1
        if more is not None:
            _set(found, at, more)
            size[0] += len(<str>more[0]) + len(<bytes>more[1])
        return found

    cdef int recall_name(self, const Event* event) except -1:
        """`name_header` of this event. Neighbours often have the name in common, and the session."""
        if self.name_header is None or not self.batch._same(event.event, self.last_name):
            self.name_header = ("event", self.batch._string(event.event) if event.event.end else b"$identify")
            self.last_name = event.event
        return 0

    cdef int recall_session(self, Span span) except -1:
        """`session_header` of this session."""
        if self.session_header is None or not self.batch._same(span, self.last_session):
            self.session_header = ("session_id", self.batch._string(span))
            self.last_session = span
        return 0

    cdef int64_t moment(self, const Event* event) except? -1:
        """When it happened, in microseconds since 1970."""
        cdef int64_t given = 0
        cdef Span span = event.known[<int>P_IGNORE_SENT_AT]
        cdef bint has_sent_at = self.has_sent_at and not (span.end and self.body[span.start] == c't')
        cdef Py_ssize_t at
        cdef bint ahead
        if event.offset.end:
            span = event.offset
            ahead = self.body[span.start] == c'-'
            for at in range(span.start + ahead, span.end):
                given = given * 10 + (self.body[at] - c'0')  # 18 digits at most
            if given > NO_CALENDAR:
                return self.now if ahead else 0
            return self.within_reach(self.now + given * 1000 if ahead else self.now - given * 1000, ahead)
        span = event.timestamp
        if span.end - span.start <= 2:  # none, or ""
            return self.now
        if not _utc_time(self.body + span.start + 1, span.end - span.start - 2, &given):
            read = self.time_of(self.batch._text(span))
            if read is None:
                return self.now
            given = _micros(read)
        if not has_sent_at:
            return self.within_reach(given, False)
        return self.within_reach(given - (self.sent_at - self.now), self.sent_at < self.now)

    cdef int64_t within_reach(self, int64_t moment, bint ahead) noexcept:
        if not MICROSECOND_MIN <= moment <= MICROSECOND_MAX:
            return self.now if ahead else 0
        return self.now if moment - self.now > FUTURE_LIMIT else moment
