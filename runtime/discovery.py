"""Finding each other through Consul: `Registrar` makes this process known, `Watch` knows the others.

Neither needs Consul to be there: a registrar keeps trying in the background, a watch keeps what it last knew.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog

from runtime.config import ConsulAddress
from runtime.consul import Consul, ConsulAway, next_index
from runtime.version import VERSION

log = structlog.get_logger(__name__)

#: Longest a blocking query stays open: a registrar hears at once when Consul forgets its instance, a watch
#: when anything changes. Short enough for `Watch.age_s` to mean something, and to find out soon that an agent
#: has gone without a word.
WAIT_S = 15
#: A longer time without a confirmation is a gap, in which anything may have come and gone unseen.
GAP_S = WAIT_S + 5.0
#: Start and end of the growing pause between tries while Consul is away.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 3.0
#: After Consul was away, or told an older state, how long instances that it has not told of since are still
#: believed in: time enough for every registrar to register again. It may have lost everything, and its index
#: does not show that: that of a new life soon passes the old one.
RELEARN_S = 2.0 * WAIT_S
#: Longest a process waits for Consul when it starts, and when it stops.
START_WAIT_S, STOP_WAIT_S = 1.0, 2.0
#: Longest a server waits to know whom it depends on.
ACQUAINTED_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Instance:
    """One process that offers a service. `meta` as registered; `healthy` when all its checks pass."""

    service: str
    instance_id: str
    host: str
    port: int
    meta: Mapping[str, str] = field(default_factory=dict)
    healthy: bool = True

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Registration:
    """What a process tells about itself, and how Consul shall check it once a second.

    `alive_port`: where this process answers `GET /healthz` at the least cost (`telemetry.MetricsServer`), on
    the same event loop as all it serves; 0 where it does not, then `port` is asked by `check`.
    `checked_by`: instance id of another registration of this process, registered before, whose check speaks
    for this one, too: one loop serves both.
    """

    service: str
    instance_id: str
    host: str
    port: int
    check: Literal["grpc", "http", "tcp"] = "grpc"
    http_path: str = "/healthz"
    alive_port: int = 0
    checked_by: str = ""
    meta: Mapping[str, str] = field(default_factory=dict)

    def consul_check(self) -> dict[str, str]:
        """The check as Consul's API wants it. Passing from the start, so that routing begins at once."""
        address = f"{self.host}:{self.port}"
        if self.alive_port:
            how = {"HTTP": f"http://{self.host}:{self.alive_port}/healthz"}
        else:
            how = {
                "grpc": {"GRPC": address},
                "http": {"HTTP": f"http://{address}{self.http_path}"},
                "tcp": {"TCP": address},
            }[self.check]
        often = {"Interval": "1s", "Timeout": "1s"}
        check = {"AliasService": self.checked_by} if self.checked_by else {**how, **often}
        return {**check, "DeregisterCriticalServiceAfter": "1m", "Status": "passing"}


def process_meta(host_id: str, *, protocol: str, **more: str) -> dict[str, str]:
    """What each registration of this process says about it. `protocol`: `grpc` or `http`. Empty values go."""
    about = {
        "version": VERSION,
        "pid": str(os.getpid()),
        "host_id": host_id,
        "started_at_ms": str(time.time_ns() // 1_000_000),
        "protocol": protocol,
        **more,
    }
    return {name: value for name, value in about.items() if value}


class Registrar:
    """Keeps instances registered from `start` to `stop`.

    `registrations` may be a function, asked at start, for ports that are known only then. Start this part
    last and it stops first: nobody is sent here before all is ready, nor after the end has begun.
    """

    def __init__(
        self,
        consul: ConsulAddress | str,
        registrations: Sequence[Registration] | Callable[[], Sequence[Registration]],
    ) -> None:
        self._consul = Consul(consul)
        self._wanted = registrations
        self._registrations: Sequence[Registration] = ()
        self._told: dict[str, str] = {}
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def tell(self, **about: str) -> None:
        """Has all instances say this about themselves from now on; what is empty is said no more."""
        self._told = {name: value for name, value in {**self._told, **about}.items() if value}
        self._news.set()

    async def start(self) -> None:
        """Registers; when Consul does not answer soon, goes on trying in the background."""
        self._registrations = self._wanted() if callable(self._wanted) else tuple(self._wanted)
        first_try = asyncio.Event()
        self._task = asyncio.create_task(self._keep_registered(first_try), name="registrar")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(first_try.wait(), START_WAIT_S)

    async def stop(self) -> None:
        """Deregisters, so that callers leave before this process does."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        try:
            async with asyncio.timeout(STOP_WAIT_S):
                for each in self._registrations:
                    await self._consul.deregister(each.instance_id)
        except (ConsulAway, TimeoutError) as error:
            log.warning("deregistration_failed", error=str(error))
        finally:
            await self._consul.close()

    async def _keep_registered(self, first_try: asyncio.Event) -> None:
        known: set[str] = set()  # at first what Consul has is from a former life: register all anew
        pause = _Pause()
        while True:
            try:
                self._news.clear()
                for each in self._registrations:
                    if each.instance_id not in known:
                        await self._register(each)
                first_try.set()
                pause.reset()
                known = await self._still_known()
            except ConsulAway as error:
                log.warning("registration_delayed", error=str(error))
                known = set()  # what was to be told may not have been
                first_try.set()
                await pause.sleep()

    async def _still_known(self) -> set[str]:
        """Waits until Consul may have forgotten an instance, or there is something to tell: which ones need
        not be registered then. Consul forgets all of a process at once, so one is watched closely.
        """
        news = asyncio.create_task(self._news.wait())
        forgotten = asyncio.create_task(self._first_forgotten())
        try:
            await asyncio.wait({news, forgotten}, return_when=asyncio.FIRST_COMPLETED)
            if news.done():
                return set()
            forgotten.result()
            return await self._consul.service_ids()
        finally:
            for each in (news, forgotten):
                each.cancel()
            await asyncio.gather(news, forgotten, return_exceptions=True)

    async def _first_forgotten(self) -> None:
        """Until Consul does not know the first instance, or another one may be forgotten for long enough."""
        instance_id = self._registrations[0].instance_id
        seen = await self._consul.service_hash(instance_id)
        looked_s = time.monotonic()
        while seen and (len(self._registrations) == 1 or time.monotonic() - looked_s < WAIT_S):
            seen = await self._consul.service_hash(instance_id, seen=seen, wait_s=WAIT_S)

    async def _register(self, each: Registration) -> None:
        await self._consul.register(
            each.service,
            each.instance_id,
            each.host,
            each.port,
            check=each.consul_check(),
            meta={**each.meta, **self._told},
        )
        log.info("registered", service=each.service, instance_id=each.instance_id, port=each.port)


class Watch:
    """The instances of one service, as Consul knows them, always up to date within milliseconds."""

    def __init__(self, consul: ConsulAddress | str, service: str) -> None:
        self.service = service
        self._consul = Consul(consul)
        self._instances: tuple[Instance, ...] = ()
        self._confirmed_s: float | None = None
        self._steady_since_s = float("inf")
        self._changed = asyncio.Event()
        self._listeners: dict[object, Callable[[tuple[Instance, ...]], None]] = {}
        self._relearn_until_s = 0.0
        self._doubted: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    @property
    def instances(self) -> tuple[Instance, ...]:
        """All that are registered, healthy or not, ordered by id. The last known while Consul is away."""
        return self._instances

    @property
    def age_s(self) -> float:
        """Seconds since Consul last confirmed `instances`; infinite before the first answer.

        Stays below about `WAIT_S` as long as Consul answers.
        """
        return float("inf") if self._confirmed_s is None else time.monotonic() - self._confirmed_s

    @property
    def steady_since_s(self) -> float:
        """Since when, by `time.monotonic`, Consul confirms `instances` without a gap; infinite in it."""
        return float("inf") if self.age_s > GAP_S else self._steady_since_s

    def subscribe(self, callback: Callable[[tuple[Instance, ...]], None]) -> Callable[[], None]:
        """Calls back with the new instances on every change. Returns what ends the subscription."""
        key = object()
        self._listeners[key] = callback

        def unsubscribe() -> None:
            self._listeners.pop(key, None)

        return unsubscribe

    async def wait_changed(self) -> tuple[Instance, ...]:
        """The instances after the next change."""
        await self._changed.wait()
        return self._instances

    async def ready(self, timeout_s: float) -> bool:
        """Waits until there is a healthy instance; False when there is none after `timeout_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not any(each.healthy for each in self._instances):
                    await self.wait_changed()
        return any(each.healthy for each in self._instances)

    async def start(self) -> None:
        """Begins to watch; waits a moment for the first answer, but needs none."""
        first_answer = asyncio.Event()
        self._task = asyncio.create_task(self._follow(first_answer), name=f"watch-{self.service}")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(first_answer.wait(), START_WAIT_S)

    async def stop(self) -> None:
        """Ends watching; `instances` stays as it was."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self._consul.close()

    async def _follow(self, first_answer: asyncio.Event) -> None:
        index, newest, was_away = 0, 0, False
        pause = _Pause()
        while True:
            try:
                answered, entries = await self._consul.service_health(
                    self.service, index=index, wait_s=WAIT_S
                )
            except ConsulAway as error:
                log.warning("watch_interrupted", service=self.service, error=str(error), age_s=self.age_s)
                index, was_away = 0, True
                await pause.sleep()
                continue
            if was_away or answered < newest:
                self._relearn_until_s = time.monotonic() + RELEARN_S
                self._doubted = {each.instance_id for each in self._instances}
                self._steady_since_s = time.monotonic()
            newest, was_away = answered, False
            index = next_index(index, answered)
            if self.age_s > GAP_S:
                self._steady_since_s = time.monotonic()
            self._confirmed_s = time.monotonic()
            self._learn(tuple(sorted((_instance(self.service, each) for each in entries), key=_by_id)))
            first_answer.set()
            if index:
                pause.reset()
            else:
                await pause.sleep()  # an index that can't be waited for must not become a busy loop

    def _learn(self, instances: tuple[Instance, ...]) -> None:
        self._doubted -= {each.instance_id for each in instances}
        if self._doubted and time.monotonic() < self._relearn_until_s:
            kept = (each for each in self._instances if each.instance_id in self._doubted)
            instances = tuple(sorted((*instances, *kept), key=_by_id))
        if instances == self._instances:
            return
        self._instances = instances
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        for callback in list(self._listeners.values()):
            try:
                callback(instances)
            except Exception:
                log.exception("watch_listener_failed", service=self.service)


class Acquainted:
    """Holds a start up until the service that `watch` follows is known.

    Put it before the server: who takes requests but knows nobody to pass them to can only refuse them, while
    the front door takes those that find no listener to another instance. In the end it lets the start go on.
    """

    def __init__(self, watch: Watch, *, timeout_s: float = ACQUAINTED_WAIT_S) -> None:
        self._watch = watch
        self._timeout_s = timeout_s

    async def start(self) -> None:
        """Returns once there is a healthy instance, or it took too long."""
        if not await self._watch.ready(self._timeout_s):
            log.warning("nobody_known", service=self._watch.service, waited_s=self._timeout_s)

    async def stop(self) -> None:
        """Nothing to do."""


class _Pause:
    """Pauses that grow while something fails, spread so that processes don't return all at once."""

    def __init__(self) -> None:
        self._next_s = FIRST_PAUSE_S

    def reset(self) -> None:
        self._next_s = FIRST_PAUSE_S

    async def sleep(self) -> None:
        await asyncio.sleep(_spread(self._next_s))
        self._next_s = min(self._next_s * 2, LONGEST_PAUSE_S)


def _spread(seconds: float) -> float:
    return seconds * random.uniform(0.7, 1.3)


def _by_id(instance: Instance) -> str:
    return instance.instance_id


def _instance(service: str, entry: Mapping[str, Any]) -> Instance:
    known = entry["Service"]
    return Instance(
        service=service,
        instance_id=known["ID"],
        host=known["Address"] or entry["Node"]["Address"],
        port=known["Port"],
        meta=dict(known.get("Meta") or {}),
        healthy=all(check["Status"] == "passing" for check in entry["Checks"]),
    )
