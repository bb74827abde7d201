# The C types of merging.py when it is compiled.
cimport libs.fastpath._members as _members


cpdef object merge_asked(str event, str distinct_id, _members.Members properties)
cpdef bint is_illegal(str distinct_id) except -1
cpdef str javascript_text(object raw)
cpdef str javascript_truthy_text(object raw)
