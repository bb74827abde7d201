# The C types of block.py when it is compiled.
cimport cython


cdef class Block:
    cdef public:
        list _parts, _records
        Py_ssize_t _length, size

    cpdef list records(self)


cpdef Py_ssize_t size_of(object records) except -1
cpdef object joined(object parts)
@cython.locals(block=Block, found=Block, pieces=list, length=Py_ssize_t, size=Py_ssize_t)
cpdef object join_blocks(object blocks)
