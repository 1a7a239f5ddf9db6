"""Consul's catalog, followed all the time, and its register, asked when somebody wants to know."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from runtime.breaker import REFUSED_WRITES
from runtime.config import ConsulAddress
from runtime.consul import Consul
from runtime.discovery import Instance, Watch
from services.cluster_manager.domain.catalog import PROTOCOLS, Catalog, Endpoint
from services.cluster_manager.domain.cluster import Health, Leader, Member, Verdict

LEADERS_PREFIX = "isthmus/leaders/"
FIRST_VIEW_POLL_S = 0.1
MAX_DETAIL_CHARS = 500
_STATES = {"passing": Health.PASSING, "warning": Health.WARNING}


class ConsulCatalog:
    """All services of the control plane, each followed by a blocking query of its own."""

    def __init__(self, consul: ConsulAddress | str) -> None:
        self._watches = [Watch(consul, service) for service in sorted(PROTOCOLS)]
        self._catalog: Catalog | None = None
        self._endings: list[Callable[[], None]] = []
        self._listeners: dict[object, Callable[[], None]] = {}
        self._first_view: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to follow; does not fail when Consul is away."""
        self._endings = [watch.subscribe(self._learn) for watch in self._watches]
        await asyncio.gather(*(watch.start() for watch in self._watches))
        self._first_view = asyncio.create_task(self._announce_first_view(), name="first-view")

    async def stop(self) -> None:
        if self._first_view is not None:
            self._first_view.cancel()
            await asyncio.gather(self._first_view, return_exceptions=True)
        for end in self._endings:
            end()
        await asyncio.gather(*(watch.stop() for watch in self._watches))

    @property
    def catalog(self) -> Catalog | None:
        return self._catalog

    @property
    def age_s(self) -> float:
        """Age of the oldest part of the view; infinite before each service was answered for."""
        return max(watch.age_s for watch in self._watches)

    def members(self) -> tuple[Member, ...]:
        return tuple(_member(instance) for watch in self._watches for instance in watch.instances)

    def subscribe(self, on_change: Callable[[], None]) -> Callable[[], None]:
        key = object()
        self._listeners[key] = on_change
        return lambda: self._listeners.pop(key, None) and None

    async def _announce_first_view(self) -> None:
        """A service without any instance answers without a change, so nothing would call `_learn`."""
        while self._catalog is None:
            self._learn(())
            await asyncio.sleep(FIRST_VIEW_POLL_S)

    def _learn(self, _instances: Iterable[Instance]) -> None:
        if not math.isfinite(self.age_s):
            return
        view = self._view()
        if view == self._catalog:
            return
        self._catalog = view
        for listener in list(self._listeners.values()):
            listener()

    def _view(self) -> Catalog:
        return Catalog.of(_endpoint(instance) for watch in self._watches for instance in watch.instances)


class ConsulRegister:
    """Checks and leaders, as they are at the moment of asking."""

    def __init__(self, consul: ConsulAddress | str) -> None:
        self._consul = Consul(consul)

    async def start(self) -> None:
        """Nothing to begin with: each question is a request of its own."""

    async def stop(self) -> None:
        await self._consul.close()

    async def verdicts(self) -> Mapping[str, Verdict]:
        answers = await asyncio.gather(*(self._consul.service_health(service) for service in PROTOCOLS))
        return {
            entry["Service"]["ID"]: _verdict(entry["Checks"]) for _, entries in answers for entry in entries
        }

    async def leaders(self) -> tuple[Leader, ...]:
        keys = await self._consul.list_keys(LEADERS_PREFIX)
        held = {name.removeprefix(LEADERS_PREFIX): key for name, key in sorted(keys.items()) if key.session}
        return tuple(
            Leader(duty=duty, instance_id=_instance_id(key.value), fencing_token=key.lock_index)
            for duty, key in held.items()
        )


def _endpoint(instance: Instance) -> Endpoint:
    return Endpoint(
        service=instance.service,
        instance_id=instance.instance_id,
        host=instance.host,
        port=instance.port,
        uds=instance.meta.get("uds", ""),
        host_id=instance.meta.get("host_id", ""),
        is_healthy=instance.healthy,
    )


def _member(instance: Instance) -> Member:
    return Member(
        service=instance.service,
        instance_id=instance.instance_id,
        address=instance.address,
        version=instance.meta.get("version", ""),
        started_at_ms=_number(instance.meta.get("started_at_ms")),
        pid=_number(instance.meta.get("pid")),
        health=Health.PASSING if instance.healthy else Health.CRITICAL,
        refused_writes=instance.meta.get(REFUSED_WRITES, ""),
    )


def _number(text: str | None) -> int:
    """Meta is text that anybody may have written."""
    return int(text) if text and text.isascii() and text.isdigit() else 0


def _verdict(checks: list[dict[str, Any]]) -> Verdict:
    states = [_STATES.get(check["Status"], Health.CRITICAL) for check in checks] or [Health.PASSING]
    health = max(states, key=lambda each: each.value)
    failing = [check["Output"].strip() for check in checks if check["Status"] != "passing"]
    return Verdict(health, "; ".join(failing)[:MAX_DETAIL_CHARS])


def _instance_id(value: bytes) -> str:
    with contextlib.suppress(ValueError, TypeError, KeyError):
        return str(json.loads(value)["instance_id"])
    return ""
