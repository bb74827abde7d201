# The C types of forms.py when it is compiled.
cimport cython

from libs.hogql.lexer cimport Token
from libs.hogql.parser.calls cimport CallParser

cdef frozenset _FORMS

# Imported from Python, so that they are not looked up each time.
cdef object Constant, IntervalExpr
cdef str NAME, OP
cdef frozenset STOPPERS, UNITS
cdef int NOT, TERNARY


cdef class FormParser(CallParser):
    @cython.locals(word=str)
    cdef object form(self, Token token, bint called)
    cdef object _not(self, Token token)
    cdef object _case(self, Token token)
    cdef object _cast(self, Token token, bint called)
    @cython.locals(text=str, local=bint)
    cdef str cast_type(self)
    @cython.locals(text=str)
    cdef str _type_name(self)
    @cython.locals(after=Token, begins_value=bint)
    cdef object _interval(self, Token token, bint called)
    @cython.locals(token=Token, depth=Py_ssize_t, ahead=Py_ssize_t)
    cdef bint _unit_follows_bracket(self) except -1
    cdef object _interval_text(self, Token token, Py_ssize_t start)
    cdef object _trim(self, Token token, bint called)
    cdef object _array(self, Token token)
    cdef object _lambda_word(self, Token token)
    cdef object _columns_word(self, Token token, bint called)
    cdef list _aliases(self, tuple exprs)
    cdef object _refused_literal(self, Token token)
