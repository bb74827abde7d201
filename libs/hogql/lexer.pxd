# The C types of lexer.py when it is compiled.
cimport cython


@cython.final
@cython.no_gc
@cython.freelist(64)
cdef class Token:
    cdef public:
        str kind, text, word
        Py_UCS4 sign
        Py_ssize_t start, end
        tuple parts


cdef dict _WORDS
cdef frozenset _PAIRS
cdef Py_ssize_t _LONGEST_WORD, _MOST_TOKENS

@cython.locals(token=Token)
cpdef Token made(str kind, str text, Py_ssize_t start, Py_ssize_t end, str word)

@cython.locals(token=Token)
cpdef Token signed(Py_UCS4 sign, Py_ssize_t start)

@cython.locals(found=bint)
cdef bint _steps_from(Token previous, Py_ssize_t start) except -1


@cython.final
cdef class Lexer:
    cdef str text
    cdef Py_ssize_t length, made
    cdef int _inside

    @cython.locals(text=str, char=Py_UCS4, length=Py_ssize_t)
    cpdef Token token(self, Py_ssize_t position, Token previous)
    cdef bint _goes_on(self, Py_ssize_t position) except -1
    @cython.locals(text=str, char=Py_UCS4, length=Py_ssize_t, end=Py_ssize_t, capitals=bint, mixed=bint, name=str)
    cdef Token _name(self, Py_ssize_t start)
    @cython.locals(text=str, char=Py_UCS4, length=Py_ssize_t, end=Py_ssize_t, value=str, pair=str)
    cdef Token _plain_value(self, Py_ssize_t start, Token previous)
    @cython.locals(text=str, char=Py_UCS4, start=Py_ssize_t, after_dot=bint)
    cdef Token _other(self, Py_ssize_t position, Token previous)
    cdef Py_ssize_t skip(self, Py_ssize_t position) except -1
    cdef Token _step(self, Py_ssize_t start)
    cdef Token _number(self, Py_ssize_t start)
    cdef Token _quoted(self, Py_ssize_t start)
    cdef Token _string(self, Py_ssize_t start)
    @cython.locals(token=Token)
    cdef Token _nested_template(self, Py_ssize_t start)
    cdef tuple _quoted_parts(self, Py_ssize_t start, Py_ssize_t position, bint braces)
    @cython.locals(depth=Py_ssize_t, opened=Py_ssize_t, previous=Token, token=Token)
    cdef Py_ssize_t closing_brace(self, Py_ssize_t position) except -1
    cdef tuple _escape(self, Py_ssize_t position, str quote)
    @cython.locals(previous=Token, token=Token)
    cdef object first_stray(self, Py_ssize_t position)
