"""wsgidav on cheroot as it is best for many connections: `python -m bench.wsgidav_server PORT ROOT`.

wsgidav's own command keeps cheroot's limit of 10 idle connections, beyond which connections are closed under
a proxy that is about to use them.
"""

from __future__ import annotations

import logging
import sys

from cheroot import wsgi
from wsgidav.wsgidav_app import WsgiDAVApp  # type: ignore[import-untyped]

THREADS = 32
MAX_IDLE_CONNECTIONS = 1000


def main(port: int, root: str) -> None:
    """Serves until the process is stopped."""
    logging.getLogger("wsgidav").setLevel(logging.CRITICAL)
    config = {
        "host": "127.0.0.1",
        "port": port,
        "provider_mapping": {"/": root},
        "simple_dc": {"user_mapping": {"*": True}},
        "verbose": 0,
        "logging": {"enable": False},
        "lock_storage": False,
        "property_manager": False,
        "dir_browser": {"enable": False},
    }
    server = wsgi.Server(("127.0.0.1", port), WsgiDAVApp(config), numthreads=THREADS, timeout=600)
    server.keep_alive_conn_limit = MAX_IDLE_CONNECTIONS
    try:
        server.start()
    finally:
        server.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
