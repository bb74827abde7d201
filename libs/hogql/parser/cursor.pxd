# The C types of cursor.py when it is compiled.
cimport cython

from libs.hogql.lexer cimport Lexer, Token

cdef int _MOST_DEPTH, _LONGEST_INDEX, _KEPT

# Imported from Python, so that they are not looked up each time.
cdef str EOF, NAME, OP, QUOTED
cdef frozenset HARD, RESERVED_ALIASES


cdef class Cursor:
    cdef:
        Lexer lexer
        str text
        int depth, height
        Py_ssize_t last_end, index
        Token here
        list later

    @cython.locals(wanted=Py_ssize_t, later=list, last=Token)
    cdef Token peek(self, Py_ssize_t ahead)
    @cython.locals(token=Token, later=list)
    cdef Token advance(self)
    @cython.locals(end=Token)
    cdef object seek(self, Py_ssize_t offset)
    cdef bint at(self, Py_UCS4 sign) except -1
    cdef bint at_word(self, str word) except -1
    cdef bint at_words(self, str first, str second) except -1
    cdef bint take(self, Py_UCS4 sign) except -1
    cdef bint take_word(self, str word) except -1
    cdef bint take_words(self, str first, str second) except -1
    cdef object expect(self, Py_UCS4 sign)
    cdef object expect_word(self, str word)
    @cython.locals(token=Token)
    cdef str expect_name(self)
    @cython.locals(token=Token)
    cdef str expect_alias(self)
    @cython.locals(token=Token)
    cdef str expect_column_alias(self)
    cdef str _allowed(self, str name, Token token)
    cdef object index_of(self, Token token)
    cdef object fail(self, str expected, Token token)
    cdef object enter(self)
