"""XattrService."""

from __future__ import annotations

from typing import Any, Final

from isthmus.metadata.v1 import xattrs_pb2, xattrs_pb2_grpc

from runtime.auth import caller
from services.metadata.domain.xattrs import Xattrs

from .convert import ref_from_proto

_FIELDS: Final = ("mimetype", "value_transfer_encoding")


class XattrServicer(xattrs_pb2_grpc.XattrServiceServicer):
    """Extended attributes over gRPC."""

    def __init__(self, xattrs: Xattrs) -> None:
        self._xattrs = xattrs

    async def ListXattrs(
        self, request: xattrs_pb2.ListXattrsRequest, context: Any
    ) -> xattrs_pb2.ListXattrsResponse:
        found = await self._xattrs.list(caller(), ref_from_proto(request.file), request.prefix)
        return xattrs_pb2.ListXattrsResponse(
            xattrs=[xattrs_pb2.Xattr(name=name, value_json=value) for name, value in found]
        )

    async def UpdateXattrs(
        self, request: xattrs_pb2.UpdateXattrsRequest, context: Any
    ) -> xattrs_pb2.UpdateXattrsResponse:
        await self._xattrs.update(
            caller(),
            request.request_id,
            ref_from_proto(request.file),
            set_={item.name: item.value_json for item in request.set},
            remove=request.remove,
            replace_all=request.replace_all,
            fields={name: getattr(request, name) for name in _FIELDS if request.HasField(name)},
        )
        return xattrs_pb2.UpdateXattrsResponse()
