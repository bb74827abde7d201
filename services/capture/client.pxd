# The C types of client.py when it is compiled.

cdef frozenset _FORWARDING

cpdef str client_ip(object headers, object peer)
