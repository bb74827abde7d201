# The C types of clauses.py when it is compiled.
cimport cython

from libs.hogql.lexer cimport Token
from libs.hogql.parser.tables cimport TableParser

# Imported from Python, so that they are not looked up each time.
cdef object OrderExpr
cdef int ALIAS, TERNARY


cdef class ClauseParser(TableParser):
    @cython.locals(token=Token)
    cdef tuple group_by(self)
    cdef tuple _grouping_sets(self)
    cdef tuple windows(self)
    cdef object window(self)
    cdef object _bound(self)
    @cython.locals(keys=list)
    cdef tuple order_by(self)
    @cython.locals(start=Py_ssize_t, token=Token)
    cdef object _order_key(self)
    cdef object _fill(self)
    cdef object interpolate(self)
    cdef tuple limits(self)
    cdef tuple limit(self)
    cdef tuple _limit_second(self)
    cdef object _limit_number(self)
