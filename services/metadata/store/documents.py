"""Records as documents of MongoDB, and back. Fields at their default are left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.metadata.domain.locations import ChangeKind, ContentChange, Garbage, Location
from services.metadata.domain.records import AclEntry, File, FileType, Trashed, ValueDigest
from services.metadata.domain.stores import CustomMetadata, Intent

Document = dict[str, Any]

#: Fields of files that most of them don't have.
_OPTIONAL = (
    ("symlink_target", ""),
    ("mimetype", ""),
    ("value_transfer_encoding", ""),
    ("completion_status", ""),
    ("value_hash", ""),
    ("has_custom_metadata", False),
    ("cleanup_ms", None),
    ("purge_ms", None),
    ("delete_op", ""),
    ("unnamed", False),
    ("meta_revision", 1),
    ("times_revision", 1),
)
#: What a document without such a field means.
DEFAULTS: Mapping[str, Any] = dict(_OPTIONAL)
#: Fields with the same name and form on both sides, always there.
_PLAIN = (
    "space_id",
    "parent_id",
    "name",
    "named_by",
    "mode",
    "owner_id",
    "provider_id",
    "creation_time_ms",
    "atime_ms",
    "mtime_ms",
    "ctime_ms",
    "size_bytes",
    "local_bytes",
    "location_revision",
    "revision",
    "op_id",
    "deleted",
)


def file_to_document(file: File) -> Document:
    document: Document = {"_id": file.file_id, "type": file.type.value}
    for name in _PLAIN:
        document[name] = getattr(file, name)
    for name, default in _OPTIONAL:
        value = getattr(file, name)
        if value != default:
            document[name] = value
    if file.share_ids:
        document["share_ids"] = list(file.share_ids)
    if file.gids:
        document["gids"] = list(file.gids)
    if file.location is not None:
        document["location"] = _first_location_to_document(document, file.location)
    if file.value_digest is not None:
        made = file.value_digest
        document["value_digest"] = [made.algorithm, made.digest, made.location_revision]
    if file.links:
        document["links"] = list(file.links)
    if file.acl is not None:
        document["acl"] = [[e.allow, e.identifier, e.mask, e.is_group] for e in file.acl]
    if file.trashed is not None:
        document["trashed"] = {
            "time_ms": file.trashed.time_ms,
            "parent_id": file.trashed.parent_id,
            "name": file.trashed.name,
            "by": file.trashed.by,
            "due_ms": file.trashed.due_ms,
        }
    return document


def file_from_document(document: Mapping[str, Any]) -> File:
    values = {name: document[name] for name in _PLAIN}
    for name, default in _OPTIONAL:
        values[name] = document.get(name, default)
    acl, trashed = document.get("acl"), document.get("trashed")
    location = document.get("location")
    return File(
        file_id=document["_id"],
        type=FileType(document["type"]),
        share_ids=tuple(document.get("share_ids", ())),
        gids=tuple(document.get("gids", ())),
        location=None if location is None else first_location_from_document(document),
        links=tuple(document.get("links", ())),
        value_digest=ValueDigest(*document["value_digest"]) if "value_digest" in document else None,
        acl=None if acl is None else tuple(AclEntry(*entry) for entry in acl),
        trashed=None if trashed is None else Trashed(**trashed),
        **values,
    )


def location_id(file_id: str, provider_id: str) -> str:
    """Key of the location of a file at a provider."""
    return f"{file_id}:{provider_id}"


def location_to_document(location: Location) -> Document:
    """Blocks become one flat list: offset, size, offset, size, ...: a third of the room of nested ones."""
    document: Document = {
        "_id": location_id(location.file_id, location.provider_id),
        "file_id": location.file_id,
        "space_id": location.space_id,
        "provider_id": location.provider_id,
        "storage_id": location.storage_id,
        "storage_file_id": location.storage_file_id,
        "size_bytes": location.size_bytes,
        "held_bytes": location.held_bytes,
        "blocks": [number for block in location.blocks for number in block],
        "version_vector": dict(location.version_vector),
        "recent_changes": [[c.kind.value, c.offset, c.size_bytes] for c in location.recent_changes],
        "recent_ops": list(location.recent_ops),
        "generation": location.generation,
        "changed_ms": location.changed_ms,
        "revision": location.revision,
    }
    if location.garbage:
        document["garbage"] = [
            {
                "storage_id": item.storage_id,
                "storage_file_id": item.storage_file_id,
                "size_bytes": item.size_bytes,
                "since_ms": item.since_ms,
            }
            for item in location.garbage
        ]
    if location.dirty_ms is not None:
        document["dirty_ms"] = location.dirty_ms
    if location.retired:
        document["retired"] = True
    if location.registered:
        document["registered"] = True
    return document


def location_from_document(document: Mapping[str, Any]) -> Location:
    numbers = document["blocks"]
    return Location(
        file_id=document["file_id"],
        space_id=document["space_id"],
        provider_id=document["provider_id"],
        storage_id=document["storage_id"],
        storage_file_id=document["storage_file_id"],
        size_bytes=document["size_bytes"],
        blocks=tuple(zip(numbers[::2], numbers[1::2], strict=True)),
        version_vector=document["version_vector"],
        recent_changes=tuple(
            ContentChange(ChangeKind(kind), offset, size) for kind, offset, size in document["recent_changes"]
        ),
        recent_ops=tuple(document["recent_ops"]),
        garbage=tuple(Garbage(**item) for item in document.get("garbage", ())),
        generation=document["generation"],
        changed_ms=document["changed_ms"],
        dirty_ms=document.get("dirty_ms"),
        retired=document.get("retired", False),
        registered=document.get("registered", False),
        revision=document["revision"],
    )


#: Fields of files that tell what their first location leaves out.
FIRST_LOCATION_FIELDS = ("space_id", "size_bytes", "op_id", "creation_time_ms", "location")


def _implied(file: Mapping[str, Any], provider_id: str) -> Document:
    """A location after one upload, which made the file: what the document of the file tells anyway."""
    size_bytes, op_id = file["size_bytes"], file["op_id"]
    return {
        "file_id": file["_id"],
        "space_id": file["space_id"],
        "size_bytes": size_bytes,
        "blocks": [0, size_bytes],
        "version_vector": {provider_id: 2},
        "recent_changes": [["shrink", 0, 0], ["write", 0, size_bytes]],
        "recent_ops": [op_id] if op_id else [],
        "generation": 1,
        "changed_ms": file["creation_time_ms"],
    }


def _first_location_to_document(file: Mapping[str, Any], location: Location) -> Document:
    """Within the document of its file: what that does not imply."""
    document = location_to_document(location)
    del document["_id"]
    for name, value in _implied(file, location.provider_id).items():
        if document[name] == value:
            del document[name]
    return document


def first_location_from_document(file: Mapping[str, Any]) -> Location:
    """The location in the document of a file, whose fields `FIRST_LOCATION_FIELDS` are enough."""
    own = file["location"]
    return location_from_document({**_implied(file, own["provider_id"]), **own})


def intent_to_document(intent: Intent) -> Document:
    return {
        "_id": intent.request_id,
        "space_id": intent.space_id,
        "file_id": intent.file_id,
        "storage_id": intent.storage_id,
        "storage_file_id": intent.storage_file_id,
        "replaces": intent.replaces,
        "time_ms": intent.time_ms,
        "abandoned": intent.abandoned,
        "holder": intent.holder,
    }


def intent_from_document(document: Mapping[str, Any]) -> Intent:
    values = {name: value for name, value in document.items() if name != "_id"}
    return Intent(request_id=document["_id"], **values)


def metadata_to_document(metadata: CustomMetadata) -> Document:
    """Names are values here, not keys: MongoDB gives `.` and `$` in keys a meaning."""
    return {
        "_id": metadata.file_id,
        "space_id": metadata.space_id,
        "xattrs": [{"name": name, "value": value} for name, value in metadata.xattrs.items()],
        "revision": metadata.revision,
    }


def metadata_from_document(document: Mapping[str, Any]) -> CustomMetadata:
    return CustomMetadata(
        file_id=document["_id"],
        space_id=document["space_id"],
        xattrs={item["name"]: bytes(item["value"]) for item in document["xattrs"]},
        revision=document["revision"],
    )
