# The C types of people.py when it is compiled.
cimport cython
from libs.fastpath._members cimport near
from services.cdp.ingestion.persons cimport Link, Person


@cython.final
@cython.no_gc
cdef class Personless:
    cdef public:
        tuple key
        bint is_merged
        object stored


@cython.final
cdef class People:
    cdef:
        object _loaded
        dict _persons, _known_links, _known_personless, _current, _made, _links, _places, _personless
        dict _retold_persons, _retold_links
        list _owners
        object _by_person

    @cython.locals(person=Person)
    cpdef Person owner(self, tuple key, Py_ssize_t place=*)
    cpdef Py_ssize_t place(self, tuple key) except -1
    @cython.locals(person=Person)
    cpdef Person at(self, Py_ssize_t place)
    cpdef int near(self, Py_ssize_t place) except -1
    @cython.locals(person=Person)
    cpdef int warm(self, Py_ssize_t place) except -1
    cpdef Py_ssize_t number_of_keys(self, Person person) except -1
    @cython.locals(made=Person, name=tuple)
    cpdef Person create(self, tuple key, object happened, object properties, bint identified=*)
    @cython.locals(made=Person, deleted=Person)
    cpdef Person imagined(self, tuple key, object happened, object properties)
    cpdef object change(self, Person person)
    @cython.locals(seen=Link, link=Link, before=Person)
    cpdef object give(self, tuple key, Person person, int at_least=*, Py_ssize_t place=*)
    @cython.locals(link=Link)
    cpdef bint absorb(self, Person survivor, Person other) except -1
    @cython.locals(noted=Personless)
    cpdef bint note_personless(self, tuple key, bint is_merged) except -1
    @cython.locals(person=Person)
    cpdef list changed_persons(self)
    cpdef list changed_links(self)
    @cython.locals(link=Link)
    cdef Person _linked(self, tuple key)
    cdef Link _seen_link(self, tuple key)
    @cython.locals(link=Link, known=Link)
    cdef Link _link(self, tuple key)
    cdef object _point(self, tuple key, Person person)
    @cython.locals(known=Person)
    cdef Person _person(self, tuple identity)
    @cython.locals(current=Person)
    cdef Person _ours(self, Person person)
