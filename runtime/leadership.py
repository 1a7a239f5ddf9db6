"""One leader for a duty that must run once, by a Consul session lock.

A leader believes in itself only as long as its own monotonic clock says that Consul cannot have ended its
session: the time counts from before the last renewal was sent, and Consul never ends a session earlier than
its TTL. So a leader that was paused, or cut off from Consul, stops before another one can begin. What can
outlive even that (a write already on its way) is what `fencing_token` is for.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

import structlog

from runtime.config import ConsulAddress
from runtime.consul import Consul, ConsulAway, KeyValue, next_index

log = structlog.get_logger(__name__)

#: Longest to wait for Consul when giving the lock back.
STOP_WAIT_S = 2.0
#: Pause after Consul failed, or after the lock slipped away.
RETRY_PAUSE_S = 0.5
#: Longest a question for the next change of the key stays open; it is answered at once when there is one.
FOLLOW_WAIT_S = 20


class _SessionLost(Exception):
    """Consul ended the session."""


class Leadership:
    """Campaigns for `duty` until stopped; at most one instance leads at a time.

    `ttl_s`: how long a silent leader keeps the lock; another one has it after one to two times that.
    """

    def __init__(self, consul: ConsulAddress | str, duty: str, instance_id: str, *, ttl_s: int = 10) -> None:
        self._consul = Consul(consul)
        self._duty = duty
        self._key = f"isthmus/leaders/{duty}"
        self._instance_id = instance_id
        self._ttl_s = ttl_s
        self._session = ""
        self._lock_index = 0
        self._valid_until_s = 0.0
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_leader(self) -> bool:
        """Whether this instance leads now. Ask again before every step that matters."""
        return self._lock_index > 0 and time.monotonic() < self._valid_until_s

    @property
    def fencing_token(self) -> int:
        """Grows with every change of leader (LockIndex of the key); 0 when not leading.

        A store that remembers the highest token it saw can refuse writes of a leader that is none any more.
        """
        return self._lock_index if self.is_leader else 0

    async def wait_changed(self, timeout_s: float) -> None:
        """Returns when this instance was elected or gave up, at the latest after `timeout_s`."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), timeout_s)

    async def start(self) -> None:
        """Begins to campaign in the background."""
        self._task = asyncio.create_task(self._campaign(), name=f"leadership-{self._duty}")

    async def stop(self) -> None:
        """Steps down: frees the lock and ends the session, so that another one leads at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self._step_down()
        with contextlib.suppress(ConsulAway, TimeoutError):
            async with asyncio.timeout(STOP_WAIT_S):
                await self._give_back()
        await self._consul.close()

    async def _campaign(self) -> None:
        while True:
            try:
                await self._follow_key()
            except _SessionLost:
                log.warning("session_lost", duty=self._duty)
                self._session = ""
                self._step_down()
            except ConsulAway as error:
                log.warning("campaign_interrupted", duty=self._duty, error=str(error))
            # The session is kept: if Consul still knows it later, nobody else had the lock in between.
            if time.monotonic() >= self._valid_until_s:
                self._step_down()
            await asyncio.sleep(RETRY_PAUSE_S)

    async def _follow_key(self) -> None:
        """Tries for the lock when it is free, renews while it holds it, until something fails.

        Who only waits for the lock has no session to renew.
        """
        index = 0
        asking: asyncio.Task[tuple[int, KeyValue | None]] | None = None
        try:
            while True:
                if self._session:
                    await self._renew()
                if asking is None:
                    question = self._consul.get(self._key, index=index, wait_s=FOLLOW_WAIT_S)
                    asking = asyncio.create_task(question)
                await asyncio.wait({asking}, timeout=self._ttl_s / 3 if self._session else None)
                if not asking.done():
                    continue
                (answered, key), asking = asking.result(), None
                index = next_index(index, answered)
                if key is None or not key.session:
                    await self._try_lock()
                    index = 0
                elif key.session == self._session:
                    self._learn(key)
                else:
                    self._step_down()
                    await self._end_session()
        finally:
            if asking is not None:
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)

    async def _renew(self) -> None:
        asked_s = time.monotonic()
        if not await self._consul.renew_session(self._session):
            self._valid_until_s = 0.0
            raise _SessionLost
        self._valid_until_s = asked_s + self._ttl_s

    async def _try_lock(self) -> None:
        self._step_down()
        if not self._session:
            asked_s = time.monotonic()
            self._session = await self._consul.create_session(self._duty, ttl_s=self._ttl_s)
            self._valid_until_s = asked_s + self._ttl_s
        if not await self._consul.acquire(self._key, self._session, {"instance_id": self._instance_id}):
            await asyncio.sleep(RETRY_PAUSE_S)

    def _learn(self, key: KeyValue) -> None:
        if self._lock_index != key.lock_index:
            self._lock_index = key.lock_index
            log.info("elected", duty=self._duty, fencing_token=key.lock_index)
            self._announce()

    def _step_down(self) -> None:
        if self._lock_index:
            self._lock_index = 0
            log.info("stepped_down", duty=self._duty)
            self._announce()

    def _announce(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _give_back(self) -> None:
        if self._session:
            await self._consul.release(self._key, self._session)
            await self._end_session()

    async def _end_session(self) -> None:
        if self._session:
            session, self._session = self._session, ""
            await self._consul.destroy_session(session)
