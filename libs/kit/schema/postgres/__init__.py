"""PostgreSQL migrations: plain SQL files, and their runner."""
