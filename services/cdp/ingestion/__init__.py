"""Ingestion: what a captured event means. Resolves its team, keeps its person, makes its row.

parse.py        a record -> an event, or the reason why it is none
properties.py   what is added to, moved in and removed from its properties
persons.py      what it changes about its person
elements.py     autocapture elements -> elements_chain
plan.py         a batch -> rows, person writes, dead letters (a plain function)
repository.py   all SQL
worker.py       the loop
"""
