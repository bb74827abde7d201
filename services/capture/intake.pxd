# The C types of intake.py when it is compiled.
cimport cython


@cython.freelist(64)
cdef class _Waiting:
    cdef:
        Intake intake
        object request, decision, routing, answered


cdef class Intake:
    cdef public:
        object settings, memory, accounting
        object _policies, _ai_blobs, _clock, _limits, _inline_limits, _commit, _heavy, _threads, _deciding
        dict _body_caps
        Py_ssize_t _inline_body_bytes, _max_body_bytes

    cdef object _settle(self, object request, object decision, object answered)
    cdef object _produce(self, object request, object decision, object routing, object topics, object answered)
    cdef object concluded(self, object request, object decision, object routing, object error)
    cdef object _outcome(self, object request, object decision, object routing, object error)
    cdef object _refused(self, str path, object refused)
    cdef object _note(self, str result, str reason, Py_ssize_t events, str token)
