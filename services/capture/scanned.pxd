# The C types of scanned.py when it is compiled.
cimport cython
from libs.kit.eventlog.block cimport block_of


cpdef object scanned(object text, bint engage, Py_ssize_t max_events)
@cython.locals(block=tuple)
cpdef object records_of_scanned(
    object batch, bytes leave_out, str token, str ip, long long now_us, object sent_at_us, Py_ssize_t max_record_bytes)
