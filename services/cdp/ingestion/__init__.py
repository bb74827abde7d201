"""Ingestion: what a captured event means. Resolves its team, keeps its person, makes its row.

parse.py        a record -> an event, or the reason why it is none
prepare.py      what is done to an event before it meets persons: a list of steps
  cookieless.py   who a visitor without cookies is (siphash.py, cookieless_state.py: what is remembered of them)
  geoip.py        where an address is       bots.py        whether a browser is a machine
  ai.py           what a generation cost    exceptions.py  what kind of mistake it is (issues.py: of which issue)
  heatmaps.py     points of a heatmap
surroundings.py what these steps must know, fetched at once
needs.py        what a batch must know before it can be decided
properties.py   what is added to, moved in and removed from its properties
persons.py      what it changes about its person
merging.py      which two distinct ids it declares to be one person
people.py       the persons of one batch as its events so far have left them
team_lists.py  projects that the operator names
groups.py       the groups of one batch, likewise
definitions.py  names of events and properties, and of what type they look
elements.py     autocapture elements -> elements_chain
rows.py         an event and its person -> its row
updates.py      persons, distinct ids, groups -> what tells of them downstream
warnings.py     what a project is told about its events
oversized.py    what the log does not take
plan.py         a batch -> rows, writes, updates, dead letters (a plain function)
repository.py   all SQL
worker.py       the loop

What looks at each event is compiled when there is a compiler: the files with a .pxd beside them (docs/adr/0035).
"""
