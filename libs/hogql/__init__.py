"""HogQL: text -> tree -> resolved tree -> ClickHouse SQL. No I/O, no settings, no clock."""
