"""What to paste into a program to send a first event. Plain functions of an address and a project token."""

import json


def snippets(site_url: str, token: str) -> list[tuple[str, str, str]]:
    """(id, title, code) per language."""
    host, key = json.dumps(site_url), json.dumps(token)
    array_js = json.dumps(f"{site_url}/static/array.js")
    return [
        (
            "web",
            "Web",
            f"<script src={array_js}></script>\n"
            f"<script>\n  posthog.init({key}, {{\n    api_host: {host},\n"
            "    person_profiles: 'always',\n  })\n</script>",
        ),
        (
            "js",
            "JavaScript",
            "// npm install posthog-js\nimport posthog from 'posthog-js'\n\n"
            f"posthog.init({key}, {{ api_host: {host} }})\nposthog.capture('first event')",
        ),
        (
            "python",
            "Python",
            "# pip install posthog\nfrom posthog import Posthog\n\n"
            f"posthog = Posthog({key}, host={host})\n"
            'posthog.capture("first event", distinct_id="user-1")\nposthog.flush()',
        ),
        (
            "node",
            "Node.js",
            "// npm install posthog-node\nimport { PostHog } from 'posthog-node'\n\n"
            f"const posthog = new PostHog({key}, {{ host: {host} }})\n"
            "posthog.capture({ distinctId: 'user-1', event: 'first event' })\nawait posthog.shutdown()",
        ),
        (
            "curl",
            "curl",
            f"curl {site_url}/i/v0/e/ -H 'Content-Type: application/json' -d '"
            + json.dumps({"api_key": token, "event": "first event", "distinct_id": "user-1"})
            + "'",
        ),
    ]
