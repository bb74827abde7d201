# The C types of times.py when it is compiled.

cpdef object parse_sent_at(str text, object milliseconds)
