# The C types of arrival.py when it is compiled.
cimport cython


@cython.locals(headers=tuple, name=str, value=bytes)
cpdef object arrived_ms(object record)
