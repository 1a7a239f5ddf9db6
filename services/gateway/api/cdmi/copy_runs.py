"""The work at one copy: from where its record says to its place."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import structlog
from isthmus.metadata.v1 import copies_pb2, files_pb2

from runtime.errors import IsthmusError, NoSuchFile
from runtime.http.errors import ApiError
from runtime.http.file_ids import FileId
from services.gateway.api.cdmi.copy_leases import CopyLease, Lost, Tools
from services.gateway.api.cdmi.copy_making import CopyMaking
from services.gateway.api.namespace import ref

log = structlog.get_logger(__name__)


class CopyRun:
    """One lease of one copy."""

    def __init__(self, copy: copies_pb2.Copy, tools: Tools) -> None:
        self.copy = copy
        self._lease = CopyLease(copy, tools)
        #: Whether somebody waits who is told why it is given up.
        self.is_awaited = False

    @property
    def told(self) -> dict[str, Any]:
        """What a line of the log tells of it."""
        return {
            "copied_bytes": self._lease.progress.copied_bytes,
            "copied_files": self._lease.progress.copied_files,
            "epoch": self.copy.epoch,
        }

    async def run(self) -> None:
        """Works until it is at its place. Raises Lost, or why it was given up.

        Cancelled, it gives its lease back.
        """
        saver = asyncio.create_task(self._lease.save_regularly())
        work = asyncio.create_task(self._make_and_publish())
        try:
            await asyncio.wait({saver, work}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                work.cancel()
                await asyncio.wait({work})
            if work.cancelled():
                raise Lost
            work.result()
        except asyncio.CancelledError:
            await _ended(work, saver)
            await self._lease.release()
            raise
        finally:
            await _ended(work, saver)

    async def _make_and_publish(self) -> None:
        copy = self.copy
        if copy.state == copies_pb2.COPY_STATE_COPYING:
            try:
                await CopyMaking(self._lease).make()
                with self._lease.called():
                    await self._lease.patiently(self._publish)
            except (IsthmusError, ApiError) as error:
                await self._lease.give_up(error, forget=self.is_awaited)
                raise
        refusal = await self._source_refused() if copy.moves else None
        ending = copies_pb2.EndCopyRequest(copy_id=copy.copy_id, epoch=copy.epoch, space_id=copy.space_id)
        await self._lease.patiently(lambda: self._lease.tools.records.end_copy(ending))
        if refusal is not None:
            raise refusal

    async def note(self) -> None:
        """Says in the record how far it is, if that can be."""
        await self._lease.note()

    async def _publish(self) -> None:
        await self._lease.tools.records.publish_copy(
            copies_pb2.PublishCopyRequest(
                copy_id=self.copy.copy_id, epoch=self.copy.epoch, space_id=self.copy.space_id
            )
        )

    async def _source_refused(self) -> IsthmusError | None:
        """Why the source of a move could not be removed: the copy stays, so that nothing is lost."""
        try:
            with self._lease.called("source"):
                await self._lease.patiently(self._remove_source)
        except IsthmusError as error:
            log.warning("source_stays", copy_id=self.copy.copy_id, reason=error.reason)
            return error
        return None

    async def _remove_source(self) -> None:
        source = FileId(self.copy.source_space_id, self.copy.source_id)
        with suppress(NoSuchFile):
            await self._lease.tools.metadata.delete_file(
                files_pb2.DeleteFileRequest(request_id=f"{self.copy.request_id}/source", file=ref(source))
            )


async def _ended(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # told already, or nobody's any more
