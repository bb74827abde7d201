# The C types of operands.py when it is compiled.
cimport cython

from libs.hogql.lexer cimport Token
from libs.hogql.parser.forms cimport FormParser

cdef dict _WORD_CONSTANTS
cdef tuple _QUERIES
cdef int MAX_CHAIN
cdef frozenset _SET_WORDS

# Imported from Python, so that they are not looked up each time.
cdef object ArithmeticOperation, Constant, Field
cdef str EOF, NAME, OP, QUOTED
cdef frozenset HARD, STOPPERS
cdef int NEGATE, OR, TERNARY


cdef class OperandParser(FormParser):
    @cython.locals(token=Token, kind=str)
    cdef object operand(self)
    @cython.locals(start=Py_ssize_t)
    cdef object _sign_operand(self, Token token)
    @cython.locals(sign=Token, following=Token)
    cdef object _signed(self)
    @cython.locals(text=str)
    cdef object _number(self, Token token, int sign, Py_ssize_t start)
    @cython.locals(word=str, after=Token, called=bint, stops=bint)
    cdef object _word_operand(self, Token token)
    @cython.locals(token=Token, after=Token)
    cdef object _named(self)
    @cython.locals(chain=list, after=Token)
    cdef object _dotted(self, Token token)
    @cython.locals(token=Token)
    cdef object _star(self)
    @cython.locals(start=Py_ssize_t)
    cdef object _parenthesised(self)
    @cython.locals(ahead=Py_ssize_t, args=list, token=Token)
    cdef object _lambda_arguments(self)
    @cython.locals(opened=Token, inner=Token)
    cdef object _lambda_body(self, tuple args, Py_ssize_t start)
    cdef object braces(self)
    cdef object _rest_of_ternary(self, object condition)
    cdef object _close_brace(self, Py_ssize_t start)
    @cython.locals(token=Token)
    cdef object _template(self)
