# The C types of hot_connection.py when it is compiled. uvicorn reads and sets what is public here.
cimport cython

cdef dict _LOWER, _STATUS_LINES


@cython.freelist(64)
cdef class HotCycle:
    cdef public:
        HotConnection protocol
        object receiver, message_event
        bint disconnected, expects, keep_alive, more_body, refused, response_complete
        double patience
        int status
        bytes lines, body

    cdef object open(self, HotConnection protocol, bint keep_alive, bint expects)
    cpdef object reply(self, int status, bytes lines, bytes body)


cdef class Answers:
    cdef:
        list _headers
        bytes _usual, _lines, _body, _whole
        int _status

    @cython.locals(status=int, lines=bytes, body=bytes)
    cpdef bytes whole(self, HotCycle cycle, list usual)


cdef class HotConnection:
    cdef public:
        object app_state, client, connections, cycle, flow, limit_concurrency, loop, parser, pipeline, server_state
        object transport
        list headers
        bytes url
        bint expect_100_continue
        object shared, peer
        Answers answers
        dict services
        HotCycle turn, receiving
        Py_ssize_t max_head_bytes, head_bytes
        bint in_head, began, long_read, deaf, lingering, stirred, full
        double since

    cdef Py_ssize_t head_size(self) except -1
    cdef object leave_to_uvicorn(self)
    @cython.locals(cycle=HotCycle, found=tuple, path=bytes, query=bytes)
    cdef bint receive(self) except -1
    @cython.locals(newest=HotCycle)
    cdef bint is_idle(self) except -1
    @cython.locals(cycle=HotCycle, plain=tuple, found=tuple, path=bytes, query=bytes, headers=dict, body=bytes)
    cdef bint receive_plain(self, bytes data) except -1
    cdef tuple service_of(self, bytes path)
    cdef object hand_over(self, HotCycle cycle, tuple found, bytes query, dict headers)
    cdef object enqueue(self, HotCycle cycle)
    @cython.locals(cycle=HotCycle)
    cdef object advance(self)
    cdef object answered(self, bint alone)
    cdef object give_leave(self, HotCycle cycle)
    cdef object write(self, HotCycle cycle)
    cdef object hang_up(self, HotCycle cycle)
    @cython.locals(cycle=HotCycle)
    cdef object refuse(self, int status, bytes text)
