# The C types of people.py when it is compiled.


cdef class People:
    cdef:
        object _loaded
        dict _persons, _known_links, _copies, _links, _personless, _retold_persons, _retold_links
        object _by_person

    cpdef object owner(self, tuple key)
    cpdef object linked(self, tuple key)
    cpdef bint seen_personless(self, tuple key) except -1
    cpdef Py_ssize_t number_of_keys(self, object person) except -1
    cpdef object create(self, tuple key, object happened, object properties, bint identified=*)
    cpdef object imagined(self, tuple key, object happened, object properties)
    cpdef object change(self, object person)
    cpdef object give(self, tuple key, object person, int at_least=*)
    cpdef object note_personless(self, tuple key, bint is_merged)
    cdef object _linked(self, tuple key)
    cdef object _seen_link(self, tuple key)
    cdef object _link(self, tuple key)
    cdef object _person(self, tuple identity)
