# The C types of group_commit.py when it is compiled.
cimport cython


cdef class Waiting:
    cpdef object told(self, object error)


cdef class _Group:
    cdef public:
        list records, waiting
        Py_ssize_t count, size


cdef class GroupCommit:
    cdef public:
        object _log
        Py_ssize_t _most_bytes, waiting_bytes
        dict _gathering
        set _under_way

    cpdef object submit(self, str topic, object records, Waiting waiting)
    @cython.locals(waiting=Waiting, size=Py_ssize_t)
    cpdef object submit_all(self, object topics, Waiting waiting)
    cdef object _make_room(self, Py_ssize_t size)
    @cython.locals(group=_Group, count=Py_ssize_t)
    cdef object _gather(self, str topic, object records, Py_ssize_t size, Waiting waiting)


cdef class _OnceAll(Waiting):
    cdef:
        Py_ssize_t _topics
        Waiting _waiting
        list _errors


@cython.locals(one=Waiting)
cdef object _tell(list waiting, object error)
