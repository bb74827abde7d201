# The C types of policies.py when it is compiled.
from libs.kit.tally cimport Tally


cdef class Policies:
    cdef public:
        object _state, _clock, _settings, _person_rate, _token_rate, _overflow, _dry, _listed, _texts, _used
        object _rules, _concerned, _outcomes, warnings
        list _rates
        double _loaded_at
        bint _idle
        Tally _tally

    cpdef object route(self, object records, str owner, bint historical)
    cpdef object settled(self, object records, object routing, str token)
