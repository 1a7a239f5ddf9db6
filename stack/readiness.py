"""When is each part ready? Asked of the part itself, again and again, within a bound."""

from __future__ import annotations

import json
import socket
import time
import urllib.request
from collections.abc import Callable
from typing import Any

from clients.http_api import ClientError, HttpApi
from stack.bootstrap import ZONE_API, ca_file
from stack.errors import StackError
from stack.layout import Site

POLL_S = 0.1


def wait_for(what: str, is_ready: Callable[[], bool], timeout_s: float, check: Callable[[], None]) -> None:
    """Until `is_ready()`. `check` is called in between and may raise; StackError after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not is_ready():
        check()
        if time.monotonic() > deadline:
            raise StackError(f"{what} is not ready after {timeout_s:g} s", "See the reason with: make logs")
        time.sleep(POLL_S)


def consul_has_leader(url: str) -> bool:
    return bool(_json(f"{url}/v1/status/leader"))


def instances_pass(site: Site, service: str) -> bool:
    """Whether all instances of the service are registered and healthy."""
    url = f"{site.consul_url}/v1/health/service/{service}?passing=1"
    return len(_json(url, site.consul_secrets.token.read_text()) or []) >= site.layout.instances


def door_is_open(site: Site) -> bool:
    """Whether anything listens on the HTTPS port."""
    try:
        with socket.create_connection(("127.0.0.1", site.port("https")), timeout=1):
            return True
    except OSError:
        return False


def zone_answers(site: Site) -> bool:
    """Whether the zone's REST works through the front door."""
    try:
        with HttpApi(site.url, ca_file=ca_file(site.layout)) as zone:
            zone.request("GET", f"{ZONE_API}/configuration")
    except ClientError:
        return False
    return True


def _json(url: str, token: str = "") -> Any:
    request = urllib.request.Request(url, headers={"X-Consul-Token": token})  # noqa: S310 - our own http URL
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:  # noqa: S310
            return json.load(answer)
    except (OSError, ValueError):
        return None
