"""Copies that may take long: begun by a request, worked at by whichever gateway has the lease.

The request waits a moment, since most copies are short; then it is answered and the work goes on. A gateway
that stops gives its leases back, one that dies loses them, and another one goes on where the record says.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass

import structlog
from isthmus.metadata.v1 import copies_pb2

from runtime.auth import ClusterKey
from runtime.clock import Clock
from runtime.errors import FailedPrecondition, rebuild
from runtime.periodic import Periodic
from runtime.request import NO_CALL, current_call, request_id
from services.gateway import metrics
from services.gateway.api.cdmi.copy_leases import Lost, Tools
from services.gateway.api.cdmi.copy_runs import CopyRun
from services.gateway.api.cdmi.duplicates import Duplicates
from services.gateway.api.cdmi.nodes import Node
from services.gateway.api.cdmi.updates import Update
from services.gateway.api.namespace import ref
from services.gateway.api.ports import CopyRecords, Metadata

log = structlog.get_logger(__name__)

#: A request begins its copy at once as long as no more than so many times the usual number are under way:
#: short copies do not wait behind long ones.
_MORE_FOR_REQUESTS = 4
_UNDER_WAY = (
    copies_pb2.COPY_STATE_COPYING,
    copies_pb2.COPY_STATE_PUBLISHED,
    copies_pb2.COPY_STATE_UNDOING,
)
#: How often it is asked whether a copy that somebody else works at has ended.
_LOOK_INTERVAL_S = 0.25
#: How long copies under way have to give their leases back when the process stops.
_STOP_S = 5.0


class Unfinished(Exception):
    """The copy goes on; its destination tells how far it is."""


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """What an operator chooses.

    `wait_s`: how long a request waits for the end of its copy. `at_a_time`: copies this process works at.
    `patience_s`: how long a part that is away is waited for. `claim_interval_s`: how often a process with
    room looks for copies that nobody works at.
    """

    wait_s: float = 5.0
    at_a_time: int = 4
    patience_s: float = 300.0
    claim_interval_s: float = 10.0


class CopyJobs:
    """Begins copies, waits for them, works at them. A Part: it stops before the clients it uses."""

    def __init__(
        self,
        metadata: Metadata,
        records: CopyRecords,
        duplicates: Duplicates,
        key: ClusterKey,
        clock: Clock,
        options: CopyOptions,
    ) -> None:
        self._records = records
        self._options = options
        self._tools = Tools(metadata, records, duplicates, key, clock, patience_s=options.patience_s)
        self._process = secrets.token_hex(8)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._claimer = Periodic("copy_claimer", self.claim_some, options.claim_interval_s)
        self._stopping = False

    async def start(self) -> None:
        """Begins to look for copies that nobody works at."""
        await self._claimer.start()

    async def stop(self) -> None:
        """Gives the copies under way to others."""
        self._stopping = True
        await self._claimer.stop()
        for task in self._running.values():
            task.cancel()
        if self._running:
            await asyncio.wait(self._running.values(), timeout=_STOP_S)

    @property
    def running(self) -> int:
        """Copies that are worked at here."""
        return len(self._running)

    async def copy(self, source: Node, target: Node, update: Update | None, *, moves: bool = False) -> None:
        """Copies, or finds out what became of it when an earlier try of the request began it.

        Raises Unfinished when it takes longer than a request is to wait; what reading and writing raise.
        """
        has_room = self._has_room(_MORE_FOR_REQUESTS * self._options.at_a_time)
        started = await self._records.start_copy(
            copies_pb2.StartCopyRequest(
                request_id=request_id(),
                source=ref(source.id),
                parent=target.parent_ref(),
                name=target.names[-1],
                moves=moves,
                update=b"" if update is None else update.SerializeToString(),
                holder=f"{self._process}/{secrets.token_hex(4)}" if has_room else "",
            )
        )
        deadline_s = time.monotonic() + self._options.wait_s
        if started.leased:
            run = CopyRun(started.copy, self._tools)
            await self._wait_for(run, self._begin(run), deadline_s)
        else:
            self._claimer.wake()
            await self._watch(started.copy, deadline_s)

    async def claim_some(self) -> int:
        """Begins to work at copies that nobody works at, as far as there is room; answers how many."""
        claimed = 0
        while self._has_room(self._options.at_a_time):
            holder = f"{self._process}/{secrets.token_hex(4)}"
            answer = await self._records.claim_copy(copies_pb2.ClaimCopyRequest(holder=holder))
            if not answer.HasField("copy"):
                break
            self._begin(CopyRun(answer.copy, self._tools))
            claimed += 1
        return claimed

    def _has_room(self, limit: int) -> bool:
        return not self._stopping and len(self._running) < limit

    def _begin(self, run: CopyRun) -> asyncio.Task[None]:
        key = f"{run.copy.copy_id}/{run.copy.epoch}"
        task = asyncio.create_task(self._work(run), name=f"copy-{key}")
        self._running[key] = task
        metrics.COPIES_UNDER_WAY.inc()
        task.add_done_callback(lambda ended: self._ended(key, ended))
        return task

    def _ended(self, key: str, task: asyncio.Task[None]) -> None:
        del self._running[key]
        metrics.COPIES_UNDER_WAY.dec()
        if not task.cancelled():
            task.exception()  # who waits is told; a copy nobody waits for has told its record
        if len(self._running) == self._options.at_a_time - 1:
            self._claimer.wake()

    async def _work(self, run: CopyRun) -> None:
        # Its own work, however the request that began it goes on.
        current_call.set(NO_CALL)
        outcome = "failed"
        try:
            await run.run()
            outcome = "done"
        except asyncio.CancelledError:
            outcome = "released"
            raise
        except Lost:
            outcome = "lost"
            raise
        finally:
            metrics.COPIES_ENDED.labels(outcome).inc()
            log.info("copy_ended", copy_id=run.copy.copy_id, outcome=outcome, **run.told)

    async def _wait_for(self, run: CopyRun, task: asyncio.Task[None], deadline_s: float) -> None:
        run.is_awaited = True
        try:
            done, _ = await asyncio.wait({task}, timeout=max(0.0, deadline_s - time.monotonic()))
        finally:
            run.is_awaited = False
        if not done:
            await run.note()
        if not done or task.cancelled():
            raise Unfinished
        error = task.exception()
        if isinstance(error, Lost):
            raise Unfinished
        if error is not None:
            raise error

    async def _watch(self, copy: copies_pb2.Copy, deadline_s: float) -> None:
        """Waits for a copy that is not ours to work at."""
        request = copies_pb2.GetCopyRequest(copy_id=copy.copy_id, space_id=copy.space_id)
        while copy.state in _UNDER_WAY:
            if time.monotonic() >= deadline_s:
                raise Unfinished
            await asyncio.sleep(_LOOK_INTERVAL_S)
            copy = (await self._records.get_copy(request)).copy
        if copy.state == copies_pb2.COPY_STATE_FAILED:
            raise rebuild(FailedPrecondition, copy.error_reason, copy.error_message, {})
