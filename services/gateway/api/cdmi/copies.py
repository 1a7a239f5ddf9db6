"""Copying of files and trees at the server; bytes stay at the data ports.

A file that is copied at once is made at its place, and taken away again when something fails. Whatever may
take longer is a copy with a record (`CopyJobs`). Permissions are those of any reading and writing by the same
user: what he may not read fails the copy.
"""

from __future__ import annotations

from contextlib import suppress

from isthmus.metadata.v1 import files_pb2

from runtime.errors import IsthmusError
from runtime.http.errors import ApiError, posix
from runtime.request import request_id
from services.gateway.api.cdmi.copy_jobs import CopyJobs
from services.gateway.api.cdmi.duplicates import WANTED, Duplicates, Place, is_taken
from services.gateway.api.cdmi.nodes import Node
from services.gateway.api.cdmi.repeats import is_ours, step_id
from services.gateway.api.cdmi.updates import Update
from services.gateway.api.namespace import ref
from services.gateway.api.ports import Metadata


class Copies:
    """Makes new files that are like others: content, user metadata, media type, encoding, mode.

    `direct_bytes`: a file up to this size is copied at once.
    """

    def __init__(
        self, metadata: Metadata, duplicates: Duplicates, jobs: CopyJobs, *, direct_bytes: int
    ) -> None:
        self._metadata = metadata
        self._duplicates = duplicates
        self._jobs = jobs
        self._direct_bytes = direct_bytes

    async def copy_tree(self, source: Node, target: Node, update: Update | None = None) -> None:
        """Copies a file or a directory with all it holds to a place where nothing is.

        `update`: what the topmost has differently from its source. Raises EEXIST, EINVAL for a directory into
        itself, what reading and writing raise; Unfinished for what goes on without us.
        """
        self._check(source, target)
        if source.is_directory or source.file.size_bytes > self._direct_bytes:
            await self._jobs.copy(source, target, update)
        else:
            await self._copy_at_once(source, target, update)

    async def copy_fields(
        self, source: Node, target: Node, update: Update | None, *, with_content: bool
    ) -> None:
        """As `copy_tree`; without content an empty file or directory that is like the source besides."""
        if with_content:
            await self.copy_tree(source, target, update)
            return
        self._check(source, target)
        await self._copy_at_once(source, target, update, empty=True)

    async def move_across(self, source: Node, target: Node, update: Update | None = None) -> None:
        """As `copy_tree`, and removes the source once all of it is copied."""
        self._check(source, target)
        if source.is_directory or source.file.size_bytes > self._direct_bytes:
            await self._jobs.copy(source, target, update, moves=True)
            return
        await self._copy_at_once(source, target, update)
        await self._metadata.delete_file(
            files_pb2.DeleteFileRequest(request_id=step_id("source"), file=ref(source.id))
        )

    def _check(self, source: Node, target: Node) -> None:
        if target.record is not None and not is_ours(target.record):
            raise posix("eexist")
        target.parent_ref()
        if source.is_top or target.is_top:
            raise posix("eperm")
        if target.names[: len(source.names)] == source.names:
            raise posix("einval")

    async def _copy_at_once(
        self, source: Node, target: Node, update: Update | None, *, empty: bool = False
    ) -> None:
        request = files_pb2.GetFileRequest(file=ref(source.id), wanted=WANTED)
        answer = await self._metadata.get_file(request)
        place = Place(target.parent_ref(), target.names[-1], target.inside_path())
        try:
            if empty:
                await self._duplicates.empty(answer.file, place, update, request_id())
            elif source.is_reference:
                await self._duplicates.link(answer.file, place, request_id())
            elif source.is_queue:
                await self._duplicates.queue(answer.file, place, request_id(), update)
            else:
                await self._duplicates.file(answer.file, place, update)
        except BaseException as error:
            # What somebody else put there meanwhile is his.
            if not is_taken(error):
                await self._take_away(target)
            raise

    async def _take_away(self, target: Node) -> None:
        where = files_pb2.FileRef(space_id=target.space_id, path=target.names[1:])
        with suppress(IsthmusError, ApiError):
            await self._metadata.delete_file(
                files_pb2.DeleteFileRequest(request_id=step_id("undo"), file=where)
            )
