"""Trees that only the request that asks for them can make, made out of sight.

What is made is in a workshop, as a long copy is (`copy_jobs`), under a lease that is renewed while the
request goes on. Once whole it gets its place in one step. If the process dies, the lease lapses and what was
made is taken away, unless the front door has the same request tried again before.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from isthmus.metadata.v1 import copies_pb2

from runtime.auth import ClusterKey, LastingIdentity, as_caller, caller_blob
from runtime.clock import Clock
from runtime.errors import Aborted, DeadlineExceeded, IsthmusError, Unavailable
from runtime.http.file_ids import FileId
from runtime.request import request_id
from services.gateway.api.cdmi.copy_leases import IDENTITY_LIFE_MS, LEASE_SAFE_S, SAVE_INTERVAL_S
from services.gateway.api.cdmi.nodes import Node
from services.gateway.api.ports import CopyRecords

#: How long a repeated request waits for the lease of its first try to lapse, or for that to end.
_WAIT_S, _LOOK_INTERVAL_S = 40.0, 0.25
_OVER = (copies_pb2.COPY_STATE_PUBLISHED, copies_pb2.COPY_STATE_DONE)
_GIVEN_UP = (copies_pb2.COPY_STATE_UNDOING, copies_pb2.COPY_STATE_FAILED)

#: Makes a directory of the target's name in this one, as the request under way.
Work = Callable[[FileId], Awaitable[None]]


class Workshops:
    """Makes directories whole or not at all."""

    def __init__(self, records: CopyRecords, key: ClusterKey, clock: Clock) -> None:
        self._records = records
        self._key = key
        self._clock = clock

    async def make(self, target: Node, work: Work) -> None:
        """Has `work` make what is to be at the target, unless an earlier try of the request did.

        Raises EEXIST, what `work` raises, Aborted when it was cancelled meanwhile: nothing is left then.
        """
        copy = await self._lease(target)
        if copy is None:
            return
        try:
            if copy.state not in _OVER:
                await self._work(copy, work)
                publishing = copies_pb2.PublishCopyRequest(
                    copy_id=copy.copy_id, epoch=copy.epoch, space_id=copy.space_id
                )
                await self._records.publish_copy(publishing)
        except BaseException:
            await self._give_up(copy)
            raise
        ending = copies_pb2.EndCopyRequest(copy_id=copy.copy_id, epoch=copy.epoch, space_id=copy.space_id)
        # It is at its place; if this is not heard, whoever looks for forgotten leases ends it.
        with suppress(IsthmusError):
            await self._records.end_copy(ending)

    async def _lease(self, target: Node) -> copies_pb2.Copy | None:
        """The record, ours to work at; None when the work was done."""
        request = copies_pb2.StartCopyRequest(
            request_id=request_id(),
            parent=target.parent_ref(),
            name=target.names[-1],
            holder=secrets.token_hex(8),
        )
        give_up_s = time.monotonic() + _WAIT_S
        while time.monotonic() < give_up_s:
            started = await self._records.start_copy(request)
            if started.leased:
                return started.copy
            if started.copy.state in _OVER:
                return None
            if started.copy.state in _GIVEN_UP:
                break
            await asyncio.sleep(_LOOK_INTERVAL_S)
        raise Unavailable("an earlier try of the request has not ended")

    async def _work(self, copy: copies_pb2.Copy, work: Work) -> None:
        keeper = asyncio.create_task(self._keep(copy))
        working = asyncio.create_task(self._as_caller(copy, work))
        try:
            await asyncio.wait({keeper, working}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise Aborted("it was given up meanwhile")
            working.result()
        finally:
            for task in (keeper, working):
                task.cancel()
            await asyncio.gather(keeper, working, return_exceptions=True)

    async def _as_caller(self, copy: copies_pb2.Copy, work: Work) -> None:
        identity = LastingIdentity(self._key, caller_blob(), life_ms=IDENTITY_LIFE_MS)
        # The place was found to be within the token's reach, and the workshop never is.
        identity.everywhere()
        with as_caller(*identity.current(self._clock.now_ms())):
            await work(FileId(copy.space_id, copy.workshop_id))

    async def _keep(self, copy: copies_pb2.Copy) -> None:
        """Renews the lease; returns when it is lost."""
        saving = copies_pb2.SaveCopyRequest(copy_id=copy.copy_id, epoch=copy.epoch)
        heard_s = time.monotonic()
        while time.monotonic() - heard_s < LEASE_SAFE_S:
            await asyncio.sleep(SAVE_INTERVAL_S)
            began_s = time.monotonic()
            try:
                await self._records.save_copy(saving)
            except (Unavailable, DeadlineExceeded):
                continue
            except IsthmusError:
                return
            heard_s = began_s

    async def _give_up(self, copy: copies_pb2.Copy) -> None:
        failing = copies_pb2.FailCopyRequest(
            copy_id=copy.copy_id,
            epoch=copy.epoch,
            space_id=copy.space_id,
            error_reason="ABORTED",
            forget=True,
        )
        with suppress(IsthmusError):
            await self._records.fail_copy(failing)
