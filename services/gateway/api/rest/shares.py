"""`/shares`: public pointers to files and directories."""

from __future__ import annotations

from typing import Any

from isthmus.metadata.v1 import files_pb2, shares_pb2

from runtime.entity_names import is_entity_name
from runtime.errors import IsthmusError, NoSuchFile, NotPermitted
from runtime.http import file_ids
from runtime.http.declared import Param, mentioned
from runtime.http.errors import ApiError
from runtime.http.file_ids import FileId, check_member
from runtime.http.params import Params
from runtime.request import request_id
from services.gateway.api.gate import peer_ip
from services.gateway.api.http import JSON, Answer, empty, json_answer, to_headers
from services.gateway.api.namespace import ref
from services.gateway.api.ports import Shares
from services.gateway.api.rest.operations import PlainCall
from services.gateway.domain.confined import refuse_confined

_MAX_DESCRIPTION_CHARS = 100_000
_ROOT_KEYS = ("rootFileId", "fileId")
_TYPES = {files_pb2.FILE_TYPE_REGULAR: "REG", files_pb2.FILE_TYPE_DIRECTORY: "DIR"}


def _read_name(params: Params) -> str | None:
    name = params.string("name")
    if name is not None and not is_entity_name(name):
        raise ApiError("badValueName", {"key": "name"})
    return name


def _read_required_name(params: Params) -> str:
    params.required_string("name", empty=True)
    return _read_name(params) or ""


def _read_description(params: Params) -> str | None:
    text = params.string("description")
    if text is not None and len(text) > _MAX_DESCRIPTION_CHARS:
        raise ApiError("badValueTextTooLarge", {"key": "description", "limit": _MAX_DESCRIPTION_CHARS})
    return text


def _read_root(params: Params) -> FileId:
    for key in _ROOT_KEYS:
        text = params.get(key)
        if text is None:
            continue
        root = file_ids.decode(text) if isinstance(text, str) else None
        if root is None:
            raise ApiError("badValueIdentifier", {"key": key})
        if root.share_id is not None:
            raise NotPermitted("what is shared can't be shared through its share")
        return root
    raise ApiError("missingAtLeastOneValue", {"keys": sorted(_ROOT_KEYS)})


_FILE_ID = {"type": "string", "pattern": "^[0-9A-Fa-f]+$"}
_NAME = {"type": "string", "minLength": 2, "maxLength": 128}
_TEXT = {"type": "string", "maxLength": _MAX_DESCRIPTION_CHARS}
_ABOUT_NAME = "2 to 128 letters, digits and `_()`; inside also blanks, dots and hyphens."
_NAME_ERRORS = ("badValueString", "badValueName")
_TEXT_ERRORS = ("badValueString", "badValueTextTooLarge")
NAME = Param("name", _ABOUT_NAME, _NAME, _read_required_name, errors=_NAME_ERRORS, required=True)
ROOT = Param(
    "rootFileId",
    "What is shared; it or `fileId` is needed.",
    _FILE_ID,
    _read_root,
    errors=("badValueIdentifier", "missingAtLeastOneValue"),
)
OLDER_ROOT = mentioned("fileId", "Older name of `rootFileId`, which wins.", _FILE_ID)
DESCRIPTION = Param("description", "Markdown.", _TEXT, _read_description, errors=_TEXT_ERRORS)
NEW_NAME = Param("name", _ABOUT_NAME, _NAME, _read_name, errors=_NAME_ERRORS)
NEW_DESCRIPTION = Param("description", "Markdown.", _TEXT, _read_description, errors=_TEXT_ERRORS)


class ShareRoutes:
    """Making, showing, changing and ending shares. `domain` is ours, `zone_domain` that of our zone."""

    def __init__(self, shares: Shares, *, domain: str, zone_domain: str) -> None:
        self._shares = shares
        self._domain = domain
        self._zone_domain = zone_domain

    async def create(self, call: PlainCall) -> Answer:
        """`POST /shares`."""
        root = call[ROOT]
        refuse_confined(call.identity)
        check_member(call.identity, root, provider_id=call.provider_id)
        if root.is_user_root:
            raise NotPermitted("this directory only lists spaces")
        try:
            answer = await self._shares.create_share(
                shares_pb2.CreateShareRequest(
                    request_id=request_id(),
                    file=ref(root),
                    name=call[NAME],
                    description=call[DESCRIPTION] or "",
                    peer_ip=peer_ip(call.request),
                )
            )
        except NoSuchFile:
            raise ApiError("notFound") from None
        share_id = answer.share.share_id
        location = f"https://{self._domain}/api/v3/oneprovider/shares/{share_id}"
        return json_answer({"shareId": share_id}, 201, (*JSON, *to_headers([("location", location)])))

    async def get(self, call: PlainCall) -> Answer:
        """`GET /shares/{shid}`."""
        return json_answer(self._told(await self._find(call)))

    async def update(self, call: PlainCall) -> Answer:
        """`PATCH /shares/{shid}`."""
        name, description = call[NEW_NAME], call[NEW_DESCRIPTION]
        if name is None and description is None:
            raise ApiError("missingAtLeastOneValue", {"keys": ["description", "name"]})
        request = shares_pb2.UpdateShareRequest(
            share_id=call.path["shid"], name=name, description=description, peer_ip=peer_ip(call.request)
        )
        await self._refuse_confined(call)
        await self._shares.update_share(request)
        return empty()

    async def delete(self, call: PlainCall) -> Answer:
        """`DELETE /shares/{shid}`."""
        share = await self._find(call)
        request = shares_pb2.DeleteShareRequest(
            share_id=share.share_id, space_id=share.space_id, peer_ip=peer_ip(call.request)
        )
        await self._shares.delete_share(request)
        return empty()

    async def _find(self, call: PlainCall) -> shares_pb2.Share:
        await self._refuse_confined(call)
        answer = await self._shares.get_share(shares_pb2.GetShareRequest(share_id=call.path["shid"]))
        return answer.share

    async def _refuse_confined(self, call: PlainCall) -> None:
        """Refuses a confined token; only that there is no such share goes before it."""
        if call.identity.caveats is None:
            return
        try:
            await self._shares.get_share(shares_pb2.GetShareRequest(share_id=call.path["shid"]))
        except IsthmusError as error:
            if error.reason == "ZONE_NOT_FOUND":
                raise
        refuse_confined(call.identity)

    def _told(self, share: shares_pb2.Share) -> dict[str, Any]:
        zone = f"https://{self._zone_domain}"
        return {
            "shareId": share.share_id,
            "spaceId": share.space_id,
            "name": share.name,
            "description": share.description,
            "publicUrl": f"{zone}/share/{share.share_id}",
            "publicRestUrl": f"{zone}/api/v3/onezone/shares/{share.share_id}/public",
            "rootFileId": file_ids.encode(share.space_id, share.root_file_id, share.share_id),
            "rootFileType": _TYPES[share.root_type],
            "handleId": None,
        }
