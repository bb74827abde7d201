# The C types of protocol.py when it is compiled.
cimport cython
from libs.kit.hot_connection cimport HotCycle
from services.capture.bodies cimport Body, BodyMemory
from services.capture.decision cimport Request
from services.capture.intake cimport Asker, Intake

cdef object _OK
cdef Body _NO_BODY


cdef class HotCapture:
    cdef readonly:
        Intake intake
        object body_idle_seconds
    cdef:
        object _retry_after, _newest
        int _status
        bytes _content
        dict _of_ok
        bytes _origin, _lines

    cpdef object take(self, str path, bytes query, dict headers, object peer, bytes body, HotCycle cycle)
    @cython.locals(receiver=CaptureReceiver)
    cdef CaptureReceiver _receiver(self, str path, dict headers, HotCycle cycle)
    cdef int reply(self, HotCycle cycle, object answer, dict headers) except -1
    @cython.locals(lines=bytes, origin=bytes)
    cdef bytes lines(self, object answer, dict headers)


cdef class CaptureReceiver(Asker):
    cdef:
        HotCapture _service
        bytes _query
        dict _headers
        object _peer
        HotCycle _cycle
        Body _body
        Py_ssize_t _held
        double _started
        bint _taken

    cdef object open(self, HotCapture service, str path, dict headers, HotCycle cycle)
    @cython.locals(intake=Intake)
    cdef object whole(self, bytes query, object peer, bytes body)
    cdef object begin(self, bytes query, object peer)
    cpdef object complete(self)
    @cython.locals(intake=Intake, request=Request)
    cdef object _ask(self, bytes query, object peer, bytes body)
    cdef object _let_go(self)
    @cython.locals(service=HotCapture, status=int)
    cpdef object answered(self, object answer)
