"""Deleted directories: `GET /data/{space}/trash`, `POST /data/{id}/restore`, `DELETE /data/{id}/trash`.

Ours, beyond the original.
"""

from __future__ import annotations

from typing import Any

from isthmus.metadata.v1 import trash_pb2

from runtime.errors import NotPermitted
from runtime.http import file_ids
from runtime.http.declared import integer, text
from runtime.http.errors import ApiError, posix
from runtime.request import request_id
from services.gateway.api.http import Answer, empty, json_answer
from services.gateway.api.namespace import ref
from services.gateway.api.ports import Metadata
from services.gateway.api.rest.operations import Call

LIMIT = integer("limit", "Most directories of the page.", default=1000, low=1, high=1000)
TOKEN = text("token", "`nextPageToken` of the last page.", empty=False)
TARGET_PARENT = text("target_parent_id", "Id of the directory it goes to; where it was by default.")
NAME = text("name", "Its name there; the one it had by default.", empty=False)


class TrashRoutes:
    """What was deleted and can be had back."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    async def list(self, call: Call) -> Answer:
        """`GET`: directories in the trash of a space, those that the caller may restore."""
        call.check_member()
        if not call.file.is_space_root:
            raise ApiError("notSupported")
        answer = await self._metadata.list_trash(
            trash_pb2.ListTrashRequest(
                space_id=call.file.space_id, page_size=call[LIMIT], page_token=call[TOKEN] or ""
            )
        )
        return json_answer(
            {
                "directories": [_told(entry) for entry in answer.entries],
                "nextPageToken": answer.next_page_token or None,
            }
        )

    async def restore(self, call: Call) -> Answer:
        """`POST`: brings a directory back with all in it; its id and theirs stay."""
        parent = _parent(call)
        call.check_member()
        _refuse_roots(call)
        answer = await self._metadata.restore_file(
            trash_pb2.RestoreFileRequest(
                request_id=request_id(),
                space_id=call.file.space_id,
                file_id=call.file.uuid,
                target_parent=None if parent is None else ref(parent),
                name=call[NAME] or "",
            )
        )
        return json_answer({"fileId": file_ids.encode(call.file.space_id, answer.file.file_id)})

    async def purge(self, call: Call) -> Answer:
        """`DELETE`: has a directory removed for good, now."""
        call.check_member()
        _refuse_roots(call)
        await self._metadata.purge_file(
            trash_pb2.PurgeFileRequest(
                request_id=request_id(), space_id=call.file.space_id, file_id=call.file.uuid
            )
        )
        return empty()


def _parent(call: Call) -> file_ids.FileId | None:
    asked = call[TARGET_PARENT]
    if asked is None:
        return None
    parent = file_ids.decode(asked)
    if parent is None or parent.share_id is not None:
        raise ApiError("badValueIdentifier", {"key": TARGET_PARENT.name})
    if parent.space_id != call.file.space_id:
        raise posix("exdev")
    return parent


def _refuse_roots(call: Call) -> None:
    if call.file.is_user_root or call.file.is_space_root:
        raise NotPermitted("this directory is never in the trash")


def _told(entry: trash_pb2.TrashEntry) -> dict[str, Any]:
    file = entry.file
    return {
        "fileId": file_ids.encode(file.space_id, file.file_id),
        "name": file.name,
        "parentFileId": file_ids.encode(file.space_id, file.parent_id),
        "ownerUserId": file.owner_id,
        "deletedBy": entry.deleted_by,
        "deletedAt": entry.deleted_ms // 1000,
        "expiresAt": entry.expires_ms // 1000,
    }
