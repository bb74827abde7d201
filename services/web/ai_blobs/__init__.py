"""Parts of AI events that are kept apart from them: giving them back to whoever may read the event."""
