"""The metadata service, as the other services of a provider call it.

One method for each RPC, named after it. File, content and attribute calls travel over the multiplexed
stream to the instance that owns their space, so its caches stay warm; they are made for the caller of the
request under way, and all of them are safe to repeat (changing ones carry a `request_id`). Space, change and
removal calls are made in the name of the calling service.
"""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import Message
from isthmus.metadata.v1 import (
    access_history_pb2,
    bulk_pb2,
    changes_pb2,
    contents_pb2,
    copies_pb2,
    dir_stats_pb2,
    distribution_pb2,
    downloads_pb2,
    files_pb2,
    links_pb2,
    queues_pb2,
    shares_pb2,
    spaces_pb2,
    subtrees_pb2,
    trash_pb2,
    xattrs_pb2,
)

from runtime.rpc.mux import MuxClient

R = TypeVar("R", bound=Message)

_FILES = "/isthmus.metadata.v1.FileService/"
_BULK = "/isthmus.metadata.v1.BulkService/"
_COPIES = "/isthmus.metadata.v1.CopyService/"
_CONTENTS = "/isthmus.metadata.v1.ContentService/"
_LINKS = "/isthmus.metadata.v1.LinkService/"
_SUBTREES = "/isthmus.metadata.v1.SubtreeService/"
_DOWNLOADS = "/isthmus.metadata.v1.DownloadService/"
_TRASH = "/isthmus.metadata.v1.TrashService/"
_XATTRS = "/isthmus.metadata.v1.XattrService/"
_QUEUES = "/isthmus.metadata.v1.QueueService/"
_DISTRIBUTION = "/isthmus.metadata.v1.DistributionService/"
_DIR_STATS = "/isthmus.metadata.v1.DirStatsService/"
_SHARES = "/isthmus.metadata.v1.ShareService/"
_SPACES = "/isthmus.metadata.v1.SpaceService/"
_ACCESS_HISTORY = "/isthmus.metadata.v1.AccessHistoryService/"
_CHANGES = "/isthmus.metadata.v1.ChangeService/"

#: For calls that walk through many records.
LONG_TIMEOUT_S = 60.0


class MetadataClient:
    """Every method raises what the service raised, as the same class, or `Unavailable` or `DeadlineExceeded`.

    `timeout_s` of the constructor bounds each call; what is left of the caller's own deadline may be less.
    """

    def __init__(self, mux: MuxClient, *, timeout_s: float = 10.0) -> None:
        self._mux = mux
        self._timeout_s = timeout_s

    # Files

    async def get_file(self, request: files_pb2.GetFileRequest) -> files_pb2.GetFileResponse:
        return await self._call(_FILES + "GetFile", request, files_pb2.GetFileResponse, request.file.space_id)

    async def list_children(self, request: files_pb2.ListChildrenRequest) -> files_pb2.ListChildrenResponse:
        return await self._call(
            _FILES + "ListChildren", request, files_pb2.ListChildrenResponse, request.directory.space_id
        )

    async def create_file(self, request: files_pb2.CreateFileRequest) -> files_pb2.CreateFileResponse:
        return await self._call(
            _FILES + "CreateFile", request, files_pb2.CreateFileResponse, request.parent.space_id
        )

    async def set_mode(self, request: files_pb2.SetModeRequest) -> files_pb2.SetModeResponse:
        return await self._call(_FILES + "SetMode", request, files_pb2.SetModeResponse, request.file.space_id)

    async def rename_file(self, request: files_pb2.RenameFileRequest) -> files_pb2.RenameFileResponse:
        return await self._call(
            _FILES + "RenameFile", request, files_pb2.RenameFileResponse, request.source.space_id
        )

    async def delete_file(self, request: files_pb2.DeleteFileRequest) -> files_pb2.DeleteFileResponse:
        return await self._call(
            _FILES + "DeleteFile", request, files_pb2.DeleteFileResponse, request.file.space_id
        )

    async def list_hard_links(
        self, request: links_pb2.ListHardLinksRequest
    ) -> links_pb2.ListHardLinksResponse:
        return await self._call(
            _LINKS + "ListHardLinks", request, links_pb2.ListHardLinksResponse, request.file.space_id
        )

    # Subtrees

    async def list_subtree(
        self, request: subtrees_pb2.ListSubtreeRequest
    ) -> subtrees_pb2.ListSubtreeResponse:
        return await self._call(
            _SUBTREES + "ListSubtree",
            request,
            subtrees_pb2.ListSubtreeResponse,
            request.directory.space_id,
        )

    # Downloads of directories

    async def create_download(
        self, request: downloads_pb2.CreateDownloadRequest
    ) -> downloads_pb2.CreateDownloadResponse:
        return await self._call(
            _DOWNLOADS + "CreateDownload",
            request,
            downloads_pb2.CreateDownloadResponse,
            request.directory.space_id,
        )

    async def start_download(
        self, request: downloads_pb2.StartDownloadRequest
    ) -> downloads_pb2.StartDownloadResponse:
        return await self._call_as_service(
            _DOWNLOADS + "StartDownload", request, downloads_pb2.StartDownloadResponse, request.code
        )

    async def note_download(
        self, request: downloads_pb2.NoteDownloadRequest
    ) -> downloads_pb2.NoteDownloadResponse:
        return await self._call_as_service(
            _DOWNLOADS + "NoteDownload", request, downloads_pb2.NoteDownloadResponse, request.code
        )

    # Trash

    async def list_trash(self, request: trash_pb2.ListTrashRequest) -> trash_pb2.ListTrashResponse:
        return await self._call(_TRASH + "ListTrash", request, trash_pb2.ListTrashResponse, request.space_id)

    async def restore_file(self, request: trash_pb2.RestoreFileRequest) -> trash_pb2.RestoreFileResponse:
        return await self._call(
            _TRASH + "RestoreFile", request, trash_pb2.RestoreFileResponse, request.space_id
        )

    async def purge_file(self, request: trash_pb2.PurgeFileRequest) -> trash_pb2.PurgeFileResponse:
        return await self._call(_TRASH + "PurgeFile", request, trash_pb2.PurgeFileResponse, request.space_id)

    # Queues

    async def get_queue(self, request: queues_pb2.GetQueueRequest) -> queues_pb2.GetQueueResponse:
        return await self._call(
            _QUEUES + "GetQueue", request, queues_pb2.GetQueueResponse, request.file.space_id
        )

    async def enqueue_values(
        self, request: queues_pb2.EnqueueValuesRequest
    ) -> queues_pb2.EnqueueValuesResponse:
        return await self._call(
            _QUEUES + "EnqueueValues", request, queues_pb2.EnqueueValuesResponse, request.file.space_id
        )

    async def dequeue_values(
        self, request: queues_pb2.DequeueValuesRequest
    ) -> queues_pb2.DequeueValuesResponse:
        return await self._call(
            _QUEUES + "DequeueValues", request, queues_pb2.DequeueValuesResponse, request.file.space_id
        )

    async def transfer_values(
        self, request: queues_pb2.TransferValuesRequest
    ) -> queues_pb2.TransferValuesResponse:
        return await self._call(
            _QUEUES + "TransferValues", request, queues_pb2.TransferValuesResponse, request.target.space_id
        )

    # Many operations

    async def run_bulk(self, request: bulk_pb2.RunBulkRequest) -> bulk_pb2.RunBulkResponse:
        return await self._mux.call(
            _BULK + "RunBulk",
            request,
            bulk_pb2.RunBulkResponse,
            routing_key=request.space_id,
            timeout_s=LONG_TIMEOUT_S,
        )

    # Copies

    async def start_copy(self, request: copies_pb2.StartCopyRequest) -> copies_pb2.StartCopyResponse:
        return await self._call(
            _COPIES + "StartCopy", request, copies_pb2.StartCopyResponse, request.parent.space_id
        )

    async def claim_copy(self, request: copies_pb2.ClaimCopyRequest) -> copies_pb2.ClaimCopyResponse:
        return await self._call_as_service(
            _COPIES + "ClaimCopy", request, copies_pb2.ClaimCopyResponse, request.holder
        )

    async def save_copy(self, request: copies_pb2.SaveCopyRequest) -> copies_pb2.SaveCopyResponse:
        return await self._call_as_service(
            _COPIES + "SaveCopy", request, copies_pb2.SaveCopyResponse, request.copy_id
        )

    async def release_copy(self, request: copies_pb2.ReleaseCopyRequest) -> copies_pb2.ReleaseCopyResponse:
        return await self._call_as_service(
            _COPIES + "ReleaseCopy", request, copies_pb2.ReleaseCopyResponse, request.copy_id
        )

    async def publish_copy(self, request: copies_pb2.PublishCopyRequest) -> copies_pb2.PublishCopyResponse:
        return await self._call(
            _COPIES + "PublishCopy", request, copies_pb2.PublishCopyResponse, request.space_id
        )

    async def end_copy(self, request: copies_pb2.EndCopyRequest) -> copies_pb2.EndCopyResponse:
        return await self._call_as_service(
            _COPIES + "EndCopy", request, copies_pb2.EndCopyResponse, request.space_id
        )

    async def fail_copy(self, request: copies_pb2.FailCopyRequest) -> copies_pb2.FailCopyResponse:
        return await self._call_as_service(
            _COPIES + "FailCopy", request, copies_pb2.FailCopyResponse, request.space_id
        )

    async def find_copy(self, request: copies_pb2.FindCopyRequest) -> copies_pb2.FindCopyResponse:
        return await self._call(
            _COPIES + "FindCopy", request, copies_pb2.FindCopyResponse, request.parent.space_id
        )

    async def get_copy(self, request: copies_pb2.GetCopyRequest) -> copies_pb2.GetCopyResponse:
        return await self._call(_COPIES + "GetCopy", request, copies_pb2.GetCopyResponse, request.space_id)

    async def cancel_copy(self, request: copies_pb2.CancelCopyRequest) -> copies_pb2.CancelCopyResponse:
        return await self._call(
            _COPIES + "CancelCopy", request, copies_pb2.CancelCopyResponse, request.parent.space_id
        )

    # Content

    async def locate_content(
        self, request: contents_pb2.LocateContentRequest
    ) -> contents_pb2.LocateContentResponse:
        return await self._call(
            _CONTENTS + "LocateContent", request, contents_pb2.LocateContentResponse, request.file.space_id
        )

    async def renew_lease(self, request: contents_pb2.RenewLeaseRequest) -> contents_pb2.RenewLeaseResponse:
        return await self._call_as_service(
            _CONTENTS + "RenewLease", request, contents_pb2.RenewLeaseResponse, request.space_id
        )

    async def begin_upload(
        self, request: contents_pb2.BeginUploadRequest
    ) -> contents_pb2.BeginUploadResponse:
        return await self._call(
            _CONTENTS + "BeginUpload", request, contents_pb2.BeginUploadResponse, request.file.space_id
        )

    async def commit_upload(
        self, request: contents_pb2.CommitUploadRequest
    ) -> contents_pb2.CommitUploadResponse:
        return await self._call(
            _CONTENTS + "CommitUpload", request, contents_pb2.CommitUploadResponse, request.space_id
        )

    async def publish_upload(
        self, request: contents_pb2.PublishUploadRequest
    ) -> contents_pb2.PublishUploadResponse:
        return await self._call(
            _CONTENTS + "PublishUpload", request, contents_pb2.PublishUploadResponse, request.file.space_id
        )

    async def abort_upload(
        self, request: contents_pb2.AbortUploadRequest
    ) -> contents_pb2.AbortUploadResponse:
        return await self._call(
            _CONTENTS + "AbortUpload", request, contents_pb2.AbortUploadResponse, request.space_id
        )

    async def register_file(
        self, request: contents_pb2.RegisterFileRequest
    ) -> contents_pb2.RegisterFileResponse:
        return await self._call(
            _CONTENTS + "RegisterFile", request, contents_pb2.RegisterFileResponse, request.space_id
        )

    # Removals and references: about storages, not about one space; any instance answers

    async def list_removals(
        self, request: contents_pb2.ListRemovalsRequest
    ) -> contents_pb2.ListRemovalsResponse:
        return await self._call_as_service(
            _CONTENTS + "ListRemovals",
            request,
            contents_pb2.ListRemovalsResponse,
            "".join(request.storage_ids),
        )

    async def confirm_removals(
        self, request: contents_pb2.ConfirmRemovalsRequest
    ) -> contents_pb2.ConfirmRemovalsResponse:
        space_id = request.removals[0].space_id if request.removals else ""
        return await self._call_as_service(
            _CONTENTS + "ConfirmRemovals", request, contents_pb2.ConfirmRemovalsResponse, space_id
        )

    async def find_references(
        self, request: contents_pb2.FindReferencesRequest
    ) -> contents_pb2.FindReferencesResponse:
        return await self._call_as_service(
            _CONTENTS + "FindReferences", request, contents_pb2.FindReferencesResponse, request.storage_id
        )

    # Custom metadata

    async def list_xattrs(self, request: xattrs_pb2.ListXattrsRequest) -> xattrs_pb2.ListXattrsResponse:
        return await self._call(
            _XATTRS + "ListXattrs", request, xattrs_pb2.ListXattrsResponse, request.file.space_id
        )

    async def update_xattrs(self, request: xattrs_pb2.UpdateXattrsRequest) -> xattrs_pb2.UpdateXattrsResponse:
        return await self._call(
            _XATTRS + "UpdateXattrs", request, xattrs_pb2.UpdateXattrsResponse, request.file.space_id
        )

    async def save_value_digest(
        self, request: xattrs_pb2.SaveValueDigestRequest
    ) -> xattrs_pb2.SaveValueDigestResponse:
        return await self._call_as_service(
            _XATTRS + "SaveValueDigest", request, xattrs_pb2.SaveValueDigestResponse, request.space_id
        )

    async def get_json(self, request: xattrs_pb2.GetJsonRequest) -> xattrs_pb2.GetJsonResponse:
        return await self._call(
            _XATTRS + "GetJson", request, xattrs_pb2.GetJsonResponse, request.file.space_id
        )

    async def get_rdf(self, request: xattrs_pb2.GetRdfRequest) -> xattrs_pb2.GetRdfResponse:
        return await self._call(_XATTRS + "GetRdf", request, xattrs_pb2.GetRdfResponse, request.file.space_id)

    # Distribution

    async def get_replica(
        self, request: distribution_pb2.GetReplicaRequest
    ) -> distribution_pb2.GetReplicaResponse:
        return await self._call(
            _DISTRIBUTION + "GetReplica",
            request,
            distribution_pb2.GetReplicaResponse,
            request.file.space_id,
        )

    # Statistics of directories

    async def set_dir_stats(
        self, request: dir_stats_pb2.SetDirStatsRequest
    ) -> dir_stats_pb2.SetDirStatsResponse:
        return await self._call_as_service(
            _DIR_STATS + "SetDirStats", request, dir_stats_pb2.SetDirStatsResponse, request.space_id
        )

    async def get_dir_stats_state(
        self, request: dir_stats_pb2.GetDirStatsStateRequest
    ) -> dir_stats_pb2.GetDirStatsStateResponse:
        return await self._call_as_service(
            _DIR_STATS + "GetDirStatsState", request, dir_stats_pb2.GetDirStatsStateResponse, request.space_id
        )

    async def recount_dir_stats(
        self, request: dir_stats_pb2.RecountDirStatsRequest
    ) -> dir_stats_pb2.RecountDirStatsResponse:
        return await self._call_as_service(
            _DIR_STATS + "RecountDirStats", request, dir_stats_pb2.RecountDirStatsResponse, request.space_id
        )

    async def get_dir_stats(
        self, request: dir_stats_pb2.GetDirStatsRequest
    ) -> dir_stats_pb2.GetDirStatsResponse:
        return await self._call(
            _DIR_STATS + "GetDirStats",
            request,
            dir_stats_pb2.GetDirStatsResponse,
            request.directory.space_id,
        )

    async def list_dir_stats(
        self, request: dir_stats_pb2.ListDirStatsRequest
    ) -> dir_stats_pb2.ListDirStatsResponse:
        return await self._call(
            _DIR_STATS + "ListDirStats",
            request,
            dir_stats_pb2.ListDirStatsResponse,
            request.directory.space_id,
        )

    # Shares

    async def create_share(self, request: shares_pb2.CreateShareRequest) -> shares_pb2.CreateShareResponse:
        return await self._call(
            _SHARES + "CreateShare", request, shares_pb2.CreateShareResponse, request.file.space_id
        )

    async def get_share(self, request: shares_pb2.GetShareRequest) -> shares_pb2.GetShareResponse:
        return await self._call(_SHARES + "GetShare", request, shares_pb2.GetShareResponse, request.share_id)

    async def update_share(self, request: shares_pb2.UpdateShareRequest) -> shares_pb2.UpdateShareResponse:
        return await self._call(
            _SHARES + "UpdateShare", request, shares_pb2.UpdateShareResponse, request.share_id
        )

    async def delete_share(self, request: shares_pb2.DeleteShareRequest) -> shares_pb2.DeleteShareResponse:
        return await self._call(
            _SHARES + "DeleteShare", request, shares_pb2.DeleteShareResponse, request.space_id
        )

    # Spaces

    async def ensure_space(self, request: spaces_pb2.EnsureSpaceRequest) -> spaces_pb2.EnsureSpaceResponse:
        return await self._call_as_service(
            _SPACES + "EnsureSpace", request, spaces_pb2.EnsureSpaceResponse, request.space_id
        )

    async def get_space_usage(
        self, request: spaces_pb2.GetSpaceUsageRequest
    ) -> spaces_pb2.GetSpaceUsageResponse:
        return await self._call_as_service(
            _SPACES + "GetSpaceUsage", request, spaces_pb2.GetSpaceUsageResponse, request.space_id
        )

    async def recount_space(self, request: spaces_pb2.RecountSpaceRequest) -> spaces_pb2.RecountSpaceResponse:
        return await self._call_as_service(
            _SPACES + "RecountSpace",
            request,
            spaces_pb2.RecountSpaceResponse,
            request.space_id,
            timeout_s=LONG_TIMEOUT_S,
        )

    async def get_usage_history(
        self, request: spaces_pb2.GetUsageHistoryRequest
    ) -> spaces_pb2.GetUsageHistoryResponse:
        return await self._call(
            _SPACES + "GetUsageHistory", request, spaces_pb2.GetUsageHistoryResponse, request.space_id
        )

    # Who read and wrote how much

    async def note_accesses(
        self, request: access_history_pb2.NoteAccessesRequest
    ) -> access_history_pb2.NoteAccessesResponse:
        # All to one instance: several would change the same documents at the same time.
        return await self._call_as_service(
            _ACCESS_HISTORY + "NoteAccesses",
            request,
            access_history_pb2.NoteAccessesResponse,
            "accesses",
        )

    async def get_access_history(
        self, request: access_history_pb2.GetAccessHistoryRequest
    ) -> access_history_pb2.GetAccessHistoryResponse:
        return await self._call(
            _ACCESS_HISTORY + "GetAccessHistory",
            request,
            access_history_pb2.GetAccessHistoryResponse,
            request.space_id,
        )

    # Changes

    async def list_changes(self, request: changes_pb2.ListChangesRequest) -> changes_pb2.ListChangesResponse:
        return await self._call_as_service(
            _CHANGES + "ListChanges", request, changes_pb2.ListChangesResponse, request.space_id
        )

    async def list_changed_documents(
        self, request: changes_pb2.ListChangedDocumentsRequest
    ) -> changes_pb2.ListChangedDocumentsResponse:
        return await self._call(
            _CHANGES + "ListChangedDocuments",
            request,
            changes_pb2.ListChangedDocumentsResponse,
            request.space_id,
        )

    async def get_change_heads(
        self, request: changes_pb2.GetChangeHeadsRequest
    ) -> changes_pb2.GetChangeHeadsResponse:
        return await self._call_as_service(
            _CHANGES + "GetChangeHeads",
            request,
            changes_pb2.GetChangeHeadsResponse,
            "".join(request.space_ids[:1]),
        )

    async def _call(self, method: str, request: Message, response_class: type[R], routing_key: str) -> R:
        return await self._mux.call(
            method, request, response_class, routing_key=routing_key, timeout_s=self._timeout_s
        )

    async def _call_as_service(
        self,
        method: str,
        request: Message,
        response_class: type[R],
        routing_key: str,
        *,
        timeout_s: float | None = None,
    ) -> R:
        return await self._mux.call(
            method,
            request,
            response_class,
            routing_key=routing_key,
            timeout_s=timeout_s or self._timeout_s,
            as_service=True,
        )
