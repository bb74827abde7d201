"""ClickHouse migrations: `mNNNN_name.py` with `blocking`, `operations` and `reverse`. Never edited after a release."""
