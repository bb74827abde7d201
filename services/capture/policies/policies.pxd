# The C types of policies.py when it is compiled.
from libs.kit.outcomes cimport Outcomes


cdef class Policies:
    cdef public:
        object _state, _clock, _settings, _person_rate, _token_rate, _overflow, _dry, _listed, _texts, _used
        object _rules, _concerned
        list _rates
        double _loaded_at
        bint _idle
        Outcomes _outcomes

    cpdef object route(self, object records, str owner, bint historical)
    cpdef object settled(self, object records, object routing, str token)
