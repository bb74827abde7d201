# The C types of tree.py when it is compiled.
cimport cython

cdef frozenset _LEAVES, _ATOMS, _PLAIN_KINDS
cdef dict _FIELDS, _NODE_FIELDS, _ALL_FIELDS

@cython.locals(changes=dict, name=str)
cpdef object with_children(object node, object change)

@cython.locals(values=tuple, same=cython.bint, new=list)
cdef tuple _all_changed(tuple values, object change)

cdef bint _is_pair(tuple value)

@cython.locals(found=list, pending=list)
cpdef list walk(object node)
