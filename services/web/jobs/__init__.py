"""Background jobs, run by arq in the `jobs` worker.

worker.py     the schedule               mutations.py  statements that rewrite tables
deletions.py  persons and their events   retention.py  events older than they may be
squash.py     events of merged persons   reports.py    what was done, for people
sessions.py   made anew when some of their events go
ai_blobs.py   parts of AI events that are kept apart
"""
