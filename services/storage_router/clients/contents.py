"""Metadata's content service in the words of `domain.contents`."""

from __future__ import annotations

from isthmus.metadata.v1 import contents_pb2, dir_stats_pb2, files_pb2, spaces_pb2

from clients.leases import MetadataLessor, granted
from clients.metadata import MetadataClient
from runtime.leased_memory import Grant
from services.storage_router.domain.contents import (
    Begun,
    Committed,
    File,
    FileKind,
    FileRef,
    Located,
    Location,
    Mode,
    Wish,
)

_KINDS = {
    files_pb2.FILE_TYPE_DIRECTORY: FileKind.DIRECTORY,
    files_pb2.FILE_TYPE_SYMLINK: FileKind.SYMLINK,
}
_MODES = {Mode.REPLACE: contents_pb2.UPLOAD_MODE_REPLACE, Mode.PATCH: contents_pb2.UPLOAD_MODE_PATCH}


class MetadataContents(MetadataLessor):
    """`LeasedContents` over the multiplexed stream. Calls are made for the caller of the request under way.

    `holder` names this process in the records of uploads.
    """

    def __init__(self, metadata: MetadataClient, *, holder: str = "") -> None:
        super().__init__(metadata, holder)

    async def locate(self, file: FileRef, *, fresh: bool = False) -> Located:
        return (await self.locate_leased(file, ""))[0]

    async def locate_leased(self, file: FileRef, lease_id: str) -> tuple[Located, Grant | None]:
        answer = await self._metadata.locate_content(
            contents_pb2.LocateContentRequest(file=ref_to_proto(file), lease_id=lease_id)
        )
        located = Located(file_from_proto(answer.file), location_from_proto(answer.location))
        return located, granted(answer, lease_id)

    async def get_file(self, file: FileRef, *, with_path: bool = False) -> File:
        answer = await self._metadata.get_file(
            files_pb2.GetFileRequest(file=ref_to_proto(file), with_path=with_path)
        )
        return file_from_proto(answer.file)

    async def begin(self, wish: Wish, *, storage_id: str, storage_file_id: str, record: bool) -> Begun:
        answer = await self._metadata.begin_upload(
            contents_pb2.BeginUploadRequest(
                request_id=wish.request_id,
                file=ref_to_proto(wish.file),
                mode=_MODES[wish.mode],
                create=wish.create,
                exclusive=wish.exclusive,
                create_parents=wish.create_parents,
                permissions=wish.permissions,
                set_existing_mode=wish.set_existing_mode,
                size_bytes=wish.size_bytes,
                record_intent=record,
                storage_id=storage_id,
                storage_file_id=storage_file_id,
                holder=self._holder,
            )
        )
        return Begun(
            file_id=answer.file_id,
            space_id=answer.space_id,
            parent_id=answer.parent_id,
            name=answer.name,
            exists=answer.exists,
            location=location_from_proto(answer.location) if answer.HasField("location") else None,
            available_bytes=answer.available_bytes,
            recorded=record,
            inode_id=answer.inode_id,
        )

    async def commit(
        self, wish: Wish, begun: Begun, *, storage_id: str, storage_file_id: str, size_bytes: int
    ) -> Committed:
        answer = await self._metadata.commit_upload(
            contents_pb2.CommitUploadRequest(
                request_id=wish.request_id,
                space_id=begun.space_id,
                file_id=begun.file_id,
                parent_id="" if begun.exists else begun.parent_id,
                name="" if begun.exists else begun.name,
                create=not begun.exists,
                recorded=begun.recorded,
                follow_last_symlink=wish.file.follow_last_symlink,
                permissions=wish.permissions,
                set_existing_mode=wish.set_existing_mode,
                mode=_MODES[wish.mode],
                storage_id=storage_id,
                storage_file_id=storage_file_id,
                offset=wish.offset,
                size_bytes=size_bytes,
                mimetype=wish.mimetype,
                value_transfer_encoding=wish.encoding,
                completion_status=wish.completion_status,
            )
        )
        return Committed(answer.file.file_id, answer.created)

    async def publish(
        self, wish: Wish, *, storage_id: str, storage_file_id: str, size_bytes: int
    ) -> Committed:
        answer = await self._metadata.publish_upload(
            contents_pb2.PublishUploadRequest(
                request_id=wish.request_id,
                file=ref_to_proto(wish.file),
                create=wish.create,
                exclusive=wish.exclusive,
                create_parents=wish.create_parents,
                permissions=wish.permissions,
                set_existing_mode=wish.set_existing_mode,
                storage_id=storage_id,
                storage_file_id=storage_file_id,
                size_bytes=size_bytes,
                mimetype=wish.mimetype,
                value_transfer_encoding=wish.encoding,
                completion_status=wish.completion_status,
            )
        )
        return Committed(answer.file_id, answer.created)

    async def abort(self, wish: Wish, begun: Begun) -> None:
        await self._metadata.abort_upload(
            contents_pb2.AbortUploadRequest(request_id=wish.request_id, space_id=begun.space_id)
        )


class MetadataSpaces:
    """`SpaceRecords` of metadata."""

    def __init__(self, metadata: MetadataClient) -> None:
        self._metadata = metadata

    async def ensure_space(self, space_id: str, *, quota_bytes: int, revision: int) -> None:
        await self._metadata.ensure_space(
            spaces_pb2.EnsureSpaceRequest(
                space_id=space_id, quota_bytes=quota_bytes, support_revision=revision
            )
        )

    async def dir_stats(self, space_id: str) -> str:
        """`DirStatsRecords`."""
        request = dir_stats_pb2.GetDirStatsStateRequest(space_id=space_id)
        state = (await self._metadata.get_dir_stats_state(request)).state
        return dir_stats_pb2.DirStatsState.Name(state).removeprefix("DIR_STATS_STATE_").lower()

    async def switch_dir_stats(self, space_id: str, *, enabled: bool) -> None:
        """`DirStatsRecords`."""
        await self._metadata.set_dir_stats(
            dir_stats_pb2.SetDirStatsRequest(space_id=space_id, enabled=enabled)
        )

    async def used_bytes(self, space_id: str) -> int:
        request = spaces_pb2.GetSpaceUsageRequest(space_id=space_id)
        return (await self._metadata.get_space_usage(request)).usage.used_bytes


def ref_to_proto(file: FileRef) -> files_pb2.FileRef:
    """As it travels."""
    return files_pb2.FileRef(
        space_id=file.space_id,
        file_id=file.file_id,
        path=file.path,
        follow_last_symlink=file.follow_last_symlink,
        share_id=file.share_id,
    )


def file_from_proto(message: files_pb2.File) -> File:
    """As the domain sees it."""
    return File(
        file_id=message.file_id,
        space_id=message.space_id,
        parent_id=message.parent_id,
        name=message.name,
        kind=_KINDS.get(message.type, FileKind.REGULAR),
        mode=message.mode,
        size_bytes=message.size_bytes,
        mtime_ms=message.mtime_ms,
        symlink_target=message.symlink_target,
        mimetype=message.mimetype,
        encoding=message.value_transfer_encoding,
        path=tuple(message.path),
    )


def location_from_proto(message: contents_pb2.Location) -> Location:
    """As the domain sees it."""
    return Location(
        storage_id=message.storage_id,
        storage_file_id=message.storage_file_id,
        size_bytes=message.size_bytes,
        blocks=tuple((block.offset, block.size_bytes) for block in message.blocks),
        revision=message.revision,
    )
