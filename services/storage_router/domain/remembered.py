"""Contents as they were located a moment ago: reads of the same files ask metadata once.

What is remembered is true, not only recent: metadata gives a lease on a space, and takes back what it told
before it lets anybody change it (docs/decisions/0019). Here the lease is kept, what is taken back is
forgotten, and nothing is believed a moment longer than the lease holds.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextvars import Context
from dataclasses import dataclass, field

import structlog

from runtime.clock import Clock
from runtime.errors import IsthmusError
from runtime.request import current_call
from services.storage_router.domain.contents import (
    Begun,
    Committed,
    File,
    FileRef,
    Grant,
    LeasedContents,
    Located,
    Renewal,
    Wish,
)

log = structlog.get_logger(__name__)

#: Located files remembered, of all spaces together.
MAX_REMEMBERED = 20_000
#: Spaces with a lease at a time; files of others are located for each read.
MAX_SPACES = 64
#: However long a lease is renewed, a file is located anew after this, so that its access time follows.
MAX_AGE_S = 60.0
#: A space nobody reads for so long is given up.
IDLE_S = 10.0
#: Which answer was used last is kept this exactly: exact order would cost each read as much as its look-up.
USED_STEP_S = 1.0
#: Pauses after a renewal that failed, and after one that brought no lease.
RETRY_S, REFUSED_S = 0.2, 1.0

#: Who asks (the signed identity), and for what. What one caller is told is nothing to another.
_Key = tuple[bytes, FileRef]


@dataclass(slots=True)
class _Entry:
    located: Located
    depends_on: tuple[str, ...]
    until_s: float
    used_s: float


@dataclass(slots=True, eq=False)
class _Space:
    """The lease on one space, and which entries depend on which records. Times on the monotonic clock."""

    lease_id: str = ""
    number: int = 0
    valid_until_s: float = 0.0
    used_s: float = 0.0
    keys: dict[str, set[_Key]] = field(default_factory=dict)
    keeper: asyncio.Task[None] | None = None


class RememberedContents:
    """`Contents` with a memory. All other calls go straight through."""

    def __init__(self, contents: LeasedContents, clock: Clock) -> None:
        self._contents = contents
        self._clock = clock
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()
        self._spaces: dict[str, _Space] = {}

    def __len__(self) -> int:
        return len(self._entries)

    async def start(self) -> None:
        """Nothing to begin: leases are asked for when they are of use."""

    async def stop(self) -> None:
        """Gives all leases up."""
        keepers = [space.keeper for space in self._spaces.values() if space.keeper is not None]
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)

    async def locate(self, file: FileRef, *, fresh: bool = False) -> Located:
        """As `Contents.locate`; `fresh` asks metadata in any case."""
        now_s = self._clock.monotonic_s()
        space = self._space(file.space_id)
        space.used_s = now_s
        key = (current_call.get().identity_blob, file)
        if now_s < space.valid_until_s and not fresh:
            entry = self._entries.get(key)
            if entry is not None and now_s < entry.until_s:
                if now_s - entry.used_s > USED_STEP_S:
                    entry.used_s = now_s
                    self._entries.move_to_end(key)
                return entry.located
        located, grant = await self._contents.locate_leased(file, space.lease_id)
        if grant is not None:
            self._remember(key, space, located, grant)
        return located

    async def get_file(self, file: FileRef, *, with_path: bool = False) -> File:
        return await self._contents.get_file(file, with_path=with_path)

    async def begin(self, wish: Wish, *, storage_id: str, storage_file_id: str, record: bool) -> Begun:
        return await self._contents.begin(
            wish, storage_id=storage_id, storage_file_id=storage_file_id, record=record
        )

    async def commit(
        self, wish: Wish, begun: Begun, *, storage_id: str, storage_file_id: str, size_bytes: int
    ) -> Committed:
        return await self._contents.commit(
            wish, begun, storage_id=storage_id, storage_file_id=storage_file_id, size_bytes=size_bytes
        )

    async def publish(
        self, wish: Wish, *, storage_id: str, storage_file_id: str, size_bytes: int
    ) -> Committed:
        return await self._contents.publish(
            wish, storage_id=storage_id, storage_file_id=storage_file_id, size_bytes=size_bytes
        )

    async def abort(self, wish: Wish, begun: Begun) -> None:
        await self._contents.abort(wish, begun)

    # -- entries ---------------------------------------------------------------------------------------

    def _remember(self, key: _Key, space: _Space, located: Located, grant: Grant) -> None:
        """Keeps an answer, unless it may be older than what was taken back meanwhile."""
        if grant.lease_id != space.lease_id or grant.number < space.number:
            return
        self._forget(key)
        now_s = self._clock.monotonic_s()
        self._entries[key] = _Entry(located, grant.depends_on, now_s + MAX_AGE_S, now_s)
        for file_id in grant.depends_on:
            space.keys.setdefault(file_id, set()).add(key)
        if len(self._entries) > MAX_REMEMBERED:
            self._forget(next(iter(self._entries)))

    def _forget(self, key: _Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        keys = self._spaces[key[1].space_id].keys
        for file_id in entry.depends_on:
            dependent = keys[file_id]
            dependent.discard(key)
            if not dependent:
                del keys[file_id]

    def _forget_space(self, space: _Space) -> None:
        for dependent in list(space.keys.values()):
            for key in list(dependent):
                self._forget(key)

    # -- leases ----------------------------------------------------------------------------------------

    def _space(self, space_id: str) -> _Space:
        space = self._spaces.get(space_id)
        if space is None:
            space = _Space()
            if len(self._spaces) < MAX_SPACES:
                self._spaces[space_id] = space
                # Outside of the request that happened to be first: its caller and its deadline are its own.
                loop = asyncio.get_running_loop()
                space.keeper = loop.create_task(self._keep(space_id, space), context=Context())
        return space

    async def _keep(self, space_id: str, space: _Space) -> None:
        """Renews the lease as long as anybody reads in the space."""
        try:
            while self._clock.monotonic_s() - space.used_s < IDLE_S:
                await asyncio.sleep(await self._renew(space_id, space))
        except Exception:
            log.exception("lease_failed", space_id=space_id)
        finally:
            space.valid_until_s = 0.0
            self._forget_space(space)
            del self._spaces[space_id]

    async def _renew(self, space_id: str, space: _Space) -> float:
        """Seconds until the next renewal."""
        asked_s = self._clock.monotonic_s()
        try:
            told = await self._contents.renew_lease(space_id, space.lease_id, space.number)
        except IsthmusError:
            return RETRY_S  # until somebody answers, what we have is good as long as the lease
        if told is None:
            space.valid_until_s, space.lease_id = 0.0, ""
            self._forget_space(space)
            return REFUSED_S
        self._apply(space, told)
        if told.lease_s:
            space.valid_until_s = asked_s + told.lease_s
        return 0.0

    def _apply(self, space: _Space, told: Renewal) -> None:
        if told.everything or told.lease_id != space.lease_id:
            self._forget_space(space)
        for file_id in told.file_ids:
            for key in list(space.keys.get(file_id, ())):
                self._forget(key)
        space.lease_id, space.number = told.lease_id, told.number
