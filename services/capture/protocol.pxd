# The C types of protocol.py when it is compiled.
cimport cython


cdef class HotCapture:
    cdef public:
        object intake, body_idle_seconds, _retry_after
        dict _of_ok

    cpdef bytes lines(self, object answer, dict headers)


@cython.freelist(64)
cdef class CaptureReceiver:
    cdef public:
        HotCapture _service
        str _path
        bytes _query
        dict _headers
        object _peer, _reply, _body
        double _started
        bint _taken
