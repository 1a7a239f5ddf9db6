"""`/data/{id}/metadata/xattrs`: extended attributes. The reserved ones keep the rules of the original."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.metadata.v1 import files_pb2, xattrs_pb2

from runtime.errors import NoData, NoSuchFile, NotPermitted
from runtime.http.declared import flag, required_texts, text
from runtime.http.errors import ApiError
from runtime.request import request_id
from services.gateway.api.http import Answer, empty, json_answer
from services.gateway.api.namespace import acl_of_text, ref
from services.gateway.api.ports import Metadata
from services.gateway.api.rest.operations import Call
from services.gateway.domain import acls, xattrs
from services.gateway.domain.acls import PrincipalNames

ATTRIBUTE = text("attribute", "Tell this one only.", empty=False)
INHERITED = flag("inherited", "Whether the nearest directory above that has a missing key gives it.")
SHOW_INTERNAL = flag("show_internal", "Whether keys of the system are told, too.")
RESOLVE_SYMLINK = flag(
    "resolve_symlink", "Whether a symbolic link stands for what it leads to.", default=True
)
KEYS = required_texts("keys", "The keys to remove; those that are not there are fine.")


class XattrRoutes:
    """Reading, merging and removing extended attributes."""

    def __init__(self, metadata: Metadata, names: PrincipalNames) -> None:
        self._metadata = metadata
        self._names = names

    async def get(self, call: Call) -> Answer:
        """`GET`: one (`attribute`), or all."""
        name = call[ATTRIBUTE]
        check(call)
        request = xattrs_pb2.ListXattrsRequest(
            file=ref(call.file, follow=call[RESOLVE_SYMLINK]),
            names=[] if name is None else [name],
            inherited=call[INHERITED],
            internal=call[SHOW_INTERNAL] and name is None,
        )
        told = await self._metadata.list_xattrs(request)
        found: dict[str, Any] = {xattr.name: orjson.Fragment(xattr.value_json) for xattr in told.xattrs}
        if told.acl:
            names = await self._names.of_acl(call.file.space_id, told.acl)
            found[xattrs.ACL] = acls.cdmi_form(told.acl, names)
        if name is not None and name not in found:
            raise NoData(f"no attribute {name}")
        return json_answer(found)

    async def put(self, call: Call) -> Answer:
        """`PUT`: a JSON object, merged key by key."""
        if not isinstance(call.value, dict):
            raise ApiError("badValueJSON", {"key": "metadata"})
        check(call)
        change = xattrs.plan_set(call.text)
        file = ref(call.file, follow=call[RESOLVE_SYMLINK])
        request = xattrs_pb2.UpdateXattrsRequest(
            request_id=request_id(),
            file=file,
            set=[xattrs_pb2.Xattr(name=name, value_json=value) for name, value in change.set.items()],
            mimetype=change.mimetype,
            value_transfer_encoding=change.value_transfer_encoding,
            completion_status=change.completion_status,
            rdf=change.rdf,
        )
        if change.json is not None:
            request.json.value_json = change.json
        if change.acl is not None:
            told = await self._metadata.get_file(files_pb2.GetFileRequest(file=file))
            request.acl.CopyFrom(acl_of_text(change.acl, told.file))
        await self._metadata.update_xattrs(request)
        return empty()

    async def delete(self, call: Call) -> Answer:
        """`DELETE`: the named ones; those that are not there are fine."""
        check(call)
        await self._metadata.update_xattrs(
            xattrs_pb2.UpdateXattrsRequest(
                request_id=request_id(), file=ref(call.file, follow=call[RESOLVE_SYMLINK]), remove=call[KEYS]
            )
        )
        return empty()


def check(call: Call) -> None:
    """What all routes of metadata refuse once the parameters are found good."""
    call.check_member()
    if call.file.is_user_root:
        if call.request.method == "GET":
            raise NoSuchFile
        raise NotPermitted("this directory only lists spaces")
