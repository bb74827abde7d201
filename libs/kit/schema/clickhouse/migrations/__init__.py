"""ClickHouse migrations: `mNNNN_name.py`, each with `blocking`, `operations` and `reverse`. Never edited after release."""
