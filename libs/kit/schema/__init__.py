"""The schema of both databases and its migrations; and the shape of an events row. See migrate.py and event_row.py."""
