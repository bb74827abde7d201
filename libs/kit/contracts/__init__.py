"""What processes say to each other: topics, message shapes, and who answers which path."""
