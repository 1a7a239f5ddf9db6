"""The metadata service, as the other services of a provider call it.

One attribute for each RPC, named after it and called like a method. File, content and attribute calls travel
over the multiplexed stream to the instance that owns their space, so its caches stay warm; they are made for
the caller of the request under way, and all of them are safe to repeat (changing ones carry a `request_id`).
Space, change and removal calls are made in the name of the calling service.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

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

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)
Q_contra = TypeVar("Q_contra", bound=Message, contravariant=True)
R_co = TypeVar("R_co", bound=Message, covariant=True)

#: For calls that walk through many records.
LONG_TIMEOUT_S = 60.0


class Call(Protocol[Q_contra, R_co]):
    """A method of the client."""

    async def __call__(self, request: Q_contra) -> R_co: ...


@dataclass(frozen=True, slots=True)
class _Method(Generic[Q, R]):
    """One RPC; as an attribute of the client, the call of it.

    `routing_key`: what decides which instance answers. `timeout_s`: in the place of the client's own.
    """

    path: str
    response_class: type[R]
    routing_key: Callable[[Q], str]
    as_service: bool
    timeout_s: float | None

    def __get__(self, client: MetadataClient, owner: type[MetadataClient]) -> Call[Q, R]:
        async def call(request: Q) -> R:
            return await client.mux.call(
                self.path,
                request,
                self.response_class,
                routing_key=self.routing_key(request),
                timeout_s=self.timeout_s or client.timeout_s,
                as_service=self.as_service,
            )

        return call


def _as_caller(
    request_class: type[Q],
    response_class: type[R],
    key: Callable[[Q], str],
    *,
    timeout_s: float | None = None,
) -> _Method[Q, R]:
    """The RPC with this request, made for the caller of the request under way."""
    return _Method(_path(request_class), response_class, key, as_service=False, timeout_s=timeout_s)


def _as_service(
    request_class: type[Q],
    response_class: type[R],
    key: Callable[[Q], str],
    *,
    timeout_s: float | None = None,
) -> _Method[Q, R]:
    """The RPC with this request, made in the name of the calling service."""
    return _Method(_path(request_class), response_class, key, as_service=True, timeout_s=timeout_s)


def _path(request_class: type[Message]) -> str:
    """`/package.Service/Method`. A request belongs to one RPC, and lies in the file of its service."""
    request = request_class.DESCRIPTOR
    [method] = [
        method
        for service in request.file.services_by_name.values()
        for method in service.methods
        if method.input_type is request
    ]
    return f"/{method.containing_service.full_name}/{method.name}"


class MetadataClient:
    """Every call raises what the service raised, as the same class, or `Unavailable` or `DeadlineExceeded`.

    `timeout_s` bounds each call; what is left of the caller's own deadline may be less.
    """

    def __init__(self, mux: MuxClient, *, timeout_s: float = 10.0) -> None:
        self.mux = mux
        self.timeout_s = timeout_s

    # Files
    get_file = _as_caller(
        files_pb2.GetFileRequest, files_pb2.GetFileResponse, lambda request: request.file.space_id
    )
    list_children = _as_caller(
        files_pb2.ListChildrenRequest,
        files_pb2.ListChildrenResponse,
        lambda request: request.directory.space_id,
    )
    create_file = _as_caller(
        files_pb2.CreateFileRequest, files_pb2.CreateFileResponse, lambda request: request.parent.space_id
    )
    set_mode = _as_caller(
        files_pb2.SetModeRequest, files_pb2.SetModeResponse, lambda request: request.file.space_id
    )
    rename_file = _as_caller(
        files_pb2.RenameFileRequest, files_pb2.RenameFileResponse, lambda request: request.source.space_id
    )
    delete_file = _as_caller(
        files_pb2.DeleteFileRequest, files_pb2.DeleteFileResponse, lambda request: request.file.space_id
    )
    list_hard_links = _as_caller(
        links_pb2.ListHardLinksRequest, links_pb2.ListHardLinksResponse, lambda request: request.file.space_id
    )

    # Subtrees
    list_subtree = _as_caller(
        subtrees_pb2.ListSubtreeRequest,
        subtrees_pb2.ListSubtreeResponse,
        lambda request: request.directory.space_id,
    )

    # Downloads of directories
    create_download = _as_caller(
        downloads_pb2.CreateDownloadRequest,
        downloads_pb2.CreateDownloadResponse,
        lambda request: request.directory.space_id,
    )
    start_download = _as_service(
        downloads_pb2.StartDownloadRequest, downloads_pb2.StartDownloadResponse, lambda request: request.code
    )
    note_download = _as_service(
        downloads_pb2.NoteDownloadRequest, downloads_pb2.NoteDownloadResponse, lambda request: request.code
    )

    # Trash
    list_trash = _as_caller(
        trash_pb2.ListTrashRequest, trash_pb2.ListTrashResponse, lambda request: request.space_id
    )
    restore_file = _as_caller(
        trash_pb2.RestoreFileRequest, trash_pb2.RestoreFileResponse, lambda request: request.space_id
    )
    purge_file = _as_caller(
        trash_pb2.PurgeFileRequest, trash_pb2.PurgeFileResponse, lambda request: request.space_id
    )

    # Queues
    get_queue = _as_caller(
        queues_pb2.GetQueueRequest, queues_pb2.GetQueueResponse, lambda request: request.file.space_id
    )
    enqueue_values = _as_caller(
        queues_pb2.EnqueueValuesRequest,
        queues_pb2.EnqueueValuesResponse,
        lambda request: request.file.space_id,
    )
    dequeue_values = _as_caller(
        queues_pb2.DequeueValuesRequest,
        queues_pb2.DequeueValuesResponse,
        lambda request: request.file.space_id,
    )
    transfer_values = _as_caller(
        queues_pb2.TransferValuesRequest,
        queues_pb2.TransferValuesResponse,
        lambda request: request.target.space_id,
    )

    # Many operations
    run_bulk = _as_caller(
        bulk_pb2.RunBulkRequest,
        bulk_pb2.RunBulkResponse,
        lambda request: request.space_id,
        timeout_s=LONG_TIMEOUT_S,
    )

    # Copies
    start_copy = _as_caller(
        copies_pb2.StartCopyRequest, copies_pb2.StartCopyResponse, lambda request: request.parent.space_id
    )
    claim_copy = _as_service(
        copies_pb2.ClaimCopyRequest, copies_pb2.ClaimCopyResponse, lambda request: request.holder
    )
    save_copy = _as_service(
        copies_pb2.SaveCopyRequest, copies_pb2.SaveCopyResponse, lambda request: request.copy_id
    )
    release_copy = _as_service(
        copies_pb2.ReleaseCopyRequest, copies_pb2.ReleaseCopyResponse, lambda request: request.copy_id
    )
    publish_copy = _as_caller(
        copies_pb2.PublishCopyRequest, copies_pb2.PublishCopyResponse, lambda request: request.space_id
    )
    end_copy = _as_service(
        copies_pb2.EndCopyRequest, copies_pb2.EndCopyResponse, lambda request: request.space_id
    )
    fail_copy = _as_service(
        copies_pb2.FailCopyRequest, copies_pb2.FailCopyResponse, lambda request: request.space_id
    )
    find_copy = _as_caller(
        copies_pb2.FindCopyRequest, copies_pb2.FindCopyResponse, lambda request: request.parent.space_id
    )
    get_copy = _as_caller(
        copies_pb2.GetCopyRequest, copies_pb2.GetCopyResponse, lambda request: request.space_id
    )
    cancel_copy = _as_caller(
        copies_pb2.CancelCopyRequest, copies_pb2.CancelCopyResponse, lambda request: request.parent.space_id
    )

    # Content
    locate_content = _as_caller(
        contents_pb2.LocateContentRequest,
        contents_pb2.LocateContentResponse,
        lambda request: request.file.space_id,
    )
    renew_lease = _as_service(
        contents_pb2.RenewLeaseRequest, contents_pb2.RenewLeaseResponse, lambda request: request.space_id
    )
    begin_upload = _as_caller(
        contents_pb2.BeginUploadRequest,
        contents_pb2.BeginUploadResponse,
        lambda request: request.file.space_id,
    )
    commit_upload = _as_caller(
        contents_pb2.CommitUploadRequest, contents_pb2.CommitUploadResponse, lambda request: request.space_id
    )
    publish_upload = _as_caller(
        contents_pb2.PublishUploadRequest,
        contents_pb2.PublishUploadResponse,
        lambda request: request.file.space_id,
    )
    abort_upload = _as_caller(
        contents_pb2.AbortUploadRequest, contents_pb2.AbortUploadResponse, lambda request: request.space_id
    )
    register_file = _as_caller(
        contents_pb2.RegisterFileRequest, contents_pb2.RegisterFileResponse, lambda request: request.space_id
    )

    # Removals and references: about storages, not about one space; any instance answers
    list_removals = _as_service(
        contents_pb2.ListRemovalsRequest,
        contents_pb2.ListRemovalsResponse,
        lambda request: "".join(request.storage_ids),
    )
    confirm_removals = _as_service(
        contents_pb2.ConfirmRemovalsRequest,
        contents_pb2.ConfirmRemovalsResponse,
        lambda request: request.removals[0].space_id if request.removals else "",
    )
    find_references = _as_service(
        contents_pb2.FindReferencesRequest,
        contents_pb2.FindReferencesResponse,
        lambda request: request.storage_id,
    )

    # Custom metadata
    list_xattrs = _as_caller(
        xattrs_pb2.ListXattrsRequest, xattrs_pb2.ListXattrsResponse, lambda request: request.file.space_id
    )
    update_xattrs = _as_caller(
        xattrs_pb2.UpdateXattrsRequest, xattrs_pb2.UpdateXattrsResponse, lambda request: request.file.space_id
    )
    save_value_digest = _as_service(
        xattrs_pb2.SaveValueDigestRequest,
        xattrs_pb2.SaveValueDigestResponse,
        lambda request: request.space_id,
    )
    get_json = _as_caller(
        xattrs_pb2.GetJsonRequest, xattrs_pb2.GetJsonResponse, lambda request: request.file.space_id
    )
    get_rdf = _as_caller(
        xattrs_pb2.GetRdfRequest, xattrs_pb2.GetRdfResponse, lambda request: request.file.space_id
    )

    # Distribution
    get_replica = _as_caller(
        distribution_pb2.GetReplicaRequest,
        distribution_pb2.GetReplicaResponse,
        lambda request: request.file.space_id,
    )

    # Statistics of directories
    set_dir_stats = _as_service(
        dir_stats_pb2.SetDirStatsRequest, dir_stats_pb2.SetDirStatsResponse, lambda request: request.space_id
    )
    get_dir_stats_state = _as_service(
        dir_stats_pb2.GetDirStatsStateRequest,
        dir_stats_pb2.GetDirStatsStateResponse,
        lambda request: request.space_id,
    )
    recount_dir_stats = _as_service(
        dir_stats_pb2.RecountDirStatsRequest,
        dir_stats_pb2.RecountDirStatsResponse,
        lambda request: request.space_id,
    )
    get_dir_stats = _as_caller(
        dir_stats_pb2.GetDirStatsRequest,
        dir_stats_pb2.GetDirStatsResponse,
        lambda request: request.directory.space_id,
    )
    list_dir_stats = _as_caller(
        dir_stats_pb2.ListDirStatsRequest,
        dir_stats_pb2.ListDirStatsResponse,
        lambda request: request.directory.space_id,
    )

    # Shares
    create_share = _as_caller(
        shares_pb2.CreateShareRequest, shares_pb2.CreateShareResponse, lambda request: request.file.space_id
    )
    get_share = _as_caller(
        shares_pb2.GetShareRequest, shares_pb2.GetShareResponse, lambda request: request.share_id
    )
    update_share = _as_caller(
        shares_pb2.UpdateShareRequest, shares_pb2.UpdateShareResponse, lambda request: request.share_id
    )
    delete_share = _as_caller(
        shares_pb2.DeleteShareRequest, shares_pb2.DeleteShareResponse, lambda request: request.space_id
    )

    # Spaces
    ensure_space = _as_service(
        spaces_pb2.EnsureSpaceRequest, spaces_pb2.EnsureSpaceResponse, lambda request: request.space_id
    )
    get_space_usage = _as_service(
        spaces_pb2.GetSpaceUsageRequest, spaces_pb2.GetSpaceUsageResponse, lambda request: request.space_id
    )
    recount_space = _as_service(
        spaces_pb2.RecountSpaceRequest,
        spaces_pb2.RecountSpaceResponse,
        lambda request: request.space_id,
        timeout_s=LONG_TIMEOUT_S,
    )
    get_usage_history = _as_caller(
        spaces_pb2.GetUsageHistoryRequest,
        spaces_pb2.GetUsageHistoryResponse,
        lambda request: request.space_id,
    )

    # Who read and wrote how much; told to one instance, since several would change the same documents at once
    note_accesses = _as_service(
        access_history_pb2.NoteAccessesRequest, access_history_pb2.NoteAccessesResponse, lambda _: "accesses"
    )
    get_access_history = _as_caller(
        access_history_pb2.GetAccessHistoryRequest,
        access_history_pb2.GetAccessHistoryResponse,
        lambda request: request.space_id,
    )

    # Changes
    list_changes = _as_service(
        changes_pb2.ListChangesRequest, changes_pb2.ListChangesResponse, lambda request: request.space_id
    )
    list_changed_documents = _as_caller(
        changes_pb2.ListChangedDocumentsRequest,
        changes_pb2.ListChangedDocumentsResponse,
        lambda request: request.space_id,
    )
    get_change_heads = _as_service(
        changes_pb2.GetChangeHeadsRequest,
        changes_pb2.GetChangeHeadsResponse,
        lambda request: "".join(request.space_ids[:1]),
    )
