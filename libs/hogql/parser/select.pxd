# The C types of select.py when it is compiled.
cimport cython

from libs.hogql.lexer cimport Token
from libs.hogql.parser.clauses cimport ClauseParser

cdef frozenset _SET_WORDS
cdef tuple _QUERIES

# Imported from Python, so that they are not looked up each time.
cdef object Alias, Field, SelectQuery
cdef str EOF, NAME, QUOTED
cdef frozenset NO_COLUMN_ALIAS
cdef int ALIAS


cdef class SelectParser(ClauseParser):
    cdef object set_query(self)
    cdef object set_query_from(self, object first)
    cdef object _with_tail(self, object query)
    cdef str _set_operator(self)
    @cython.locals(token=Token)
    cdef object _branch(self)
    @cython.locals(start=Py_ssize_t)
    cdef tuple _with(self)
    @cython.locals(token=Token)
    cdef object _cte(self)
    cdef object _column_cte(self, object expr, Py_ssize_t start)
    @cython.locals(after=Token, following=Token, ahead=Py_ssize_t)
    cdef bint _is_table_cte(self) except -1
    cdef object _materialized(self)
    @cython.locals(items=list, distinct=bint)
    cdef object _select(self, tuple ctes, bint recursive, Py_ssize_t start)
    @cython.locals(token=Token)
    cdef object _refuse_rest(self)
    @cython.locals(token=Token, after=Token)
    cdef object _select_item(self)
    cdef tuple _array_join(self)
    cdef tuple _aliased_arrays(self)
