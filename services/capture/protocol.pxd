# The C types of protocol.py when it is compiled.
cimport cython
from libs.kit.hot_connection cimport HotCycle
from services.capture.bodies cimport Body
from services.capture.decision cimport Request
from services.capture.intake cimport Asker, Intake

cdef object _OK


cdef class HotCapture:
    cdef readonly:
        Intake intake
        object body_idle_seconds
    cdef:
        object _retry_after
        dict _of_ok

    @cython.locals(receiver=CaptureReceiver)
    cpdef object take(self, str path, bytes query, dict headers, object peer, bytes body, HotCycle cycle)
    @cython.locals(receiver=CaptureReceiver)
    cdef CaptureReceiver _receiver(self, str path, bytes query, dict headers, object peer, HotCycle cycle)
    @cython.locals(lines=bytes)
    cdef bytes lines(self, object answer, dict headers)


cdef class CaptureReceiver(Asker):
    cdef:
        HotCapture _service
        bytes _query
        dict _headers
        object _peer
        HotCycle _cycle
        Body _body
        double _started
        bint _taken

    cdef object open(
        self, HotCapture service, str path, bytes query, dict headers, object peer, HotCycle cycle)
    cdef object begin(self)
    cdef bint keep(self, bytes data) except -1
    @cython.locals(intake=Intake)
    cpdef object complete(self)
    @cython.locals(service=HotCapture)
    cpdef object answered(self, object answer)
