"""Live events: the tail of the log, a window of the newest per team, and streams to browsers."""
