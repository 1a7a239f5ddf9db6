"""Whether a stack has got over the last fault: what its parts themselves see of each other."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import psutil

from tests.support.stack import RunningStack

#: Clusters of Envoy in which requests are balanced.
BALANCED = ("gateway", "data_port", "zone_rest")


def all_in_rotation(stack: RunningStack) -> bool:
    """Whether Envoy has every instance and takes each for well: none ejected, none called sick."""
    url = f"http://127.0.0.1:{stack.layout.first.port('envoy_admin')}/clusters?format=json"
    with urllib.request.urlopen(url, timeout=5) as answer:
        clusters = {
            each["name"]: each.get("host_statuses", []) for each in json.load(answer)["cluster_statuses"]
        }
    return all(
        len(clusters.get(name, [])) == stack.layout.instances and all(map(_is_well, clusters[name]))
        for name in BALANCED
    )


def _is_well(host: dict[str, Any]) -> bool:
    # Anything else in there is a failed check or an ejection.
    return host["health_status"] == {"eds_health_status": "HEALTHY"}


def all_connected_to_zone(stack: RunningStack) -> bool:
    """Whether every process that asks the zone is connected to each of its instances."""
    instances = range(1, stack.layout.instances + 1)
    wanted = {stack.layout.first.port("zone", number) for number in instances}
    names = [f"{service}-{number}" for service in ("gateway", "storage_router") for number in instances]
    return all(wanted <= _peers(stack.pid(name)) for name in names)


def _peers(pid: int) -> set[int]:
    """Ports at the other end of a process's connections."""
    try:
        connections = psutil.Process(pid).net_connections("tcp")
    except psutil.NoSuchProcess:
        return set()
    return {each.raddr.port for each in connections if each.raddr and each.status == psutil.CONN_ESTABLISHED}
