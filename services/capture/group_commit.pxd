# The C types of group_commit.py when it is compiled.
cimport cython


cdef class _Group:
    cdef public:
        list members
        Py_ssize_t records, size


cdef class GroupCommit:
    cdef public:
        object _log
        Py_ssize_t _most_bytes, waiting_bytes
        dict _gathering
        set _under_way

    @cython.locals(group=_Group, size=Py_ssize_t)
    cdef object _gather(self, str topic, object records, object done)


cdef Py_ssize_t _size_of(object records) except -1
