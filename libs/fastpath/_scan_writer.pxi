# Included by _scan.pyx: the record of an event, written from slices of the body.

cdef const char* SKIP_HEATMAP = "skip_heatmap_processing"
cdef const char* HEATMAP = "$$heatmap"


@freelist(16)
@no_gc
cdef class Writer:
    """What the records of one request share, and those that are written: MessagePack, one behind the other."""

    def __dealloc__(self):
        _drop(&self.out)

    cdef int start(
        self, Batch batch, str token, str ip, str internal_ip, bytes version, int64_t now_us, sent_at_us, bint historical
    ) except -1:
        self.batch = batch
        self.body = batch._start
        self.now = now_us
        self.has_sent_at = sent_at_us is not None
        if self.has_sent_at:
            self.sent_at = sent_at_us
        self.ending = b',"historical_migration":true}' if historical else b"}"
        self.token_held, self.ip_held, self.internal_ip_held = token, ip, internal_ip
        self.token, self.ip, self.internal_ip = _utf8(token), _utf8(ip), _utf8(internal_ip)
        self.share(version, historical)
        _open(&self.out, batch._size + batch.count * (ENVELOPE + 3 * self.token.size))
        return 0

    cdef int share(self, bytes version, bint historical) except -1:
        """What stands in every record: the first headers, and `middle`, what is behind the raw event."""
        cdef Text json_token = self.token
        cdef bytes held = _json_text(&json_token)
        cdef Out out
        cdef uint8_t text[27]
        cdef Text now = _slice(text, _print_time(text, self.now))
        cdef Py_ssize_t middle
        _open(&out, SHARED_ROOM + len(version) + self.token.size + json_token.size)
        _put_header(&out, b"v", 1, _text_of(version))
        _put_header(&out, b"token", 5, self.token)
        _put_header(&out, b"now", 3, now)
        self.shared_headers = 3
        self.headers_size = 9 + len(version) + self.token.size + now.size
        if historical:
            _put_header(&out, b"historical_migration", 20, _slice(<const uint8_t*>b"true", 4))
            self.shared_headers = 4
            self.headers_size += 24
        middle = out.size
        _put(&out, b'},"now":"', 9)
        _put_text(&out, now)
        if self.has_sent_at:
            _put(&out, b'","sent_at":"', 13)
            _put(&out, text, _print_time(text, self.sent_at))
        _put(&out, b'","token":"', 11)
        _put_text(&out, json_token)
        _put(&out, b'","event":', 10)
        self.shared = _with_room(&out)
        self.headers = _slice(out.start, middle)
        self.middle = _slice(out.start + middle, out.size - middle)
        return 0

    cdef tuple block(self):
        """What `Batch.records` gives."""
        return _close(&self.out), self.count, self.bytes_of_records

    cdef Text address(self) noexcept:
        """Where this event came from."""
        return self.internal_ip if self.internal else self.ip

    cdef bint take(self, const Event* event, Py_ssize_t at) except -1:
        """Write the record of an event, and that of its heatmap. False if the event cannot be taken."""
        cdef Span span = event.known[<int>P_COOKIELESS]
        cdef bint rides = self.batch._carries_heatmap(event)
        self.cookieless = span.end and self.body[span.start] == c't'
        self.internal = event.present & (1 << P_INTERNAL)
        self.session_id = event.known[<int>P_SESSION_ID]
        if span.end and not self.cookieless and self.body[span.start] != c'f':
            return False
        if event.event.end == event.event.start + 2:
            return False
        if not self.identify(event):
            return False
        self.print_times(self.moment(event))
        if not self.print_uuid(event, at):
            return False
        self.read_name(event)
        self.put_value(event, rides)
        if not self.finish(rides):
            return False
        if not rides:
            return True
        self.name = Text(<const uint8_t*>HEATMAP, 9)
        self.print_rider_uuid(event)
        self.put_rider(event)
        return self.finish(False)

    cdef bint take_v1(self, const Event* event, bytes library, nobody) except -1:
        """Write the record of an event of the v1 dialect. False if there is more to say of it than ok."""
        cdef Span span = event.known[<int>P_COOKIELESS]
        cdef Py_ssize_t size = event.event.end - event.event.start - 2
        cdef int64_t moment = 0
        if event.repeats or event.seen & (1 << F_DOLLAR_DISTINCT_ID) or not event.uuid.end:
            return False
        if not 0 < size <= MAX_BYTES or memchr(self.body + event.event.start, c'\\', size) is not NULL:
            return False
        if self.batch._is_named(event, b'"$performance_event"') or not self.identify_v1(event, nobody):
            return False
        if event.timestamp.end - event.timestamp.start <= 2 or not _utc_time(
            self.body + event.timestamp.start + 1, event.timestamp.end - event.timestamp.start - 2, &moment
        ):
            return False
        if not self.read_options(event):
            return False
        if not self.switched_on & M_IGNORE_SENT_AT:
            moment = self.within_reach(moment - (self.sent_at - self.now), self.sent_at < self.now)
        self.cookieless = span.end and self.body[span.start] == c't'
        if self.options & M_COOKIELESS:
            self.cookieless = self.switched_on & M_COOKIELESS
        self.internal = event.present & (1 << P_INTERNAL)
        self.session_id = event.session_id if event.session_id.end else event.known[<int>P_SESSION_ID]
        self.print_times(moment)
        self.print_uuid(event, 0)
        self.read_name(event)
        self.put_value_v1(event, library)
        return self.finish(False)

    cdef bint identify_v1(self, const Event* event, nobody) except -1:
        """Who did it. False for nobody, and for an id with anything odd about it."""
        cdef Span span = event.distinct_id
        cdef const uint8_t* text = self.body + span.start + 1
        cdef Py_ssize_t size = span.end - span.start - 2
        if self.last_id.end and self.batch._same(span, self.last_id):
            return True
        if not span.end or self.body[span.start] != c'"' or not 0 < size <= MAX_BYTES or memchr(text, c'\\', size) is not NULL:
            return False
        if not 0x20 < text[0] < 0x80 or not 0x20 < text[size - 1] < 0x80:  # blanks around it are stripped elsewhere
            return False
        person = self.batch._text(span)
        if person.lower() in nobody:
            return False
        self.id = self.id_json = Text(text, size)
        self.last_id = span
        return True

    cdef bint read_options(self, const Event* event) noexcept:
        """Which `options` are given, and which of them are true. False for those that have to be understood first."""
        cdef const uint8_t* key = NULL
        cdef const uint8_t* value
        cdef const uint8_t* p
        cdef Py_ssize_t size = 0
        cdef uint8_t room[LONGEST_KEY]
        cdef uint32_t option
        cdef Walk walk
        self.options = self.switched_on = 0
        if not self.is_text_or_null(event.session_id) or not self.is_text_or_null(event.window_id):
            return False
        if not event.options.end or self.body[event.options.start] == c'n':
            return True
        if self.body[event.options.start] != c'{':
            return False
        walk.end = self.body + event.options.end
        walk.flags = 0
        p = scan_blanks(self.body + event.options.start + 1)
        while p[0] == c'"':
            value = _key(p, &walk, &key, &size, room)
            option = _option_of(key, size)
            p = scan_value(value, walk.end, LEVELS, &walk.flags)
            if option & self.options:
                return False
            if option == M_TOUR and value[0] == c'"':
                self.tour = Span(<uint32_t>(value - self.body), <uint32_t>(p - self.body))
                if p - value > MAX_BYTES or memchr(value, c'\\', p - value) is not NULL:
                    return False
                self.options |= M_TOUR
            elif option != M_NONE and value[0] != c'n':
                if option == M_TOUR or (value[0] != c't' and value[0] != c'f'):
                    return False
                self.options |= option
                if value[0] == c't':
                    self.switched_on |= option
            p = scan_blanks(p)
            if p[0] == c',':
                p = scan_blanks(p + 1)
        return True

    cdef bint is_text_or_null(self, Span span) noexcept:
        return not span.end or self.body[span.start] == c'"' or self.body[span.start] == c'n'

    cdef int put_value_v1(self, const Event* event, bytes library) except -1:
        """What the rest of the event says is put behind its properties, in place of what they say of it."""
        cdef Out* out = &self.out
        cdef uint32_t added = self.options
        cdef bint empty = True
        cdef Py_ssize_t before
        if event.session_id.end and self.body[event.session_id.start] == c'"':
            added |= M_SESSION_ID
        if event.window_id.end and self.body[event.window_id.start] == c'"':
            added |= M_WINDOW_ID
        if len(library):
            added |= M_LIB
        self.put_head()
        _put(out, b'"event":', 8)
        self.put_name(event)
        _put(out, b',"distinct_id":', 15)
        self.put_span(event.distinct_id)
        _put(out, b',"uuid":"', 9)
        _put(out, self.uuid, 36)
        _put(out, b'","properties":', 15)
        if event.properties.end and not added:
            self.put_span(event.properties)
        else:
            if event.properties.end:
                empty = self.put_members(event.properties, added, False)
            else:
                _put(out, b"{", 1)
            if not empty and added:
                _put(out, b",", 1)
            before = out.size
            self.put_option(M_COOKIELESS, b'"$cookieless_mode":', 19)
            self.put_option(M_IGNORE_SENT_AT, b'"$ignore_sent_at":', 18)
            self.put_option(M_PERSON, b'"$process_person_profile":', 26)
            if self.options & M_TOUR:
                _put(out, b'"$product_tour_id":', 19)
                self.put_span(self.tour)
                _put(out, b",", 1)
            if added & M_SESSION_ID:
                _put(out, b'"$session_id":', 14)
                self.put_span(event.session_id)
                _put(out, b",", 1)
            if added & M_WINDOW_ID:
                _put(out, b'"$window_id":', 13)
                self.put_span(event.window_id)
                _put(out, b",", 1)
            if len(library):
                _put_bytes(out, library)
            elif out.size > before:
                out.size -= 1  # the last comma
            _put(out, b"}", 1)
        _put(out, b',"timestamp":', 13)
        self.put_span(event.timestamp)
        _put_text(out, self.middle)
        self.put_name(event)
        self.put_tail()
        return 0

    cdef void put_option(self, uint32_t option, const char* name, Py_ssize_t size) noexcept:
        if self.options & option:
            _put(&self.out, name, size)
            if self.switched_on & option:
                _put(&self.out, b"true", 4)
            else:
                _put(&self.out, b"false", 5)
            _put(&self.out, b",", 1)

    cdef int begin(self) except -1:
        """A record up to its value."""
        cdef Out* out = &self.out
        cdef uint8_t array = 0x93
        cdef Text person = self.address() if self.cookieless else self.id
        self.began = out.size
        self.key_size = self.token.size + 1 + person.size
        _put(out, &array, 1)
        _put_bin(out, self.key_size)
        _put_text(out, self.token)
        _put(out, b":", 1)
        _put_text(out, person)
        _put(out, b"\xc6\0\0\0\0", 5)  # how long the value is gets known later
        self.value_at = out.size
        return 0

    cdef bint finish(self, bint skips_heatmap) except -1:
        """The headers behind a value. False if the record is too large."""
        cdef Out* out = &self.out
        cdef Py_ssize_t value_size = out.size - self.value_at
        cdef Py_ssize_t size = self.headers_size + OWN_HEADERS + self.id.size + self.stamp_size + self.name.size
        cdef Text text = Text(NULL, 0)
        cdef bytes held = None
        cdef bint has_session = self.session_id.end and self.body[self.session_id.start] == c'"'
        cdef uint8_t array = <uint8_t>(0x90 | (self.shared_headers + 4 + has_session + skips_heatmap))
        if out.made is NULL:
            raise MemoryError
        _print_big(out.start + self.value_at - 4, value_size, 4)
        _put(out, &array, 1)
        _put_text(out, self.headers)
        _put_header(out, b"distinct_id", 11, self.id)
        _put_header(out, b"timestamp", 9, _slice(self.stamp, self.stamp_size))
        _put_header(out, b"event", 5, self.name)
        _put_header(out, b"uuid", 4, _slice(self.uuid, 36))
        if has_session:
            held = self.batch._read(self.session_id, &text)
            _put_header(out, b"session_id", 10, text)
            size += 10 + text.size
        if skips_heatmap:
            _put_header(out, SKIP_HEATMAP, 23, Text(<const uint8_t*>b"true", 4))
            size += 27
        self.count += 1
        self.bytes_of_records += self.key_size + value_size
        return self.key_size + value_size + size <= self.max_record_bytes

    cdef bint identify(self, const Event* event) except -1:
        """Who did it. False for nobody."""
        cdef Span span = event.distinct_id
        cdef Py_ssize_t size = -1
        if not span.end or self.body[span.start] == c'n':
            span = event.known[<int>P_DISTINCT_ID]
        if span.end and self.body[span.start] == c'"':
            size = _plain_id(self.body + span.start + 1, span.end - span.start - 2)
        if size >= 0:
            self.id = self.id_json = Text(self.body + span.start + 1, size)
            return True
        person = self.distinct_id_of(
            self.batch._raw(event.distinct_id), self.batch._raw(event.known[<int>P_DISTINCT_ID]))
        if person is None:
            return False
        self.id_held = (<str?>person).encode()
        self.id = _text_of(self.id_held)
        self.id_json = self.id
        self.id_json_held = _json_text(&self.id_json)
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
        cdef bytes random
        cdef uint8_t named[25]
        cdef uint8_t digest[20]
        if event.uuid.end:
            _read_uuid(named, self.uuid)
            memcpy(named + 16, HEATMAP, 9)
            scan_sha1(named, 25, digest)
            memcpy(named + 6, digest + 6, 10)
            named[6] = 0x70 | (named[6] & 0x0F)
            named[8] = 0x80 | (named[8] & 0x3F)
            _print_uuid(self.uuid, named)
        else:
            random = os.urandom(10)
            _print_uuid7(self.uuid, self.now // 1000, <const uint8_t*>PyBytes_AS_STRING(random))
        return 0

    cdef void print_times(self, int64_t moment) noexcept:
        """Into `time` and, in milliseconds since 1970, `stamp`."""
        self.time_size = _print_time(self.time, moment)
        self.stamp_size = _print_decimal(self.stamp, moment // 1000)

    cdef int put_value(self, const Event* event, bint rides) except -1:
        cdef Out* out = &self.out
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
            _put(out, b"}", 1)
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
        _put_text(out, self.middle)
        self.put_name(event)
        self.put_tail()
        return 0

    cdef int put_rider(self, const Event* event) except -1:
        """The heatmap that rides on an event, as a raw event of its own: who, where and when are the carrier's."""
        cdef Out* out = &self.out
        self.put_head()
        self.put_ids(event)
        _put(out, b'"uuid":"', 8)
        _put(out, self.uuid, 36)
        _put(out, b'","properties":', 15)
        self.put_members(event.properties, M_TAKEN_ALONG, True)
        _put(out, b"}", 1)
        self.put_when(event)
        _put(out, b',"event":"$$heatmap"', 20)
        _put_text(out, self.middle)
        _put(out, b'"$$heatmap"', 11)
        self.put_tail()
        return 0

    cdef int put_head(self) except -1:
        """From the record's first byte to the brace of the raw event."""
        cdef Out* out = &self.out
        cdef Text address = self.address()
        cdef bytes held = _json_text(&address)
        self.begin()
        _put(out, b'{"uuid":"', 9)
        _put(out, self.uuid, 36)
        _put(out, b'","distinct_id":"', 17)
        _put_text(out, self.id_json)
        _put(out, b'","ip":"', 8)
        _put_text(out, address)
        _put(out, b'","data":{', 10)
        return 0

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

    cdef bint put_members(self, Span whole, uint32_t named, bint only) noexcept:
        """An object without the members that are `named`, or with only those, and without its closing brace. Neighbours
        stay one slice. True if there are none."""
        cdef const uint8_t* p = scan_blanks(self.body + whole.start + 1)
        cdef const uint8_t* run = NULL  # where the members began that are kept, and not yet put
        cdef const uint8_t* key = NULL
        cdef const uint8_t* value
        cdef const uint8_t* after = p
        cdef Py_ssize_t size = 0
        cdef uint8_t room[LONGEST_KEY]
        cdef bint first = True
        cdef Walk walk
        _put(&self.out, b"{", 1)
        walk.end = self.body + whole.end
        walk.flags = 0
        while p[0] == c'"':
            value = _key(p, &walk, &key, &size, room)
            if (_member_of(key, size) & named != 0) == only:
                if run is NULL:
                    run = p
            elif run is not NULL:
                if not first:
                    _put(&self.out, b",", 1)
                _put(&self.out, run, after - run)
                run = NULL
                first = False
            after = scan_value(value, walk.end, LEVELS, &walk.flags)
            p = scan_blanks(after)
            if p[0] == c',':
                p = scan_blanks(p + 1)
        if run is not NULL:
            if not first:
                _put(&self.out, b",", 1)
            _put(&self.out, run, after - run)
            first = False
        return first

    cdef void put_span(self, Span span) noexcept:
        _put(&self.out, self.body + span.start, span.end - span.start)

    cdef void put_name(self, const Event* event) noexcept:
        if event.event.end:
            self.put_span(event.event)
        else:
            _put(&self.out, IDENTIFY, 11)

    cdef int read_name(self, const Event* event) except -1:
        """What the event is called."""
        if event.event.end:
            self.name_held = self.batch._read(event.event, &self.name)
        else:
            self.name = Text(<const uint8_t*>IDENTIFY + 1, 9)
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
