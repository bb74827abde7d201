# The C types of handle.py when it is compiled.
cimport cython
from services.capture.client cimport client_ip
from services.capture.decision cimport Decision, Limits, Request
from services.capture.decoding cimport Payload, decode_payload
from services.capture.scanned cimport records_of_scanned, scanned
from services.capture.query cimport Query, parse_query
from services.capture.times cimport parse_sent_at
from services.capture.tokens cimport checked_token, one_token

cdef bytes _LEFT_OUT
cdef object _OK, _NO_CONTENT, _TRANSIENT
cdef dict _ROUTES, _WAYS

@cython.locals(route=str)
cpdef Decision decide(Request request, Limits limits)
cdef Decision _refusal(object refused)
@cython.locals(payload=Payload, query=Query, decision=Decision)
cdef Decision _take(Request request, str route, Limits limits)
@cython.locals(kept=Py_ssize_t, count=Py_ssize_t, decision=Decision)
cdef Decision _by_scan(object text, Query query, Request request, str route, Limits limits)
cdef object _performance(Py_ssize_t events)
@cython.locals(sent_at_us=object)
cdef Decision _by_msgspec(object text, Query query, Request request, str route, Limits limits)
