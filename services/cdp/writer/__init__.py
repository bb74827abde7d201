"""The writer: clickhouse_events_json -> ClickHouse `events`, each event once.

copies.py    what makes two records copies of one event, and the filter that knows new ones without asking
rows.py      a record -> a row, or the reason why it is none
decide.py    rows -> those to insert and those that are copies; rows -> inserts (plain functions)
store.py     everything asked of ClickHouse
worker.py    the loop
tables.py           updates of persons, distinct ids, groups; warnings -> lines of their tables
tables_worker.py    the loop that writes these: highest version wins, so copies and order do not matter
"""
