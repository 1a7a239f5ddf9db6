"""Health check of a container: `python -m compose.probe URL` ends with 0 when the URL answers 200.

Standard library only, so that a check every few seconds costs next to nothing.
"""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

TIMEOUT_S = 3


def main(url: str) -> int:
    """0 when well, 1 when not."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - the URL is our own
            return 0 if answer.status == 200 else 1
    except (OSError, urllib.error.URLError):
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
