# The C types of client.py when it is compiled.

cdef frozenset _FORWARDING

cpdef str client_ip(dict headers, object peer)
cdef bint _is_forwarded(dict headers)
