"""Organizations, projects and their settings."""
