# The C types of people.py when it is compiled.


cdef class People:
    cdef:
        object _loaded
        dict _persons, _known_links, _copies, _links, _personless, _retold_persons, _retold_links
        object _by_person

    cpdef object owner(self, tuple key)
    cpdef object linked(self, tuple key)
    cpdef object imagined(self, tuple key, object happened, object properties)
    cpdef object change(self, object person)
    cdef object _linked(self, tuple key)
    cdef object _seen_link(self, tuple key)
    cdef object _link(self, tuple key)
    cdef object _person(self, tuple identity)
