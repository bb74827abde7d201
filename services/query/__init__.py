"""Answers questions about a project's events: SQL in PostHog's dialect, over the query API.

Reads ClickHouse only, and only the caller's team. Owns no table and no topic; never writes, never caches (yet).
"""
