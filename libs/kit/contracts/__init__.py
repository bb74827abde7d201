"""What processes say to each other: topics, message shapes, words of properties, and who answers which path."""
