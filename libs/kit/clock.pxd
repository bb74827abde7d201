# The C types of clock.py when it is compiled.

cimport cython


cdef class SystemClock:
    @cython.locals(nanoseconds="long long")
    cpdef long long now_us(self) except -1
