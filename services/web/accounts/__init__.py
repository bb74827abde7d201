"""Users, sign-in and personal API keys."""
