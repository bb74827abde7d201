"""ClickHouse migrations: one definition, rendered for one node or for a cluster, and their runner."""
