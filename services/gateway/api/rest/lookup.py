"""`POST /lookup-file-id/{space}[/{path}]`: from a path to a file id."""

from __future__ import annotations

from isthmus.metadata.v1 import files_pb2

from runtime.http import file_ids
from runtime.http.paths import resolve_space, split_path
from services.gateway.api.http import Answer, json_answer
from services.gateway.api.namespace import ref
from services.gateway.api.ports import Metadata
from services.gateway.api.rest.operations import PlainCall


class LookupRoutes:
    """From paths to ids."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    async def lookup_file_id(self, call: PlainCall) -> Answer:
        """The id of what the path names; an empty path is the user root.

        A symbolic link that is the last element is not followed.
        """
        names = split_path(call.tail)
        if not names:
            root = file_ids.user_root(call.identity.subject_id)
            return _answer(root.space_id, root.uuid)
        space_id = resolve_space(call.identity, names[0], provider_id=call.provider_id)
        answer = await self._metadata.get_file(
            files_pb2.GetFileRequest(file=ref(file_ids.FileId(space_id, ""), names[1:]))
        )
        return _answer(space_id, answer.file.file_id)


def _answer(space_id: str, uuid: str) -> Answer:
    return json_answer({"fileId": file_ids.encode(space_id, uuid)})
