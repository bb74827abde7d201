# The C types of tags.py when it is compiled.
cimport cython

from libs.hogql.lexer cimport Lexer, Token
from libs.hogql.parser.cursor cimport Cursor


cdef class TagParser(Cursor):
    cdef object expression(self, int least)
    cdef TagParser inside(self, Py_ssize_t start)
    cdef tuple up_to_brace(self)
    cdef bint at_tag(self) except -1
    cdef bint begins_tag(self, Token token) except -1
    cdef object tag(self)
    cdef tuple _tag_at(self, Py_ssize_t start)
    cdef tuple _tag_name(self, Py_ssize_t position)
    @cython.locals(token=Token)
    cdef tuple _attribute(self, Py_ssize_t position)
    cdef tuple _braced(self, Py_ssize_t start)
    cdef tuple _children(self, str kind, Py_ssize_t position)
    cdef Py_ssize_t _closing(self, str kind, Py_ssize_t position) except -1
