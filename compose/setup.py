"""The one-shot steps of the compose file: `python -m compose.setup prepare|register|seed`.

The steps are those of `make up`, in containers. Each may run again and again: what is there is kept.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from pymongo.errors import PyMongoError

from clients.http_api import ClientError
from compose.layout import ComposeLayout, from_environment
from stack import env_file, mongo
from stack.bootstrap import (
    admin_password,
    prepare_demo,
    register_provider,
    write_and_read,
    write_operator_token,
)
from stack.ca import ensure_certificates
from stack.envoy import bootstrap
from stack.errors import StackError
from stack.readiness import wait_for, zone_answers
from stack.secrets import ensure_key

#: A name that stays when the container gets another address. The first user can only be made from the
#: server's own machine, so that step runs in its network namespace.
MONGO, MONGO_HERE = "mongo:27017", "127.0.0.1:27017"
CONTROL_PLANE = ("cluster_manager", 7000)
ENVOY_ADMIN_PORT = 9901
READY_TIMEOUT_S = 120.0
SETTLE_TIMEOUT_S = 30.0
POLL_S = 0.5

T = TypeVar("T")


def prepare(layout: ComposeLayout) -> None:
    """Keys, passwords, the certificate, Envoy's bootstrap, the replica set and its users."""
    ensure_certificates(layout.run_dir / "tls", ["envoy", layout.public_host])
    ensure_key(layout.first.cluster_key)
    layout.first.consul_secrets.ensure()
    admin_password(layout)
    write_operator_token(layout.first)
    config = bootstrap(
        node_id="envoy", host_id="", control_plane=[CONTROL_PLANE], admin_port=ENVOY_ADMIN_PORT, dns=True
    )
    (layout.run_dir / "tls/envoy.json").write_text(json.dumps(config, indent=1))
    own = mongo.Secrets.below(layout.secrets)
    own.ensure()
    is_prepared = partial(mongo.is_prepared, MONGO_HERE, MONGO, own)
    wait_for("MongoDB", is_prepared, READY_TIMEOUT_S, lambda: None)


def register(layout: ComposeLayout) -> None:
    """The provider becomes known to the zone."""
    wait_for("the zone", lambda: zone_answers(layout.first), READY_TIMEOUT_S, lambda: None)
    register_provider(layout.first)


def seed(layout: ComposeLayout) -> None:
    """Storage, users, space, tokens; and the file that tells users of them."""
    demo = _patiently(lambda: prepare_demo(layout))
    _patiently(lambda: write_and_read(layout.first, demo.owner_token))
    found = env_file.values(layout, demo) | {"ISTHMUS_URL": f"https://{layout.first.domain}"}
    env_file.write(layout.secrets / "stack.env", found)


def _patiently(attempt: Callable[[], T]) -> T:
    """The result, within a bound. Envoy learns of a new instance, and instances learn of a new support,
    a moment after it is there: until then they refuse."""
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    while True:
        try:
            return attempt()
        except ClientError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)


STEPS = {"prepare": prepare, "register": register, "seed": seed}


def main(step: str) -> int:
    """0 when the step is done."""
    try:
        STEPS[step](from_environment())
    except (StackError, ClientError, PyMongoError, OSError) as error:
        sys.stderr.write(f"{step}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
