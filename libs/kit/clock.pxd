# The C types of clock.py when it is compiled.

cdef class SystemClock:
    cpdef object now_us(self)
