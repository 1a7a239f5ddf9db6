"""What `infer_access_token_scope` costs: file clients ask it at every turn."""

from __future__ import annotations

import statistics
from dataclasses import replace
from urllib.parse import quote

import psutil

from bench import load
from bench.load import Small, Target
from bench.rows import Limit, Wrong
from bench.subject import Subject
from bench.suite import Sizes
from clients.cli.settings import read_env_file
from clients.http_api import HttpApi, json_object
from stack.bootstrap import ADMIN, ZONE_API, admin_password, ca_file
from stack.supervisor import Supervisor

SCOPE_ROW = "infer token scope"
USERS = 200
CONNECTIONS = 16
#: 500 calls a second on one core.
MAX_CALL_US = 2000.0


def scope_limit(own: Subject, sizes: Sizes) -> Limit:
    """Processor time of the zone and of the front door for one call; tokens of many users in turn."""
    plan = Small(
        "POST",
        f"{ZONE_API}/tokens/infer_access_token_scope",
        200,
        CONNECTIONS,
        sizes.seconds,
        b'{"token": "{name}"}',
        names=_tokens(own),
        json=True,
        refusal='"spaces":{}',
    )
    # As clients do it: the token is in the body only.
    target = Target(own.door.target.base, ca_file=own.door.target.ca_file)
    load.storm(target, replace(plan, seconds=1))
    busy, speeds = [], []
    for _ in range(sizes.rounds):
        before_s = _processor_s(own)
        speed = load.storm(target, plan)
        busy.append((_processor_s(own) - before_s) / (speed * sizes.seconds))
        speeds.append(speed)
    detail = (
        f"{statistics.median(speeds):,.0f} calls a second, tokens of {USERS} users, {CONNECTIONS} connections"
    )
    return Limit(
        f"{SCOPE_ROW}, processor time a call", statistics.median(busy) * 1e6, MAX_CALL_US, "µs", detail
    )


def _tokens(own: Subject) -> tuple[str, ...]:
    """One of each of many users, members of the space that the stack has."""
    space_id = read_env_file(own.layout.stack_env)["ISTHMUS_SPACE_ID"]
    basic = (ADMIN, admin_password(own.layout))
    with HttpApi(own.layout.first.url, basic=basic, ca_file=ca_file(own.layout)) as zone:
        return tuple(_token(zone, space_id, number) for number in range(USERS))


def _token(zone: HttpApi, space_id: str, number: int) -> str:
    made = zone.request("POST", f"{ZONE_API}/users", body={"fullName": f"User {number}"})
    user_id = quote(made.headers["location"].rpartition("/")[2])
    zone.request("PUT", f"{ZONE_API}/spaces/{quote(space_id)}/users/{user_id}", body={})
    path = f"{ZONE_API}/users/{user_id}/tokens/named"
    return str(json_object(zone.request("POST", path, body={"name": "bench"}))["token"])


def _processor_s(own: Subject) -> float:
    """What the zone and the front door used since they began."""
    states = Supervisor(own.layout).states()
    pids = [each.pid for each in states if each.pid and each.name.startswith(("zone-", "envoy"))]
    if len(pids) < 2:
        raise Wrong("the zone or its front door does not run")
    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)
