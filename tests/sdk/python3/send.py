"""Drives posthog-python 3 as an application did. Arguments: host, project API key, a mark of our events."""

import sys
from datetime import UTC, datetime, timedelta

from posthog import Posthog

host, key, mark = sys.argv[1:]
errors = []
client = Posthog(key, host=host, gzip=mark.endswith("z"), on_error=lambda error, _: errors.append(error))
client.capture(f"{mark}-old", "python 3", {"mark": mark, "n": 1, "note": "naïve 日本 😀"})
client.capture(f"{mark}-old", "python 3", {"mark": mark, "n": 2}, timestamp=datetime.now(UTC) - timedelta(days=40))
client.identify(f"{mark}-old", {"plan": "pro"})
client.set_once(f"{mark}-old", {"first": "yes"})
client.alias(f"{mark}-old", f"{mark}-new")
client.group_identify("company", f"{mark}-acme", {"size": 7})
client.capture(f"{mark}-new", "python 3", {"mark": mark, "n": 3}, groups={"company": f"{mark}-acme"})
client.shutdown()
sys.exit(repr(errors) if errors else 0)
