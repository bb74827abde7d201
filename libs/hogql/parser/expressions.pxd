# The C types of expressions.py when it is compiled.
cimport cython

from libs.hogql.lexer cimport Token
from libs.hogql.parser.operands cimport OperandParser

cdef dict _COMPARE, _OPERATORS, _WORDS, _NEGATED
cdef int _NONE, MAX_CHAIN, MAX_HEIGHT

# Imported from Python, so that they are not looked up each time.
cdef object Alias, And, ArithmeticOperation, CompareOperation, Constant, Field, Or
cdef str NAME, OP
cdef frozenset AFTER_A_LIMIT, KEYWORDS, UNITS
cdef int ADD, ALIAS, AND, BETWEEN, CAST, COMPARE, DISTINCT, IGNORE, IS_NULL, MULTIPLY, NULLISH, OR, POSTFIX, SPACESHIP, TERNARY


cdef class ExpressionParser(OperandParser):
    @cython.locals(beside=int, start=Py_ssize_t, chain=int, most=int, level=int)
    cdef object expression(self, int least)
    @cython.locals(word=str)
    cdef int _level_of(self, Token token) except? -2
    cdef bint _ends_limit(self, Token after) except -1
    cdef bint _is_distinct(self) except -1
    @cython.locals(token=Token, text=str)
    cdef object _operator(self, object left, int level, Py_ssize_t start)
    @cython.locals(word=str, negated=bint, op=str)
    cdef object _word_operator(self, object left, Token token, Py_ssize_t start)
    @cython.locals(negated=bint, token=Token)
    cdef object _is(self, object left, Py_ssize_t start)
    @cython.locals(exprs=list)
    cdef tuple _chain(self, object left, str operator, int level)
    @cython.locals(nullish=bint)
    cdef object _postfix(self, object left, Token token, Py_ssize_t start)
    cdef object _columns_of(self, object table, Py_ssize_t start)
    cdef object _index(self, object left, Py_ssize_t start, bint nullish)
