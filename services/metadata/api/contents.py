"""ContentService."""

from __future__ import annotations

from typing import Any, Final

from isthmus.metadata.v1 import contents_pb2, contents_pb2_grpc

from runtime.auth import caller
from runtime.errors import InvalidArgument
from services.metadata.domain.commits import Commit, Commits
from services.metadata.domain.custom_metadata import JsonUpdate, Update
from services.metadata.domain.leases import Leases
from services.metadata.domain.locations import Upload
from services.metadata.domain.quotas import require_insider
from services.metadata.domain.registrations import Registration, Registrations
from services.metadata.domain.removals import Removal, Removals
from services.metadata.domain.small_uploads import SmallUploads
from services.metadata.domain.uploads import UploadRequest, Uploads

from .convert import file_to_proto, location_to_proto, put_grant, readable_from_proto, ref_from_proto

_FIELDS: Final = ("mimetype", "value_transfer_encoding", "completion_status")


class ContentServicer(contents_pb2_grpc.ContentServiceServicer):
    """Where bytes lie, and how uploads become visible, over gRPC."""

    def __init__(
        self,
        uploads: Uploads,
        commits: Commits,
        small_uploads: SmallUploads,
        registrations: Registrations,
        removals: Removals,
        leases: Leases,
    ) -> None:
        self._uploads = uploads
        self._commits = commits
        self._small_uploads = small_uploads
        self._registrations = registrations
        self._removals = removals
        self._leases = leases

    async def LocateContent(
        self, request: contents_pb2.LocateContentRequest, context: Any
    ) -> contents_pb2.LocateContentResponse:
        file, location, grant = await self._uploads.locate_leased(
            caller(), readable_from_proto(request.file), request.lease_id
        )
        answer = contents_pb2.LocateContentResponse(
            file=file_to_proto(file), location=None if location is None else location_to_proto(location)
        )
        if grant is not None:
            put_grant(grant, answer.grant)
        return answer

    async def RenewLease(
        self, request: contents_pb2.RenewLeaseRequest, context: Any
    ) -> contents_pb2.RenewLeaseResponse:
        require_insider(caller())
        if not request.space_id or not request.holder:
            raise InvalidArgument("a lease needs space_id and holder")
        told = await self._leases.renew(request.space_id, request.holder, request.lease_id, request.confirmed)
        if told is None:
            return contents_pb2.RenewLeaseResponse()
        return contents_pb2.RenewLeaseResponse(
            lease_id=told.lease_id,
            number=told.number,
            lease_ms=int(told.lease_s * 1000),
            file_ids=told.recalled,
            everything=told.everything,
        )

    async def BeginUpload(
        self, request: contents_pb2.BeginUploadRequest, context: Any
    ) -> contents_pb2.BeginUploadResponse:
        plan = await self._uploads.begin(
            caller(),
            UploadRequest(
                request_id=request.request_id,
                ref=ref_from_proto(request.file),
                replaces=_replaces(request.mode),
                create=request.create,
                exclusive=request.exclusive,
                create_parents=request.create_parents,
                mode=request.permissions if request.HasField("permissions") else None,
                set_existing_mode=request.set_existing_mode,
                size_bytes=request.size_bytes if request.HasField("size_bytes") else None,
                record_intent=request.record_intent,
                storage_id=request.storage_id,
                storage_file_id=request.storage_file_id,
                holder=request.holder,
            ),
        )
        return contents_pb2.BeginUploadResponse(
            file_id=plan.file_id,
            inode_id=plan.inode_id,
            space_id=plan.space_id,
            parent_id=plan.parent_id,
            name=plan.name,
            exists=plan.file is not None,
            location=None if plan.location is None else location_to_proto(plan.location),
            available_bytes=plan.available_bytes,
            file=None if plan.file is None else file_to_proto(plan.file),
        )

    async def CommitUpload(
        self, request: contents_pb2.CommitUploadRequest, context: Any
    ) -> contents_pb2.CommitUploadResponse:
        if not request.space_id or not request.file_id:
            raise InvalidArgument("a commit needs space_id and file_id")
        replaces = _replaces(request.mode)
        upload = Upload(
            op_id=request.request_id,
            replaces=replaces,
            storage_id=request.storage_id,
            storage_file_id=request.storage_file_id,
            offset=0 if replaces else request.offset,
            size_bytes=request.size_bytes,
        )
        commit = Commit(
            space_id=request.space_id,
            file_id=request.file_id,
            parent_id=request.parent_id,
            name=request.name,
            create=request.create,
            upload=upload,
            mode=request.permissions if request.HasField("permissions") else None,
            set_existing_mode=request.set_existing_mode,
            follow_symlink=request.follow_last_symlink,
            recorded=request.recorded,
            fields={name: getattr(request, name) for name in _FIELDS if request.HasField(name)},
        )
        file, created = await self._commits.commit(caller(), commit)
        return contents_pb2.CommitUploadResponse(file=file_to_proto(file), created=created)

    async def PublishUpload(
        self, request: contents_pb2.PublishUploadRequest, context: Any
    ) -> contents_pb2.PublishUploadResponse:
        asked = UploadRequest(
            request_id=request.request_id,
            ref=ref_from_proto(request.file),
            replaces=True,
            create=request.create,
            exclusive=request.exclusive,
            create_parents=request.create_parents,
            mode=request.permissions if request.HasField("permissions") else None,
            set_existing_mode=request.set_existing_mode,
            size_bytes=request.size_bytes,
            storage_id=request.storage_id,
            storage_file_id=request.storage_file_id,
        )
        fields = {name: getattr(request, name) for name in _FIELDS if request.HasField(name)}
        file, created = await self._small_uploads.publish(caller(), asked, fields)
        return contents_pb2.PublishUploadResponse(file_id=file.file_id, created=created)

    async def AbortUpload(
        self, request: contents_pb2.AbortUploadRequest, context: Any
    ) -> contents_pb2.AbortUploadResponse:
        await self._uploads.abort(caller(), request.request_id, request.space_id)
        return contents_pb2.AbortUploadResponse()

    async def RegisterFile(
        self, request: contents_pb2.RegisterFileRequest, context: Any
    ) -> contents_pb2.RegisterFileResponse:
        registration = Registration(
            request_id=request.request_id,
            space_id=request.space_id,
            path=tuple(request.path),
            storage_id=request.storage_id,
            storage_file_id=request.storage_file_id,
            size_bytes=request.size_bytes,
            mode=request.mode,
            atime_ms=request.atime_ms,
            mtime_ms=request.mtime_ms,
            ctime_ms=request.ctime_ms,
            owner_id=request.owner_id,
            gid=request.gid if request.HasField("gid") else None,
            update=Update(
                set=dict(request.xattrs),
                json=JsonUpdate(request.json) if request.HasField("json") else None,
                rdf=request.rdf if request.HasField("rdf") else None,
            ),
        )
        file = await self._registrations.register(caller(), registration)
        return contents_pb2.RegisterFileResponse(file=file_to_proto(file))

    async def ListRemovals(
        self, request: contents_pb2.ListRemovalsRequest, context: Any
    ) -> contents_pb2.ListRemovalsResponse:
        removals = await self._removals.list(caller(), set(request.storage_ids), request.page_size)
        return contents_pb2.ListRemovalsResponse(
            removals=[
                contents_pb2.Removal(
                    space_id=removal.space_id,
                    file_id=removal.file_id,
                    storage_id=removal.storage_id,
                    storage_file_id=removal.storage_file_id,
                    size_bytes=removal.size_bytes,
                )
                for removal in removals
            ]
        )

    async def ConfirmRemovals(
        self, request: contents_pb2.ConfirmRemovalsRequest, context: Any
    ) -> contents_pb2.ConfirmRemovalsResponse:
        removals = [
            Removal(item.space_id, item.file_id, item.storage_id, item.storage_file_id, item.size_bytes)
            for item in request.removals
        ]
        await self._removals.confirm(caller(), removals)
        return contents_pb2.ConfirmRemovalsResponse()

    async def FindReferences(
        self, request: contents_pb2.FindReferencesRequest, context: Any
    ) -> contents_pb2.FindReferencesResponse:
        referenced = await self._removals.find_references(
            caller(),
            request.storage_id,
            request.storage_file_ids,
            living=request.living_holders,
        )
        return contents_pb2.FindReferencesResponse(referenced=sorted(referenced))


def _replaces(mode: contents_pb2.UploadMode.ValueType) -> bool:
    if mode == contents_pb2.UPLOAD_MODE_REPLACE:
        return True
    if mode == contents_pb2.UPLOAD_MODE_PATCH:
        return False
    raise InvalidArgument("an upload needs a mode")
