"""C shapes of `_scan.pyx`."""

from cpython.object cimport PyObject
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
    Span options  # these three of the v1 dialect only
    Span session_id
    Span window_id
    Span known[7]  # those properties whose values matter, see KNOWN
    uint32_t seen  # bits of the fields at the root, one a spelling
    uint32_t present  # bits of the properties of which only the presence matters
    bint misfit
    bint repeats  # a field stands there twice

cdef struct Walk:
    const uint8_t* start
    const uint8_t* end
    int flags
    bint bearer  # the v1 dialect: whose it is stands in a header
    bint misfit
    bint too_many
    bint out_of_memory
    Event* events
    Py_ssize_t count
    Py_ssize_t room
    Py_ssize_t most

cdef struct Text:
    # bytes that somebody else holds
    const uint8_t* start
    Py_ssize_t size

cdef struct Out:
    # bytes that are being written, and the object that will be them
    PyObject* made
    uint8_t* start
    Py_ssize_t size
    Py_ssize_t room

cdef class Batch:
    cdef:
        object _body
        const uint8_t* _start
        Py_ssize_t _size
        Event* _events
        Event _root  # the one object of a body that is no array: the event, or what stands around a batch
        readonly Py_ssize_t count
        readonly bint is_batch
        readonly bint historical_migration
        readonly bint capture_internal
        Span _created_at
        uint32_t _framed
        bint _is_odd
        Span _token
        Span _sent_at
        bint _engage

    cdef void _frame(self, int field, Span span, uint8_t kind) noexcept nogil
    cdef Span _token_of(self, const Event* event) noexcept
    cdef bint _carries_heatmap(self, const Event* event) except -1
    cdef bint _is_named(self, const Event* event, bytes quoted) except -1
    cdef bint _spells(self, Span span, bytes quoted) except -1
    cdef bint _same(self, Span one, Span other) noexcept
    cdef bytes _raw(self, Span span)
    cdef str _text(self, Span span)
    cdef bytes _read(self, Span span, Text* into)

cdef class Writer:
    cdef:
        Batch batch
        const uint8_t* body
        Out out
        Py_ssize_t count
        Py_ssize_t bytes_of_records
        Py_ssize_t began
        Py_ssize_t value_at
        Py_ssize_t key_size
        Span last_id
        uint8_t uuid[36]
        uint8_t time[27]
        uint8_t stamp[20]
        int time_size
        int stamp_size
        int64_t now
        int64_t sent_at
        bint has_sent_at
        bint cookieless
        bint internal
        Span session_id
        Span tour
        uint32_t options
        uint32_t switched_on
        Py_ssize_t headers_size
        Py_ssize_t max_record_bytes
        str token_held
        str ip_held
        str internal_ip_held
        Text token
        Text ip
        Text internal_ip
        bytes shared  # holds these two
        Text headers
        Text middle
        bytes ending
        int shared_headers
        bytes random
        bytes id_held
        bytes id_json_held
        bytes name_held
        Text id
        Text id_json
        Text name
        object distinct_id_of
        object time_of

    cdef int start(
        self, Batch batch, str token, str ip, str internal_ip, bytes version, int64_t now_us, sent_at_us, bint historical) except -1
    cdef int share(self, bytes version, bint historical) except -1
    cdef tuple block(self)
    cdef bint take(self, const Event* event, Py_ssize_t at) except -1
    cdef bint take_v1(self, const Event* event, bytes library, nobody) except -1
    cdef bint identify_v1(self, const Event* event, nobody) except -1
    cdef bint is_text_or_null(self, Span span) noexcept
    cdef bint read_options(self, const Event* event) noexcept
    cdef int put_value_v1(self, const Event* event, bytes library) except -1
    cdef void put_option(self, uint32_t option, const char* name, Py_ssize_t size) noexcept
    cdef int begin(self) except -1
    cdef bint finish(self, bint skips_heatmap) except -1
    cdef bint identify(self, const Event* event) except -1
    cdef bint print_uuid(self, const Event* event, Py_ssize_t at) except -1
    cdef int print_rider_uuid(self, const Event* event) except -1
    cdef void print_times(self, int64_t moment) noexcept
    cdef int put_value(self, const Event* event, bint rides) except -1
    cdef int put_rider(self, const Event* event) except -1
    cdef Text address(self) noexcept
    cdef int put_head(self) except -1
    cdef void put_ids(self, const Event* event) noexcept
    cdef void put_when(self, const Event* event) noexcept
    cdef void put_tail(self) noexcept
    cdef bint put_members(self, Span whole, uint32_t named, bint only) noexcept
    cdef void put_span(self, Span span) noexcept
    cdef void put_name(self, const Event* event) noexcept
    cdef int read_name(self, const Event* event) except -1
    cdef int64_t moment(self, const Event* event) except? -1
    cdef int64_t within_reach(self, int64_t moment, bint ahead) noexcept
