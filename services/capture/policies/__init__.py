"""What capture does with events it has understood, project by project: keep, move to another topic, drop, refuse.

Applied between `handle.decide` and the log; costs a look at one flag while nothing is configured. In order of use:

    policies.py      the state of a process: rules as last loaded, counters; what the callers ask
    routing.py       the decision over one request's records; no I/O, no clock
    quotas.py        which quota an event counts against
    rates.py         how much a key has sent in the current window, here and elsewhere
    warnings.py      what projects are told of events that were not taken
    loading.py       what is read from and told to the `state` server, in the background
"""
