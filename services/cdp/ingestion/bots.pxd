# The C types of bots.py when it is compiled.


cdef dict _answers
cpdef bint is_bot(bytes raw) except -1
