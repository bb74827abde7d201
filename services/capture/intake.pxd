# The C types of intake.py when it is compiled.
cimport cython
from libs.kit.clock cimport SystemClock
from libs.kit.crashpoints cimport crash_point
from services.capture.accounting cimport Accounting
from services.capture.bodies cimport Body, BodyMemory, check_size
from services.capture.decision cimport Decision, Limits, Request
from services.capture.group_commit cimport GroupCommit, Waiting
from services.capture.handle cimport decide
from services.capture.policies.policies cimport Policies

cdef str _LIVE


cdef class Asker(Waiting):
    cdef:
        Intake _intake
        str _path
        Decision _decision
        object _routing

    cpdef object answered(self, object answer)
    cdef object waits(self, Intake intake, str path, Decision decision, object routing)
    cpdef object told(self, object error)


cdef class Awaited(Asker):
    cdef readonly object answer

    cpdef object answered(self, object answer)


cdef class Intake:
    cdef readonly:
        object settings
        BodyMemory memory
        Accounting accounting
    cdef public:
        GroupCommit _commit
        Policies _policies
        object _ai_blobs, _clock, _heavy, _threads, _deciding
    cdef:
        Limits _limits, _inline_limits
        dict _body_caps
        Py_ssize_t _inline_body_bytes, _max_body_bytes

    cpdef Body new_body(self, str path)
    cdef object hold(self, str path, Py_ssize_t size)
    cdef Py_ssize_t _cap(self, str path) except -1
    @cython.locals(system=SystemClock)
    cpdef long long now_us(self) except -1
    @cython.locals(decision=Decision, body=bytes)
    cpdef object take(self, Request request, Asker asker)
    cdef object _settle(self, str path, Decision decision, Asker asker)
    cdef object _produce(self, str path, Decision decision, object routing, Asker asker)
    cdef object concluded(self, str path, Decision decision, object routing, object error)
    cdef object _outcome(self, str path, Decision decision, object routing, object error)
    cdef object _refused(self, str path, object refused)
    cdef object _note(self, str result, str reason, Py_ssize_t events, str token)
