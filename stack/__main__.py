"""`python -m stack up|down|status|logs|clean`; `make` has the same names.

Environment: ISTHMUS_BASE_PORT (the HTTPS port, 8443; the other ports follow it), ISTHMUS_RUN_DIR (.run),
PROVIDERS (1), ISTHMUS_INSTANCES of each service (2), ISTHMUS_TLS_CERT and ISTHMUS_TLS_KEY (a certificate of
your own; ISTHMUS_TLS_CA if its authority is not known to everybody), ISTHMUS_PUBLIC_HOST (localhost),
ISTHMUS_FRONT_DOOR_HOST (127.0.0.1; 0.0.0.0 opens it to other machines).
"""

from __future__ import annotations

import argparse
import os
import sys
import time

from stack import control
from stack.errors import StackError
from stack.layout import Layout, from_environment
from stack.status import status

LOG_LINES = 30


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m stack", description=__doc__.split("\n", 1)[0])
    parser.add_argument("command", choices=["up", "down", "status", "logs", "clean"])
    parser.add_argument("names", nargs="*", help="logs: of these programs only")
    given = parser.parse_args(arguments)
    try:
        return _run(given.command, given.names, from_environment())
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; what was started runs on until: make down", file=sys.stderr)
        return 130


def _run(command: str, names: list[str], layout: Layout) -> int:
    match command:
        case "up":
            begun = time.monotonic()
            control.up(layout)
            _welcome(layout, time.monotonic() - begun)
        case "down":
            control.down(layout)
        case "clean":
            control.clean(layout)
        case "status":
            return status(layout)
        case "logs":
            _logs(layout, names)
    return 0


def _welcome(layout: Layout, took_s: float) -> None:
    print(f"ready after {took_s:.1f} s: {' '.join(site.url for site in layout.sites)}")
    print(f"  set -a; . {layout.stack_env}; set +a")
    print("  echo hello > hello.txt")
    print('  curl --cacert "$ISTHMUS_CA" -H "X-Auth-Token: $ISTHMUS_TOKEN" -T hello.txt \\')
    print('    "$ISTHMUS_URL/cdmi/$ISTHMUS_SPACE/"')


def _logs(layout: Layout, names: list[str]) -> None:
    """The end of the logs; on a terminal, and what follows."""
    files = sorted(layout.logs.glob("*.log"))
    wanted = [str(file) for file in files if not names or file.stem in names]
    if not wanted:
        raise StackError(f"No such log in {layout.logs}", "Start the stack first: make up")
    follow = ["-F"] if sys.stdout.isatty() else []
    os.execvp("tail", ["tail", "-n", str(LOG_LINES), *follow, *wanted])  # noqa: S606


if __name__ == "__main__":
    sys.exit(main())
