"""Between the records of the domain and their protos."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from isthmus.metadata.v1 import contents_pb2, files_pb2

from runtime.errors import InvalidArgument, NotSupported
from services.metadata.domain.extras import NO_EXTRA, Extra, Wanted
from services.metadata.domain.leases import Grant
from services.metadata.domain.locations import Location
from services.metadata.domain.paths import FileRef
from services.metadata.domain.records import AclEntry, File, FileType

_TYPES = {
    FileType.REGULAR: files_pb2.FILE_TYPE_REGULAR,
    FileType.DIRECTORY: files_pb2.FILE_TYPE_DIRECTORY,
    FileType.SYMLINK: files_pb2.FILE_TYPE_SYMLINK,
    FileType.QUEUE: files_pb2.FILE_TYPE_QUEUE,
}
_FROM_PROTO = {number: type_ for type_, number in _TYPES.items()}


def file_to_proto(file: File, path: Sequence[str] = (), extra: Extra = NO_EXTRA) -> files_pb2.File:
    """A file as its users see it."""
    told = files_pb2.File(
        file_id=file.file_id,
        space_id=file.space_id,
        parent_id=file.parent_id,
        name=file.name,
        type=_TYPES[file.type],
        mode=file.mode,
        owner_id=file.owner_id,
        provider_id=file.provider_id,
        creation_time_ms=file.creation_time_ms,
        atime_ms=file.atime_ms,
        mtime_ms=file.mtime_ms,
        ctime_ms=file.ctime_ms,
        size_bytes=file.size_bytes,
        symlink_target=file.symlink_target,
        revision=file.revision,
        share_ids=file.share_ids,
        hard_link_count=file.hard_link_count,
        has_custom_metadata=file.has_custom_metadata,
        mimetype=file.mimetype,
        value_transfer_encoding=file.value_transfer_encoding,
        completion_status=file.completion_status,
        path=path,
        local_bytes=file.local_bytes,
        has_acl=file.has_acl,
        last_request_id=file.op_id,
        value_hash=file.value_hash,
        content_revision=file.location_revision,
        gids=file.gids,
    )
    if extra is not NO_EXTRA:
        told.acl.extend(acl_to_proto(extra.acl))
        told.xattrs.update(extra.xattrs)
    return told


def acl_to_proto(acl: Iterable[AclEntry]) -> list[files_pb2.AclEntry]:
    """The entries in their order."""
    return [
        files_pb2.AclEntry(
            allow=entry.allow, identifier=entry.identifier, mask=entry.mask, is_group=entry.is_group
        )
        for entry in acl
    ]


def acl_from_proto(entries: Iterable[files_pb2.AclEntry]) -> tuple[AclEntry, ...]:
    """The entries in their order, as they came."""
    return tuple(AclEntry(entry.allow, entry.identifier, entry.mask, entry.is_group) for entry in entries)


def wanted_from_proto(wanted: files_pb2.WantedAttributes) -> Wanted:
    """What a request wants beside the record."""
    return Wanted(wanted.acl, frozenset(wanted.xattrs))


def type_to_proto(type: FileType) -> files_pb2.FileType.ValueType:
    """The number of a type."""
    return _TYPES[type]


def type_from_proto(number: int) -> FileType:
    """Raises InvalidArgument for a type that is unknown, or not said."""
    try:
        return _FROM_PROTO[files_pb2.FileType.ValueType(number)]
    except KeyError:
        raise InvalidArgument("no such type of file", type=number) from None


def ref_from_proto(ref: files_pb2.FileRef) -> FileRef:
    """Raises InvalidArgument when the space is not said, NotSupported for a file as the public sees it."""
    if ref.share_id:
        raise NotSupported("not possible through a share", share_id=ref.share_id)
    return readable_from_proto(ref)


def readable_from_proto(ref: files_pb2.FileRef) -> FileRef:
    """As `ref_from_proto`, for what the public may do, too."""
    if not ref.space_id:
        raise InvalidArgument("a file needs a space_id")
    return FileRef(ref.space_id, ref.file_id, tuple(ref.path), ref.follow_last_symlink, ref.share_id)


def put_grant(grant: Grant, told: files_pb2.Grant) -> None:
    """Fills in the grant of an answer."""
    told.number = grant.number
    told.file_ids.extend(grant.records)
    told.max_age_ms = int(grant.max_age_s * 1000)


def location_to_proto(location: Location) -> contents_pb2.Location:
    """A location, without its garbage and history."""
    return contents_pb2.Location(
        file_id=location.file_id,
        provider_id=location.provider_id,
        storage_id=location.storage_id,
        storage_file_id=location.storage_file_id,
        size_bytes=location.size_bytes,
        blocks=[contents_pb2.Block(offset=offset, size_bytes=size) for offset, size in location.blocks],
        version_vector=location.version_vector,
        revision=location.revision,
    )
