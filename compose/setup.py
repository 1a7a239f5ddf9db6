"""The one-shot steps of the compose file: `python -m compose.setup prepare|register|seed`.

Each may run again and again: what is there already is kept.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pymongo
from pymongo.errors import OperationFailure, PyMongoError

from stack.ca import ensure_certificates
from stack.envoy import bootstrap
from stack.errors import StackError
from stack.secrets import ensure_key, ensure_password

STATE = Path("/var/lib/isthmus")
SECRETS, TLS = STATE / "secrets", STATE / "tls"
MONGO = "mongo:27017"
CONTROL_PLANE = ("cluster_manager", 7000)
ENVOY_ADMIN_PORT = 9901
ALREADY_INITIALIZED = 23
MONGO_TIMEOUT_S = 60


def prepare() -> None:
    """Keys, passwords, the certificate, Envoy's bootstrap and the replica set."""
    names = [name for name in os.environ.get("ISTHMUS_EXTRA_NAMES", "").split(",") if name]
    ensure_certificates(TLS, ["envoy", *names])
    ensure_key(SECRETS / "cluster.key")
    ensure_password(SECRETS / "admin.password")
    config = bootstrap(
        node_id="envoy", host_id="", control_plane=[CONTROL_PLANE], admin_port=ENVOY_ADMIN_PORT, dns=True
    )
    (TLS / "envoy.json").write_text(json.dumps(config, indent=1))
    _initiate_replica_set()


def _initiate_replica_set() -> None:
    """One member, by a name that stays when the container gets another address."""
    client: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(
        f"mongodb://{MONGO}/?directConnection=true", serverSelectionTimeoutMS=MONGO_TIMEOUT_S * 1000
    )
    try:
        client.admin.command("replSetInitiate", {"_id": "rs0", "members": [{"_id": 0, "host": MONGO}]})
    except OperationFailure as error:
        if error.code != ALREADY_INITIALIZED:
            raise StackError(
                f"MongoDB refuses the replica set: {error}", "See: docker compose logs mongo"
            ) from error
    deadline = time.monotonic() + MONGO_TIMEOUT_S
    while not client.admin.command("hello").get("isWritablePrimary"):
        if time.monotonic() > deadline:
            raise StackError("MongoDB has no primary", "See: docker compose logs mongo")
        time.sleep(0.2)


STEPS = {"prepare": prepare}


def main(step: str) -> int:
    """0 when the step is done."""
    try:
        STEPS[step]()
    except (StackError, PyMongoError, OSError) as error:
        sys.stderr.write(f"{step}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
