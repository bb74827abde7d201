# The C types of merging.py when it is compiled.


cpdef object merge_asked(str event, str distinct_id, object properties)
cpdef bint is_illegal(str distinct_id) except -1
cpdef str javascript_text(object raw)
cpdef str javascript_truthy_text(object raw)
