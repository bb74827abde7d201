"""What the supervisor runs: `python -m hedgerow.part serve all --fd N`, `python -m hedgerow.part worker all`.

The two verbs of the command line without the command line itself, which takes over half a second to import and read two
words: much of the time that a second start may take.
"""

import argparse

from hedgerow.composition import SERVICES, WORKERS, chosen
from hedgerow.serve import listener_from, run_workers, serve_services


def main() -> None:
    """Run services on an inherited socket, or workers."""
    parser = argparse.ArgumentParser(prog="hedgerow.part")
    parser.add_argument("verb", choices=("serve", "worker"))
    parser.add_argument("name")
    parser.add_argument("--fd", type=int)
    given = parser.parse_args()
    if given.verb == "worker":
        run_workers(chosen(given.name, WORKERS))
    else:
        serve_services(chosen(given.name, SERVICES), listener_from(given.fd, "127.0.0.1", 0))


if __name__ == "__main__":
    main()
