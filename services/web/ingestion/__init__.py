"""Where is my event: one event followed from capture to ClickHouse, and what became of a project's events by the hour.

routes.py      HTTP in, HTTP out         tracing.py     the places that are looked at, in order
scanning.py    the newest records of a topic, within a bound
story.py       what was seen -> where the event is       repository.py  the SQL
"""
