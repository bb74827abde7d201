"""C shapes of `_scan.pyx`."""

from libc.stdint cimport int64_t, uint8_t, uint32_t

cdef struct Span:
    # a value in the body, quotes and brackets included; 0 to 0 is none (a body opens with a bracket)
    uint32_t start
    uint32_t end

cdef struct Event:
    Span event
    Span token
    Span distinct_id
    Span uuid
    Span timestamp
    Span offset
    Span set_
    Span set_once
    Span properties
    Span known[7]  # those properties whose values matter, see KNOWN
    uint32_t seen  # bits of the fields at the root, one a spelling
    uint32_t present  # bits of the properties of which only the presence matters
    bint misfit

cdef struct Walk:
    const uint8_t* start
    const uint8_t* end
    int flags
    bint misfit
    bint too_many
    bint out_of_memory
    Event* events
    Py_ssize_t count
    Py_ssize_t room
    Py_ssize_t most

cdef enum:
    MOST_PIECES = 120

cdef struct Piece:
    const void* text
    Py_ssize_t size

cdef struct Pieces:
    # slices that will be a record; `full`: there were more
    Piece of[MOST_PIECES]
    int count
    Py_ssize_t size
    bint full

cdef class Batch:
    cdef:
        object _body
        const uint8_t* _start
        Event* _events
        readonly Py_ssize_t count
        readonly bint is_batch
        readonly bint historical_migration
        Span _token
        Span _sent_at
        bint _engage

    cdef bint _carries_heatmap(self, const Event* event) except -1
    cdef bint _is_named(self, const Event* event, bytes quoted) except -1
    cdef bint _spells(self, Span span, bytes quoted) except -1
    cdef bint _same(self, Span one, Span other) noexcept
    cdef bytes _raw(self, Span span)
    cdef str _text(self, Span span)
    cdef bytes _string(self, Span span)

cdef class Writer:
    cdef:
        Batch batch
        const uint8_t* body
        Pieces out
        Span last_id
        uint8_t uuid[36]
        uint8_t time[27]
        int time_size
        int64_t day
        int64_t now
        int64_t sent_at
        bint has_sent_at
        bint cookieless
        bint internal
        Py_ssize_t headers_size
        Py_ssize_t max_record_bytes
        bytes prefix
        bytes ip
        bytes internal_ip
        bytes opening
        bytes internal_opening
        bytes middle
        bytes ending
        bytes random
        bytes id_raw
        bytes id_text
        bytes key
        tuple id_header
        Span last_name
        Span last_session
        tuple name_header
        tuple stamp_header
        tuple session_header
        tuple headers
        object distinct_id_of
        object time_of
        object rider_uuid_of
        object record

    cdef int start(
        self, Batch batch, str token, str ip, str internal_ip, bytes version, now, sent_at, bint historical) except -1
    cdef bint take(self, const Event* event, Py_ssize_t at, list taken) except -1
    cdef bint finish(self, const Event* event, tuple more, list taken) except -1
    cdef bint identify(self, const Event* event) except -1
    cdef bint print_uuid(self, const Event* event, Py_ssize_t at) except -1
    cdef int print_rider_uuid(self, const Event* event) except -1
    cdef void print_time(self, int64_t moment) noexcept
    cdef void put_value(self, const Event* event, bint rides) noexcept
    cdef void put_rider(self, const Event* event) noexcept
    cdef void put_head(self) noexcept
    cdef void put_ids(self, const Event* event) noexcept
    cdef void put_when(self, const Event* event) noexcept
    cdef void put_tail(self) noexcept
    cdef void put_members(self, Span whole, uint32_t named, bint only) noexcept
    cdef void put_span(self, Span span) noexcept
    cdef void put_name(self, const Event* event) noexcept
    cdef tuple headers_of(self, const Event* event, tuple more, Py_ssize_t* size)
    cdef int recall_name(self, const Event* event) except -1
    cdef int recall_session(self, Span span) except -1
    cdef int64_t moment(self, const Event* event) except? -1
    cdef int64_t within_reach(self, int64_t moment, bint ahead) noexcept
