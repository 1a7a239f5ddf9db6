"""The lease of one copy: what its record says, whose calls the work is, and what is waited for."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
import structlog
from isthmus.metadata.v1 import copies_pb2

from runtime.auth import ClusterKey, LastingIdentity, as_caller
from runtime.clock import Clock
from runtime.errors import Aborted, DeadlineExceeded, InternalError, IsthmusError, Unavailable
from runtime.http.errors import ApiError
from runtime.request import bind
from services.gateway.api.cdmi.duplicates import Duplicates
from services.gateway.api.ports import CopyRecords, Metadata

log = structlog.get_logger(__name__)

T = TypeVar("T")

#: How long the identity of who began the copy is believed at a time: longer than any one file takes.
IDENTITY_LIFE_MS = 7 * 24 * 3600 * 1000
#: Time between two words in the record, which also renew the lease of 30 s.
SAVE_INTERVAL_S = 3.0
#: After so long without a word that was heard somebody else may have the lease.
LEASE_SAFE_S = 20.0
#: Pauses between tries.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 10.0

Path = tuple[str, ...]


class Lost(Exception):
    """Somebody else works at the copy, or it was given up."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What every run works with."""

    metadata: Metadata
    records: CopyRecords
    duplicates: Duplicates
    key: ClusterKey
    clock: Clock
    patience_s: float


class CopyLease:
    """One lease of one copy, and how far the work is.

    `last`: the last path of a tree that is copied, None at its beginning; `token`: the page it stands on.
    `under_way`: bytes of files that are being copied, by their ids.
    """

    def __init__(self, copy: copies_pb2.Copy, tools: Tools) -> None:
        self.copy = copy
        self.tools = tools
        self._identity = LastingIdentity(tools.key, copy.identity, life_ms=IDENTITY_LIFE_MS)
        # All of the source was found to be within the token's reach, and the workshop never is.
        self._identity.everywhere()
        self.progress = copies_pb2.CopyProgress()
        self.progress.CopyFrom(copy.progress)
        position = orjson.loads(copy.progress.position or b"{}")
        self.token: str = position.get("token", "")
        self.last: Path | None = tuple(position["last"]) if "last" in position else None
        self.progress.copied_bytes = position.get("copied_bytes", 0)
        self.under_way: dict[str, int] = {}
        self._heard_s = time.monotonic()

    @contextmanager
    def called(self, step: str = "") -> Iterator[str]:
        """Calls in the block are made for who began the copy, as this step of his request; its id."""
        step_id = f"{self.copy.request_id}/{step}" if step else self.copy.request_id
        with as_caller(*self._identity.current(self.tools.clock.now_ms())), bind(request_id=step_id):
            yield step_id

    async def patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Does what can be repeated until it is done, or until what it needs was away for too long."""
        give_up_s = time.monotonic() + self.tools.patience_s
        pause_s = _FIRST_PAUSE_S
        while True:
            if time.monotonic() - self._heard_s > LEASE_SAFE_S:
                raise Lost
            try:
                return await call()
            except (IsthmusError, ApiError) as error:
                if _is_lost(error):
                    raise Lost from error
                if not _is_passing(error) or time.monotonic() + pause_s > give_up_s:
                    raise
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def save_regularly(self) -> None:
        """Says how far it is; returns when nobody hears it any more, or the copy is another's."""
        while time.monotonic() - self._heard_s <= LEASE_SAFE_S:
            await asyncio.sleep(SAVE_INTERVAL_S)
            try:
                await self._save()
            except (Unavailable, DeadlineExceeded):
                continue
            except IsthmusError as error:
                if not _is_lost(error):
                    log.warning("copy_not_saved", copy_id=self.copy.copy_id, reason=error.reason)
                return

    async def note(self) -> None:
        """Says in the record how far it is, if that can be."""
        with suppress(IsthmusError):
            await self._save()

    async def _save(self) -> None:
        progress = copies_pb2.CopyProgress()
        progress.CopyFrom(self.progress)
        position: dict[str, Any] = {"token": self.token, "copied_bytes": progress.copied_bytes}
        if self.last is not None:
            position["last"] = self.last
        progress.position = orjson.dumps(position)
        # What is under way is begun anew by whoever goes on, so it is told but not counted.
        progress.copied_bytes += sum(self.under_way.values())
        began_s = time.monotonic()
        await self.tools.records.save_copy(
            copies_pb2.SaveCopyRequest(copy_id=self.copy.copy_id, epoch=self.copy.epoch, progress=progress)
        )
        self._heard_s = began_s

    async def give_up(self, error: IsthmusError | ApiError, *, forget: bool) -> None:
        """Has the copy undone for this reason; `forget`: which nobody will ask for."""
        failing = copies_pb2.FailCopyRequest(
            copy_id=self.copy.copy_id,
            epoch=self.copy.epoch,
            error_reason=_reason_of(error),
            error_message=str(error)[:500],
            space_id=self.copy.space_id,
            forget=forget,
        )
        log.warning("copy_given_up", copy_id=self.copy.copy_id, reason=failing.error_reason)
        await self.patiently(lambda: self.tools.records.fail_copy(failing))

    async def release(self) -> None:
        """Gives the lease back, if that can be."""
        giving_back = copies_pb2.ReleaseCopyRequest(copy_id=self.copy.copy_id, epoch=self.copy.epoch)
        with suppress(IsthmusError):
            await self._save()
            await self.tools.records.release_copy(giving_back)


def _is_lost(error: IsthmusError | ApiError) -> bool:
    return isinstance(error, Aborted) and error.reason == "COPY_LOST"


def _is_passing(error: IsthmusError | ApiError) -> bool:
    """Whether the same may work later."""
    if isinstance(error, ApiError):
        return error.status >= 500 or error.details == {"errno": "eagain"}
    return error.retryable or isinstance(error, InternalError)


def _reason_of(error: IsthmusError | ApiError) -> str:
    if not isinstance(error, ApiError):
        return error.reason
    if error.id == "posix" and error.details:
        return str(error.details["errno"]).upper()
    return re.sub("([A-Z])", r"_\1", error.id).upper()
