"""How long a project keeps its events: the rules and their API. services/web/jobs/retention.py applies them."""
