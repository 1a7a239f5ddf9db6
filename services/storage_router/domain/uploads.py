"""Writing content so that it becomes visible whole or not at all.

Ask, write, sync, publish. Whole content goes into a storage file with a new name, so until it is published
the old content is what everybody reads, and after a failure what is left is a file nobody refers to.
A patch goes into the storage file that is there: its bytes are not atomic, as in POSIX.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from runtime.errors import (
    DeadlineExceeded,
    FileTooLarge,
    InputOutputError,
    IsthmusError,
    NoSpace,
    NoSuchFile,
    NotSupported,
    Unavailable,
)
from services.storage_router.domain import choice
from services.storage_router.domain.allowed import Allowed
from services.storage_router.domain.catalog import Catalog, OpenStorage
from services.storage_router.domain.contents import Begun, Committed, Contents, Mode, StaleUpload, Wish
from services.storage_router.domain.drivers import WriteHandle

#: The end of any file: what metadata keeps, and half of what a signed 64-bit offset can say.
MAX_FILE_BYTES = 2**62
#: Pauses between tries of a commit whose outcome is not known.
COMMIT_PAUSES_S = (0.1, 0.5, 2.0)


class CannotPatch(NotSupported):
    """The storage cannot write in the middle of a file."""


@dataclass(slots=True)
class Upload:
    """An upload that was allowed.

    `storage_file_id`: where its bytes go. `own`: nobody else can know this storage file, so it may be
    removed when the upload fails. `recorded`: metadata holds a record of it.
    """

    wish: Wish
    begun: Begun
    opened: OpenStorage
    storage_file_id: str
    own: bool
    recorded: bool

    @property
    def limit_bytes(self) -> int | None:
        """Most bytes the body may have; a patch may overwrite, so only its commit knows about the quota."""
        if self.wish.mode is Mode.PATCH:
            return self.wish.max_bytes
        if self.wish.max_bytes is None:
            return self.begun.available_bytes
        return min(self.begun.available_bytes, self.wish.max_bytes)

    async def put(self, data: bytes | bytearray) -> None:
        """Writes a whole small body."""
        if not data:
            return
        if self.wish.mode is Mode.REPLACE:
            await self.opened.driver.put(self.storage_file_id, data, sync=self.opened.storage.fsync)
            return
        handle = await self.open()
        try:
            await handle.write(self.wish.offset, memoryview(data))
            await self.sync(handle)
        finally:
            await handle.close()

    async def open(self) -> WriteHandle:
        """The storage file, for a body that comes in pieces. StaleUpload when it was replaced."""
        driver = self.opened.driver
        if self.wish.mode is Mode.REPLACE:
            return await driver.create(self.storage_file_id)
        # With blocks there are bytes already: the storage file is there, or was replaced meanwhile.
        holds_bytes = self.begun.location is not None and bool(self.begun.location.blocks)
        try:
            return await driver.open_for_write(self.storage_file_id, create=not holds_bytes)
        except NoSuchFile as error:
            await driver.check()
            raise StaleUpload(storage_file_id=self.storage_file_id) from error

    async def sync(self, handle: WriteHandle) -> None:
        """Flushes to the device, where the storage asks for it."""
        if self.opened.storage.fsync:
            await handle.sync()


class Uploads:
    """The rules of uploads. `contents` decides who may; `catalog` knows where bytes go."""

    def __init__(
        self, contents: Contents, catalog: Catalog, new_name: choice.NewName = choice.random_name
    ) -> None:
        self._contents = contents
        self._catalog = catalog
        self._new_name = new_name
        self._allowed = Allowed()

    async def begin(self, wish: Wish, *, large: bool) -> Upload:
        """Asks whether the upload may be. Nothing has been written when it raises.

        Raises what metadata refuses with; FileTooLarge, NoSpace, ReadOnlyStorage, StorageUnreachable,
        SpaceNotSupported.
        `large`: the body does not fit into memory, so a record of it is kept meanwhile.
        """
        if wish.offset + (wish.size_bytes or 0) > MAX_FILE_BYTES:
            raise FileTooLarge(limit=MAX_FILE_BYTES)
        await self._catalog.learn(space_id=wish.file.space_id)
        opened = self._catalog.storage_for_new_data(wish.file.space_id)
        opened.check_writable()
        whole = wish.mode is Mode.REPLACE
        fresh = choice.storage_file_id(wish.file.space_id, self._new_name()) if whole else ""
        begun = await self._contents.begin(
            wish, storage_id=opened.storage.storage_id, storage_file_id=fresh, record=large and whole
        )
        upload = self._aim(wish, begun, opened, fresh, recorded=large and whole)
        try:
            await self._check_room(upload)
        except IsthmusError:
            await self.give_up(upload)
            raise
        return upload

    def _aim(self, wish: Wish, begun: Begun, opened: OpenStorage, fresh: str, *, recorded: bool) -> Upload:
        if fresh:
            return Upload(wish, begun, opened, fresh, own=True, recorded=recorded)
        location = begun.location
        if not begun.exists:
            target = choice.storage_file_id(begun.space_id, self._new_name())
        elif location is not None and location.storage_file_id:
            target = location.storage_file_id
            if location.storage_id:
                opened = self._catalog.storage(location.storage_id)
                opened.check_writable()
        else:
            # All who write into this file now have to meet in one storage file.
            target = choice.storage_file_id(begun.space_id, begun.inode_id or begun.file_id)
        if not opened.driver.capabilities.random_write:
            raise CannotPatch(storage_id=opened.storage.storage_id)
        return Upload(wish, begun, opened, target, own=not begun.exists, recorded=False)

    async def _check_room(self, upload: Upload) -> None:
        size = upload.wish.size_bytes
        if not size:
            return
        limit = upload.limit_bytes
        if limit is not None and size > limit:
            raise NoSpace("the quota of the space is used up", space_id=upload.begun.space_id)
        if upload.recorded:
            left = await upload.opened.driver.space_left()
            if left.total_bytes and size > left.free_bytes:
                raise NoSpace("the storage is full", storage_id=upload.opened.storage.storage_id)

    async def commit(self, upload: Upload, size_bytes: int) -> Committed:
        """Publishes what was written; on a refusal the bytes are removed again.

        When metadata does not say whether it took the commit, the bytes stay, for it may have: then the
        sweep decides.
        """
        target = upload.storage_file_id if size_bytes else self._empty_target(upload)

        def commit() -> Awaitable[Committed]:
            return self._contents.commit(
                upload.wish,
                upload.begun,
                storage_id=upload.opened.storage.storage_id,
                storage_file_id=target,
                size_bytes=size_bytes,
            )

        committed = await self._told(upload, commit)
        self._allowed.note(upload.wish)
        return committed

    def may_write_first(self, wish: Wish) -> bool:
        """Whether a small body may be written before anybody is asked: the answer will most likely be yes."""
        return wish.max_bytes is None and self._allowed.expects(wish)

    async def write_first(self, wish: Wish, data: bytes | bytearray) -> Committed | None:
        """Writes a small whole body and publishes it by one question.

        None when nothing came of it and one has to ask first, which tells what is wrong, too. Raises what
        metadata refuses with; then the bytes are removed again, and next time it is asked first.
        """
        space_id = wish.file.space_id
        try:
            opened = self._catalog.storage_for_new_data(space_id)
            opened.check_writable()
            fresh = choice.storage_file_id(space_id, self._new_name())
            upload = Upload(wish, Begun("", space_id), opened, fresh, own=True, recorded=False)
            await self.put(upload, data)
        except IsthmusError:
            self._allowed.forget(wish)
            return None

        def publish() -> Awaitable[Committed]:
            return self._contents.publish(
                wish,
                storage_id=opened.storage.storage_id,
                storage_file_id=fresh if data else "",
                size_bytes=len(data),
            )

        try:
            return await self._told(upload, publish)
        except StaleUpload:
            return None
        except IsthmusError:
            self._allowed.forget(wish)
            raise

    async def put(self, upload: Upload, data: bytes | bytearray) -> None:
        """Writes a whole small body; what was written of one that fails is removed again."""
        try:
            await upload.put(data)
        except BaseException:
            await self.give_up(upload)
            raise

    async def _told(self, upload: Upload, publish: Callable[[], Awaitable[Committed]]) -> Committed:
        for pause_s in (*COMMIT_PAUSES_S, None):
            try:
                return await publish()
            except (Unavailable, DeadlineExceeded) as error:
                if pause_s is None or isinstance(error, InputOutputError):
                    raise
                await asyncio.sleep(pause_s)
            except IsthmusError:
                await self.give_up(upload)
                raise
        raise AssertionError("the last try returns or raises")

    def _empty_target(self, upload: Upload) -> str:
        # Nothing was written: whole content is then empty, and a patch leaves what is there.
        location = upload.begun.location
        if upload.wish.mode is Mode.REPLACE or location is None:
            return ""
        return location.storage_file_id

    async def give_up(self, upload: Upload) -> None:
        """Removes what was written and the record. Never raises: the sweep finds what stays behind."""
        if upload.own:
            try:
                await upload.opened.driver.delete(upload.storage_file_id)
            except IsthmusError:
                return
        if upload.recorded:
            try:
                await self._contents.abort(upload.wish, upload.begun)
            except IsthmusError:
                return
