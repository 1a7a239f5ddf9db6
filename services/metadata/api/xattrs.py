"""XattrService."""

from __future__ import annotations

from typing import Any, Final

from isthmus.metadata.v1 import xattrs_pb2, xattrs_pb2_grpc

from runtime.auth import caller
from services.metadata.domain.custom_metadata import JsonUpdate, Update
from services.metadata.domain.records import ValueDigest
from services.metadata.domain.value_digests import ValueDigests
from services.metadata.domain.xattrs import Asked, Xattrs

from .convert import acl_from_proto, acl_to_proto, readable_from_proto, ref_from_proto

_FIELDS: Final = ("mimetype", "value_transfer_encoding", "completion_status", "value_hash")


class XattrServicer(xattrs_pb2_grpc.XattrServiceServicer):
    """Custom metadata over gRPC."""

    def __init__(self, xattrs: Xattrs, digests: ValueDigests) -> None:
        self._xattrs = xattrs
        self._digests = digests

    async def ListXattrs(
        self, request: xattrs_pb2.ListXattrsRequest, context: Any
    ) -> xattrs_pb2.ListXattrsResponse:
        asked = Asked(
            prefix=request.prefix,
            names=tuple(request.names),
            inherited=request.inherited,
            internal=request.internal,
        )
        told = await self._xattrs.list(caller(), readable_from_proto(request.file), asked)
        return xattrs_pb2.ListXattrsResponse(
            xattrs=[xattrs_pb2.Xattr(name=name, value_json=value) for name, value in told.xattrs],
            acl=acl_to_proto(told.acl),
        )

    async def UpdateXattrs(
        self, request: xattrs_pb2.UpdateXattrsRequest, context: Any
    ) -> xattrs_pb2.UpdateXattrsResponse:
        await self._xattrs.update(
            caller(),
            request.request_id,
            ref_from_proto(request.file),
            _update_from_proto(request),
            check_only=request.check_only,
        )
        return xattrs_pb2.UpdateXattrsResponse()

    async def SaveValueDigest(
        self, request: xattrs_pb2.SaveValueDigestRequest, context: Any
    ) -> xattrs_pb2.SaveValueDigestResponse:
        made = ValueDigest(request.algorithm, request.digest, request.content_revision)
        await self._digests.save(caller(), request.space_id, request.file_id, made)
        return xattrs_pb2.SaveValueDigestResponse()

    async def GetJson(self, request: xattrs_pb2.GetJsonRequest, context: Any) -> xattrs_pb2.GetJsonResponse:
        value = await self._xattrs.get_json(
            caller(), readable_from_proto(request.file), request.keypath, inherited=request.inherited
        )
        return xattrs_pb2.GetJsonResponse(value_json=value)

    async def GetRdf(self, request: xattrs_pb2.GetRdfRequest, context: Any) -> xattrs_pb2.GetRdfResponse:
        rdf = await self._xattrs.get_rdf(caller(), readable_from_proto(request.file))
        return xattrs_pb2.GetRdfResponse(rdf=rdf)


def _update_from_proto(request: xattrs_pb2.UpdateXattrsRequest) -> Update:
    json = JsonUpdate(request.json.value_json, request.json.keypath) if request.HasField("json") else None
    return Update(
        set={item.name: item.value_json for item in request.set},
        remove=tuple(request.remove),
        replace_all=request.replace_all,
        fields={name: getattr(request, name) for name in _FIELDS if request.HasField(name)},
        acl=acl_from_proto(request.acl.entries) if request.HasField("acl") else None,
        json=json,
        rdf=request.rdf if request.HasField("rdf") else None,
    )
