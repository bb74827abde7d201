# The C types of calls.py when it is compiled.
cimport cython

from libs.hogql.lexer cimport Token
from libs.hogql.parser.tags cimport TagParser

cdef tuple _QUERIES
cdef frozenset _AFTER_A_BRANCH

# Imported from Python, so that they are not looked up each time.
cdef object Call
cdef str EOF, NAME, OP, QUOTED
cdef frozenset AFTER_A_NAME, STOPPERS


cdef class CallParser(TagParser):
    cdef object set_query(self)
    cdef object set_query_from(self, object first)
    cdef tuple order_by(self)
    cdef object window(self)
    @cython.locals(items=list)
    cdef tuple expressions(self, Py_UCS4 close)
    @cython.locals(items=list)
    cdef tuple one_or_more(self)
    @cython.locals(token=Token)
    cdef object item(self)
    @cython.locals(after=Token)
    cdef bint at_query(self) except -1
    @cython.locals(token=Token)
    cdef bint ends_list(self) except -1
    @cython.locals(after=Token)
    cdef bint stands_as_name(self, Token token) except -1
    @cython.locals(found=list)
    cdef tuple name_list(self)
    cdef tuple excluded_names(self)
    cdef object call(self, Token name)
    @cython.locals(args=list, distinct=bint)
    cdef tuple _arguments(self, Token name)
