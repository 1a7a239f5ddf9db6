"""Contents as they were located a moment ago: reads of the same files ask metadata once.

What is remembered is true, not only recent: see `runtime.leased_memory`.
"""

from __future__ import annotations

from runtime.clock import Clock
from runtime.leased_memory import LeasedMemory
from runtime.request import current_call
from services.storage_router.domain.contents import (
    Begun,
    Committed,
    File,
    FileRef,
    LeasedContents,
    Located,
    Wish,
)

#: Who asks (the signed identity), and for what. What one caller is told is nothing to another.
_Key = tuple[bytes, FileRef]


class RememberedContents:
    """`Contents` with a memory. All other calls go straight through."""

    def __init__(self, contents: LeasedContents, clock: Clock) -> None:
        self._contents = contents
        self._memory: LeasedMemory[_Key, Located] = LeasedMemory(contents, clock)

    def __len__(self) -> int:
        return len(self._memory)

    async def start(self) -> None:
        """Nothing to begin: leases are asked for when they are of use."""

    async def stop(self) -> None:
        """Gives all leases up."""
        await self._memory.stop()

    async def locate(self, file: FileRef, *, fresh: bool = False) -> Located:
        """As `Contents.locate`; `fresh` asks metadata in any case."""
        key = (current_call.get().identity_blob, file)
        known = self._memory.get(key)
        if known is not None and not fresh:
            return known
        located, grant = await self._contents.locate_leased(file, self._memory.lease_on(file.space_id))
        if grant is not None:
            self._memory.put(file.space_id, key, located, grant)
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
