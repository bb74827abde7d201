# Included by _scan.pyx: the record of an event, written from slices of the body.

cdef inline void _set(tuple into, Py_ssize_t at, object item) noexcept:
    Py_INCREF(item)  # PyTuple_SET_ITEM takes a reference over
    PyTuple_SET_ITEM(into, at, item)


cdef class Writer:
    """What the records of one request share, and the buffer each is put together in."""

    def __dealloc__(self):
        free(self.out.bytes)

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

    cdef object record_of(self, const Event* event, Py_ssize_t at):
        """The record, or None if the event cannot be taken."""
        cdef Span span = event.known[<int>P_COOKIELESS]
        cdef bint cookieless = span.end and self.body[span.start] == c't'
        cdef bint internal = event.present & (1 << P_INTERNAL)
        cdef int64_t moment
        cdef bytes key
        if span.end and not cookieless and self.body[span.start] != c'f':
            return None
        if event.event.end == event.event.start + 2:
            return None
        if not self.identify(event):
            return None
        moment = self.moment(event)
        self.put_uuid(event, at)
        self.put_value(event, moment, cookieless, internal)
        key = self.key if not cookieless else self.prefix + (self.internal_ip if internal else self.ip)
        headers = self.headers_of(event, moment)
        if len(key) + self.out.used + self.size_of_headers > self.max_record_bytes:
            return None
        return self.record(key, PyBytes_FromStringAndSize(<const char*>self.out.bytes, self.out.used), headers)

    cdef bint identify(self, const Event* event) except -1:
        """Who did it. False for nobody. Neighbours are often of one person: what was made for it is kept."""
        cdef Span span = event.distinct_id
        cdef Py_ssize_t size = -1
        if not span.end or self.body[span.start] == c'n':
            span = event.known[<int>P_DISTINCT_ID]
        if self.key is not None and self.last_id.end and self.batch._same(span, self.last_id):
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
        self.key = self.prefix + self.id_raw
        self.id_header = ("distinct_id", self.id_raw)
        return True

    cdef int put_uuid(self, const Event* event, Py_ssize_t at) except -1:
        cdef int place
        cdef uint8_t c
        if event.uuid.end:
            for place in range(36):
                c = self.body[event.uuid.start + 1 + place]
                self.uuid[place] = c | 0x20 if c'A' <= c <= c'F' else c
            return 0
        if self.random is None:
            self.random = os.urandom(10 * self.batch.count)
        cdef bytes random = self.random
        _print_uuid7(self.uuid, self.now // 1000, <const uint8_t*>PyBytes_AS_STRING(random) + 10 * at)
        return 0

    cdef int put_value(self, const Event* event, int64_t moment, bint cookieless, bint internal) except -1:
        cdef Buffer* out = &self.out
        cdef uint8_t time[27]
        cdef int time_size = _print_time(time, moment)
        out.used = 0
        _put(out, b'{"uuid":"', 9)
        _put(out, self.uuid, 36)
        _put(out, b'","distinct_id":"', 17)
        _put_bytes(out, self.id_text)
        _put_bytes(out, self.internal_opening if internal else self.opening)
        self.put_data(event)
        _put_bytes(out, self.middle)
        self.put_name(event)
        _put(out, b',"timestamp":"', 14)
        _put(out, time, time_size)
        _put(out, b'"', 1)
        if cookieless:
            _put(out, b',"is_cookieless_mode":true', 26)
        return _put_bytes(out, self.ending)

    cdef int put_data(self, const Event* event) except -1:
        """The raw event without its braces: known fields under one name each, values as they were sent."""
        cdef Buffer* out = &self.out
        if event.token.end:
            _put(out, b'"token":', 8)
            self.put_span(event.token)
            _put(out, b",", 1)
        if event.distinct_id.end:
            _put(out, b'"distinct_id":', 14)
            self.put_span(event.distinct_id)
            _put(out, b",", 1)
        if event.uuid.end:
            _put(out, b'"uuid":"', 8)
            _put(out, self.uuid, 36)
            _put(out, b'",', 2)
        _put(out, b'"properties":', 13)
        if event.properties.end:
            self.put_span(event.properties)
        else:
            _put(out, b"{}", 2)
        if event.timestamp.end:
            _put(out, b',"timestamp":', 13)
            self.put_span(event.timestamp)
        if event.offset.end:
            _put(out, b',"offset":', 10)
            self.put_span(event.offset)
        if event.set_.end:
            _put(out, b',"$set":', 8)
            self.put_span(event.set_)
        if event.set_once.end:
            _put(out, b',"$set_once":', 13)
            self.put_span(event.set_once)
        _put(out, b',"event":', 9)
        return self.put_name(event)

    cdef int put_span(self, Span span) except -1:
        return _put(&self.out, self.body + span.start, span.end - span.start)

    cdef int put_name(self, const Event* event) except -1:
        if event.event.end:
            return self.put_span(event.event)
        return _put(&self.out, IDENTIFY, 11)

    cdef tuple headers_of(self, const Event* event, int64_t moment):
        """Those all records share and those of this one; `size_of_headers` is what they take."""
        cdef bytes stamp = _decimal(moment // 1000)
        cdef bytes uuid = PyBytes_FromStringAndSize(<const char*>self.uuid, 36)
        cdef Span span = event.known[<int>P_SESSION_ID]
        cdef bint has_session = span.end and self.body[span.start] == c'"'
        self.recall_name(event)
        self.size_of_headers = self.headers_size + OWN_HEADERS + len(self.id_raw) + len(stamp)
        self.size_of_headers += len(<bytes>self.name_header[1])
        if has_session:
            self.recall_session(span)
            self.size_of_headers += 10 + len(<bytes>self.session_header[1])
        return self.all_headers(("timestamp", stamp), ("uuid", uuid), has_session)

    cdef tuple all_headers(self, tuple stamp, tuple uuid, bint has_session):
        cdef Py_ssize_t shared = len(self.headers)
        cdef Py_ssize_t at
        cdef tuple found = PyTuple_New(shared + 4 + has_session)
        for at in range(shared):
            _set(found, at, self.headers[at])
        _set(found, shared, self.id_header)
        _set(found, shared + 1, stamp)
        _set(found, shared + 2, self.name_header)
        _set(found, shared + 3, uuid)
        if has_session:
            _set(found, shared + 4, self.session_header)
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
            if given > 1000000000000000:  # 30,000 years, and no overflow below
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
