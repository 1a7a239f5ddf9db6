"""`POST /lookup-file-id/{space}[/{path}]`: from a path to a file id."""

from __future__ import annotations

import orjson
from isthmus.metadata.v1 import files_pb2

from clients.leases import granted
from runtime.http import file_ids
from runtime.http.paths import resolve_space, split_path
from services.gateway.api.http import JSON, Answer
from services.gateway.api.namespace import ref
from services.gateway.api.ports import Metadata
from services.gateway.api.rest.operations import PlainCall
from services.gateway.domain.attribute_memory import AttributeMemory, ToldAttributes


class LookupRoutes:
    """From paths to ids."""

    def __init__(self, metadata: Metadata, memory: AttributeMemory) -> None:
        self._metadata = metadata
        #: Of the ids of files.
        self.memory = memory

    async def lookup_file_id(self, call: PlainCall) -> Answer:
        """The id of what the path names; an empty path is the user root.

        A symbolic link that is the last element is not followed.
        """
        names = split_path(call.tail)
        if not names:
            root = file_ids.user_root(call.identity.subject_id)
            return Answer(200, _told(root.space_id, root.uuid), JSON)
        space_id = resolve_space(call.identity, names[0], provider_id=call.provider_id)
        lease_id = self.memory.lease_for(call.question, space_id)
        answer = await self._metadata.get_file(
            files_pb2.GetFileRequest(
                file=ref(file_ids.FileId(space_id, ""), names[1:]),
                lease_id=lease_id,
                without_sum=True,
                without_times=True,
            )
        )
        body = _told(space_id, answer.file.file_id)
        self.memory.put(call.question, ToldAttributes(space_id, body), granted(answer, lease_id))
        return Answer(200, body, JSON)


def _told(space_id: str, uuid: str) -> bytes:
    return orjson.dumps({"fileId": file_ids.encode(space_id, uuid)})
