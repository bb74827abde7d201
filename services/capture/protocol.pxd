# The C types of protocol.py when it is compiled.
cimport cython
from services.capture.bodies cimport Body
from services.capture.decision cimport Request
from services.capture.intake cimport Intake


cdef class HotCapture:
    cdef readonly:
        Intake intake
        object body_idle_seconds
    cdef:
        object _retry_after
        dict _of_ok

    @cython.locals(lines=bytes)
    cpdef bytes lines(self, object answer, dict headers)


@cython.freelist(64)
cdef class CaptureReceiver:
    cdef:
        HotCapture _service
        str _path
        bytes _query
        dict _headers
        object _peer, _reply
        Body _body
        double _started
        bint _taken

    cdef object begin(self)
    @cython.locals(intake=Intake)
    cpdef object complete(self)
    @cython.locals(service=HotCapture)
    cpdef object _answered(self, object answer)
