# The C types of crashpoints.py when it is compiled.

cdef dict _targets
cdef object _directory

cpdef object crash_point(str name)
