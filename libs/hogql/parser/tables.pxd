# The C types of tables.py when it is compiled.
cimport cython

from libs.hogql.lexer cimport Token
from libs.hogql.parser.expressions cimport ExpressionParser

cdef frozenset _JOIN_WORDS, _NO_TABLE
cdef object _JOINS

# Imported from Python, so that they are not looked up each time.
cdef object Field, JoinChain, TableRef
cdef str NAME, QUOTED
cdef frozenset NO_TABLE_ALIAS, STOPPERS
cdef int COMPARE


cdef class TableParser(ExpressionParser):
    @cython.locals(start=Py_ssize_t, joins=list)
    cdef object join_chain(self)
    @cython.locals(token=Token)
    cdef object _join(self)
    @cython.locals(token=Token)
    cdef object _pivot(self)
    cdef object _pivot_column(self)
    @cython.locals(token=Token, ahead=Py_ssize_t)
    cdef str _join_kind(self)
    @cython.locals(token=Token)
    cdef object _constraint(self)
    @cython.locals(start=Py_ssize_t)
    cdef object _table(self)
    @cython.locals(token=Token)
    cdef str _table_alias(self)
    cdef tuple bracketed_names(self)
    @cython.locals(token=Token, chain=list)
    cdef tuple _source(self)
    cdef object _bracketed_source(self)
    cdef object _values(self)
    cdef object _sample(self)
    cdef tuple _ratio(self)
    cdef object _sample_number(self)
