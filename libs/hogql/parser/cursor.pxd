# The C types of cursor.py when it is compiled.
cimport cython

from libs.hogql.lexer cimport Lexer, Token

cdef int _MOST_DEPTH, _LONGEST_INDEX
cdef frozenset _HARD


cdef class Cursor:
    cdef:
        Lexer lexer
        str text
        int depth, height
        Py_ssize_t last_end, index
        Token here
        list tokens

    @cython.locals(wanted=Py_ssize_t, tokens=list, last=Token)
    cdef Token peek(self, Py_ssize_t ahead)
    @cython.locals(token=Token)
    cdef Token advance(self)
    @cython.locals(end=Token)
    cdef object seek(self, Py_ssize_t offset)
    cdef bint at(self, str text) except -1
    cdef bint at_word(self, str word) except -1
    cdef bint at_words(self, str first, str second) except -1
    cdef bint take(self, str text) except -1
    cdef bint take_word(self, str word) except -1
    cdef bint take_words(self, str first, str second) except -1
    cdef object expect(self, str text)
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
