"""Items of metadata as they are read: each kind with rights of its own."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from isthmus.metadata.v1 import xattrs_pb2

from runtime.http.cdmi import Query
from runtime.http.file_ids import FileId
from services.gateway.api.namespace import ref, xattrs_of
from services.gateway.api.ports import Metadata
from services.gateway.domain import acls, xattrs
from services.gateway.domain.acls import PrincipalNames
from services.gateway.domain.cdmi import metadata as rules
from services.gateway.domain.files import FileRecord

_DOCUMENTS = (xattrs.JSON, xattrs.RDF)
#: Fields of an answer that are kept beside the metadata, and need the right to read attributes.
_KEPT_ON_FILE = ("mimetype", "valuetransferencoding", "completionStatus")


async def items_of(
    metadata: Metadata, principals: PrincipalNames, file: FileRecord, query: Query
) -> dict[str, Any]:
    """What users have set on a file and the ACL, as far as a query asks for them.

    Raises AccessDenied when one of the things that are asked for and there may not be read: then nothing is
    told. What is not set needs no right.
    """
    wants = query.wants("metadata")
    items = wants and file.has_custom_metadata and rules.shows_user_items(query.metadata)
    names = list(_DOCUMENTS) if items else []
    if wants and file.has_acl and rules.shows_acl(query.metadata):
        names.append(xattrs.ACL)
    if file.has_acl and any(map(query.wants, _KEPT_ON_FILE)):
        names.append(xattrs.MIMETYPE)
    id = FileId(file.space_id, file.file_id)
    found, reserved = await asyncio.gather(
        xattrs_of(metadata, id) if items else _nothing(), _named(metadata, principals, id, names)
    )
    return {**found, **reserved}


async def _nothing() -> dict[str, Any]:
    return {}


async def _named(
    metadata: Metadata, principals: PrincipalNames, file: FileId, names: list[str]
) -> dict[str, Any]:
    if not names:
        return {}
    told = await metadata.list_xattrs(xattrs_pb2.ListXattrsRequest(file=ref(file), names=names))
    found: dict[str, Any] = {
        each.name: orjson.Fragment(each.value_json) for each in told.xattrs if each.name in _DOCUMENTS
    }
    if told.acl:
        found[xattrs.ACL] = acls.cdmi_form(told.acl, await principals.of_acl(file.space_id, told.acl))
    return found
