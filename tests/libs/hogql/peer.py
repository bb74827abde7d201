"""Runs in a process of its own: JSON list of queries in, JSON list of [accepted, message, offset] out."""

import json
import sys

import hogql_parser


def judged(text: str) -> tuple[bool, str, int]:
    """What the peer says of a query."""
    try:
        tree = json.loads(hogql_parser.parse_select_json(text))
    except Exception as exc:
        return False, str(exc), -1
    if tree.get("error"):
        return False, f"{tree['type']}: {tree['message']}", tree["start"]["offset"]
    return True, "", 0


if __name__ == "__main__":
    print(json.dumps([judged(text) for text in json.load(sys.stdin)]))
