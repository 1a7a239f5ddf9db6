"""Making what has no content: empty files, directories and links."""

from __future__ import annotations

from isthmus.metadata.v1 import files_pb2

from clients.metadata import MetadataClient
from services.storage_router.clients.contents import ref_to_proto
from services.storage_router.domain.names import NewName

_TYPES = {
    "REG": files_pb2.FILE_TYPE_REGULAR,
    "DIR": files_pb2.FILE_TYPE_DIRECTORY,
    "SYMLNK": files_pb2.FILE_TYPE_SYMLINK,
    "LNK": files_pb2.FILE_TYPE_REGULAR,
}


class MetadataNames:
    """`Names` of metadata."""

    def __init__(self, metadata: MetadataClient) -> None:
        self._metadata = metadata

    async def make(self, new: NewName) -> str:
        answer = await self._metadata.create_file(
            files_pb2.CreateFileRequest(
                request_id=new.request_id,
                parent=ref_to_proto(new.parent),
                name=new.name,
                type=_TYPES[new.kind],
                mode=new.mode,
                symlink_target=new.symlink_target,
                create_parents=new.create_parents,
                update_existing=new.update_existing,
                hard_link_target_id=new.hard_link_target_id,
                id_only=True,
            )
        )
        return answer.file.file_id
