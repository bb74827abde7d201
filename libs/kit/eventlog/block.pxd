# The C types of block.py when it is compiled.
cimport cython


@cython.freelist(64)
@cython.no_gc
cdef class Block:
    cdef public:
        bytes _whole
        list _parts, _records
        Py_ssize_t _length, size

    cdef object open(self, bytes payload, Py_ssize_t length, Py_ssize_t size)
    cpdef list records(self)


@cython.locals(block=Block)
cpdef object block_of(bytes payload, Py_ssize_t length, Py_ssize_t size)
cpdef Py_ssize_t size_of(object records) except -1
cpdef object joined(object parts)
@cython.locals(block=Block, found=Block, pieces=list, length=Py_ssize_t, size=Py_ssize_t)
cpdef object join_blocks(object blocks)
