"""What the gateway's routes need of others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Protocol

from isthmus.metadata.v1 import (
    access_history_pb2,
    bulk_pb2,
    changes_pb2,
    contents_pb2,
    copies_pb2,
    dir_stats_pb2,
    distribution_pb2,
    files_pb2,
    links_pb2,
    queues_pb2,
    shares_pb2,
    spaces_pb2,
    subtrees_pb2,
    trash_pb2,
    xattrs_pb2,
)
from isthmus.storage_router.v1 import storages_pb2

from runtime.http.file_ids import FileId
from runtime.identity import Identity
from services.gateway.api.http import Headers


class Metadata(Protocol):
    """The metadata service, called as the caller of the request under way.

    Raises the errors of its contract (`isthmus/metadata/v1`), and Unavailable when it is away.
    """

    async def get_file(self, request: files_pb2.GetFileRequest) -> files_pb2.GetFileResponse: ...

    async def list_children(
        self, request: files_pb2.ListChildrenRequest
    ) -> files_pb2.ListChildrenResponse: ...

    async def list_hard_links(
        self, request: links_pb2.ListHardLinksRequest
    ) -> links_pb2.ListHardLinksResponse: ...

    async def list_trash(self, request: trash_pb2.ListTrashRequest) -> trash_pb2.ListTrashResponse: ...

    async def restore_file(self, request: trash_pb2.RestoreFileRequest) -> trash_pb2.RestoreFileResponse: ...

    async def purge_file(self, request: trash_pb2.PurgeFileRequest) -> trash_pb2.PurgeFileResponse: ...

    async def list_subtree(
        self, request: subtrees_pb2.ListSubtreeRequest
    ) -> subtrees_pb2.ListSubtreeResponse: ...

    async def create_file(self, request: files_pb2.CreateFileRequest) -> files_pb2.CreateFileResponse: ...

    async def set_mode(self, request: files_pb2.SetModeRequest) -> files_pb2.SetModeResponse: ...

    async def rename_file(self, request: files_pb2.RenameFileRequest) -> files_pb2.RenameFileResponse: ...

    async def delete_file(self, request: files_pb2.DeleteFileRequest) -> files_pb2.DeleteFileResponse: ...

    async def list_xattrs(self, request: xattrs_pb2.ListXattrsRequest) -> xattrs_pb2.ListXattrsResponse: ...

    async def update_xattrs(
        self, request: xattrs_pb2.UpdateXattrsRequest
    ) -> xattrs_pb2.UpdateXattrsResponse: ...

    async def get_json(self, request: xattrs_pb2.GetJsonRequest) -> xattrs_pb2.GetJsonResponse: ...

    async def get_rdf(self, request: xattrs_pb2.GetRdfRequest) -> xattrs_pb2.GetRdfResponse: ...

    async def get_queue(self, request: queues_pb2.GetQueueRequest) -> queues_pb2.GetQueueResponse: ...

    async def enqueue_values(
        self, request: queues_pb2.EnqueueValuesRequest
    ) -> queues_pb2.EnqueueValuesResponse: ...

    async def dequeue_values(
        self, request: queues_pb2.DequeueValuesRequest
    ) -> queues_pb2.DequeueValuesResponse: ...

    async def transfer_values(
        self, request: queues_pb2.TransferValuesRequest
    ) -> queues_pb2.TransferValuesResponse: ...


class CopyRecords(Protocol):
    """Copies that take long; part of the metadata service."""

    async def start_copy(self, request: copies_pb2.StartCopyRequest) -> copies_pb2.StartCopyResponse: ...

    async def claim_copy(self, request: copies_pb2.ClaimCopyRequest) -> copies_pb2.ClaimCopyResponse: ...

    async def save_copy(self, request: copies_pb2.SaveCopyRequest) -> copies_pb2.SaveCopyResponse: ...

    async def release_copy(
        self, request: copies_pb2.ReleaseCopyRequest
    ) -> copies_pb2.ReleaseCopyResponse: ...

    async def publish_copy(
        self, request: copies_pb2.PublishCopyRequest
    ) -> copies_pb2.PublishCopyResponse: ...

    async def end_copy(self, request: copies_pb2.EndCopyRequest) -> copies_pb2.EndCopyResponse: ...

    async def fail_copy(self, request: copies_pb2.FailCopyRequest) -> copies_pb2.FailCopyResponse: ...

    async def find_copy(self, request: copies_pb2.FindCopyRequest) -> copies_pb2.FindCopyResponse: ...

    async def get_copy(self, request: copies_pb2.GetCopyRequest) -> copies_pb2.GetCopyResponse: ...

    async def cancel_copy(self, request: copies_pb2.CancelCopyRequest) -> copies_pb2.CancelCopyResponse: ...


class BulkRunner(Protocol):
    """Many operations at once; part of the metadata service."""

    async def run_bulk(self, request: bulk_pb2.RunBulkRequest) -> bulk_pb2.RunBulkResponse: ...


class Contents(Protocol):
    """Who may read and write content, and where it lies; part of the metadata service, for tickets only."""

    async def locate_content(
        self, request: contents_pb2.LocateContentRequest
    ) -> contents_pb2.LocateContentResponse: ...

    async def begin_upload(
        self, request: contents_pb2.BeginUploadRequest
    ) -> contents_pb2.BeginUploadResponse: ...


class StorageFiles(Protocol):
    """Files on imported storages; part of storage_router."""

    async def inspect_storage_file(
        self, request: storages_pb2.InspectStorageFileRequest
    ) -> storages_pb2.InspectStorageFileResponse: ...


class Registrar(Protocol):
    """Registers such files; part of the metadata service."""

    async def register_file(
        self, request: contents_pb2.RegisterFileRequest
    ) -> contents_pb2.RegisterFileResponse: ...


class Accesses(Protocol):
    """Who is there, for the statistics of spaces. Cheap enough for every request."""

    def saw(self, space_id: str) -> None:
        """The caller of the request under way asks for something in the space."""
        ...


class AccessHistory(Protocol):
    """How spaces were read and written; part of the metadata service."""

    async def get_access_history(
        self, request: access_history_pb2.GetAccessHistoryRequest
    ) -> access_history_pb2.GetAccessHistoryResponse: ...


class Spaces(Protocol):
    """Which spaces this provider supports, whoever asks."""

    async def is_supported(self, space_id: str) -> bool:
        """Whether this provider keeps the space."""
        ...


class Replicas(Protocol):
    """What this provider holds of files; part of the metadata service."""

    async def get_replica(
        self, request: distribution_pb2.GetReplicaRequest
    ) -> distribution_pb2.GetReplicaResponse: ...


class Shares(Protocol):
    """Shares; part of the metadata service."""

    async def create_share(
        self, request: shares_pb2.CreateShareRequest
    ) -> shares_pb2.CreateShareResponse: ...

    async def get_share(self, request: shares_pb2.GetShareRequest) -> shares_pb2.GetShareResponse: ...

    async def update_share(
        self, request: shares_pb2.UpdateShareRequest
    ) -> shares_pb2.UpdateShareResponse: ...

    async def delete_share(
        self, request: shares_pb2.DeleteShareRequest
    ) -> shares_pb2.DeleteShareResponse: ...


class DirStats(Protocol):
    """Statistics of directories; part of the metadata service."""

    async def get_dir_stats(
        self, request: dir_stats_pb2.GetDirStatsRequest
    ) -> dir_stats_pb2.GetDirStatsResponse: ...

    async def list_dir_stats(
        self, request: dir_stats_pb2.ListDirStatsRequest
    ) -> dir_stats_pb2.ListDirStatsResponse: ...


class UsageHistory(Protocol):
    """Samples of quota and usage; part of the metadata service."""

    async def get_usage_history(
        self, request: spaces_pb2.GetUsageHistoryRequest
    ) -> spaces_pb2.GetUsageHistoryResponse: ...


class Changes(Protocol):
    """Change logs; part of the metadata service."""

    async def list_changed_documents(
        self, request: changes_pb2.ListChangedDocumentsRequest
    ) -> changes_pb2.ListChangedDocumentsResponse: ...


class Heads(Protocol):
    """How far change logs reach."""

    async def head(self, space_id: str) -> int:
        """Number of the newest change now, 0 when there is none. Raises Unavailable."""
        ...

    async def wait_past(self, space_id: str, number: int) -> None:
        """Returns once there is a change after this number. Cancel it to give up."""
        ...


class Authenticator(Protocol):
    """Who a token stands for."""

    async def authenticate(
        self, token: str | None, peer_ip: str, consumer_token: str | None = None
    ) -> tuple[Identity, bytes]:
        """Identity and its signed form; the guest for None.

        Raises Unauthenticated by the reasons of the catalogue, USER_NOT_SUPPORTED for a user none of whose
        spaces is supported here, and Unavailable.
        """
        ...


Pieces = bytes | Callable[[], AsyncIterator[bytes]]


class Content(Protocol):
    """An open read of a file's bytes. `size_bytes` is the size of the whole file when it was opened."""

    @property
    def size_bytes(self) -> int: ...

    def pieces(self) -> AsyncIterator[bytes]:
        """The bytes asked for, in pieces of bounded size. Breaks off with Unavailable."""
        ...

    async def close(self) -> None:
        """Gives the connection back. Idempotent."""
        ...


class Fetched(Protocol):
    """A data port's answer to a plain request for a file: 200, 206, 304 or 416.

    `headers`: those that tell of the content. `length`: bytes of its body, None where none is told.
    """

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def length(self) -> int | None: ...

    def pieces(self) -> AsyncIterator[bytes]:
        """The body, in pieces of bounded size. Breaks off with Unavailable."""
        ...

    async def close(self) -> None:
        """Gives the connection back. Idempotent."""
        ...


class DataPort(Protocol):
    """Bytes, through a data port of this provider, as the caller of the request under way."""

    async def open(self, file: FileId, first: int = 0, last: int | None = None) -> Content:
        """Opens bytes `first`..`last` (inclusive; None is the end). An empty range gives no pieces.

        Raises ApiError as the data port told it.
        """
        ...

    async def fetch(self, file: FileId, headers: Mapping[str, str], *, head: bool = False) -> Fetched:
        """Asks for a file in plain HTTP form, with a client's headers of ranges and conditions.

        Raises as `open`.
        """
        ...

    async def copy(
        self, source: FileId, path: str, mode: int, told: Callable[[int], None] | None = None
    ) -> None:
        """Copies content, inside the storage where it can, to a new file of this mode at `path`, as `put`.

        `told` hears once a second how many bytes are copied; then it may take as long as it takes. Raises as
        `open`.
        """
        ...

    async def put(self, path: str, pieces: Pieces, size_bytes: int, headers: dict[str, str]) -> bool:
        """Writes a data object in plain CDMI form; `path` is percent-encoded, without the `/cdmi`.

        True when this request made it, now or on an earlier try.

        `pieces` are bytes, or make the pieces anew for every try. Raises as `open`.
        """
        ...

    async def put_parts(
        self,
        path: str,
        boundary: bytes,
        pieces: AsyncIterator[bytes],
        ranges: Sequence[tuple[int, int]],
        headers: dict[str, str],
    ) -> bool:
        """Writes a data object whose value comes in parts of a body (`multipart/mixed`), as `put`.

        `pieces`: the body, which is read once. `ranges`: where its parts go, as far as they do not say.
        Raises what `pieces` raises.
        """
        ...

    async def put_stream(self, path: str, pieces: AsyncIterator[bytes], headers: dict[str, str]) -> bool:
        """As `put`, of a length that shows at the end. `pieces` are read once; raises what they raise."""
        ...
