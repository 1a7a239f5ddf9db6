"""Fields of CDMI answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from runtime.http import file_ids
from runtime.http.cdmi import CAPABILITY, CAPABILITY_IDS, CONTAINER, OBJECT, QUEUE, Query
from runtime.http.file_ids import ROOT_SPACE_ID
from services.gateway.domain import files
from services.gateway.domain.cdmi import metadata
from services.gateway.domain.cdmi.hashes import ALGORITHMS, VALUE_HASH
from services.gateway.domain.files import DEFAULT_MIMETYPE, DIRECTORY, FileRecord

_STANDING: Final = ("cdmi_acl", "cdmi_size", "cdmi_ctime", "cdmi_atime", "cdmi_mtime")
_ROOT: Final = "cdmi_capabilities/"

#: What the original announces, and works.
CAPABILITIES: Final = {
    _ROOT: (
        "cdmi_dataobjects", "cdmi_security_access_control", "cdmi_object_move_from_local",
        "cdmi_object_copy_from_local", "cdmi_object_access_by_ID",
    ),
    _ROOT + "container/": (
        *_STANDING, "cdmi_list_children", "cdmi_list_children_range", "cdmi_read_metadata",
        "cdmi_modify_metadata", "cdmi_create_dataobject", "cdmi_create_container", "cdmi_delete_container",
        "cdmi_move_container", "cdmi_copy_container", "cdmi_move_dataobject", "cdmi_copy_dataobject",
    ),
    _ROOT + "dataobject/": (
        *_STANDING, "cdmi_read_value", "cdmi_read_value_range", "cdmi_read_metadata",
        "cdmi_modify_value", "cdmi_modify_value_range", "cdmi_modify_metadata", "cdmi_delete_dataobject",
    ),
}  # fmt: skip

#: Making a file costs about as much as copying so many bytes.
_FILE_WEIGHT: Final = 64 << 10

#: What works besides.
BEYOND: Final[dict[str, tuple[str, ...]]] = {
    _ROOT: ("cdmi_multipart_mime", "cdmi_references", "cdmi_queues", "cdmi_serialization_json"),
    _ROOT + "container/": (
        "cdmi_create_value_range", "cdmi_post_dataobject", "cdmi_create_reference", "cdmi_create_queue",
        "cdmi_post_queue", "cdmi_serialize_dataobject", "cdmi_serialize_container",
        "cdmi_deserialize_dataobject", "cdmi_deserialize_container",
    ),
    _ROOT + "dataobject/": (VALUE_HASH,),
    _ROOT + "queue/": (
        *_STANDING, "cdmi_read_value", "cdmi_read_metadata", "cdmi_modify_value", "cdmi_modify_metadata",
        "cdmi_delete_queue", "cdmi_move_queue", "cdmi_copy_queue",
    ),
}  # fmt: skip

#: Capabilities that are lists.
_LISTS: Final = {VALUE_HASH: list(ALGORITHMS)}

#: Object type and capability object by the type of a file; all others are data objects.
_KINDS: Final = {DIRECTORY: (CONTAINER, "container/"), files.QUEUE: (QUEUE, "queue/")}


def capability_fields(address: str, query: Query, *, original: bool = False) -> dict[str, Any]:
    """A capability object. `original`: without what goes beyond the original server."""
    fields: dict[str, Any] = {
        "objectType": CAPABILITY,
        "objectID": CAPABILITY_IDS[address],
        "objectName": address.removeprefix(_ROOT) or _ROOT,
    }
    if address != _ROOT:
        fields |= {"parentURI": _ROOT, "parentID": CAPABILITY_IDS[_ROOT]}
    fields["capabilities"] = {
        name: _LISTS.get(name, "true") for name in _announced(address, original=original)
    }
    if address == _ROOT:
        fields["childrenrange"] = "0-1"
    # Those of the original, whose clients compare them; that of queues is named by each queue.
    fields["children"] = ["container/", "dataobject/"] if address == _ROOT else []
    return {name: value for name, value in fields.items() if query.wants(name)}


def _announced(address: str, *, original: bool) -> tuple[str, ...]:
    known = CAPABILITIES.get(address, ())
    return known if original else known + BEYOND.get(address, ())


def common_fields(
    file: FileRecord, names: Sequence[str], query: Query, items: Mapping[str, Any], user_id: str
) -> dict[str, Any]:
    """Fields that containers and data objects share; `names` is the path from the root.

    `items`: of users, and the ACL; read by the caller only where `metadata` is wanted.
    """
    is_container = file.type == DIRECTORY
    kind, capabilities = _KINDS.get(file.type, (OBJECT, "dataobject/"))
    name = names[-1] if names else ""
    fields: dict[str, Any] = {
        "objectType": kind,
        "objectID": file_ids.encode(file.space_id, file.file_id),
        "objectName": f"{name}/" if is_container else name,
        "parentURI": "/".join(("", *names[:-1], "")) if names else "",
    }
    if names:
        fields["parentID"] = _parent_id(file, user_id)
    fields["capabilitiesURI"] = _ROOT + capabilities
    fields["completionStatus"] = file.completion_status or "Complete"
    if kind == OBJECT:
        fields["mimetype"] = file.mimetype or DEFAULT_MIMETYPE
    if query.wants("metadata"):
        fields["metadata"] = metadata.shown(file, items, query.metadata)
    return {name: value for name, value in fields.items() if query.wants(name)}


def unfinished_fields(file: FileRecord, names: Sequence[str], query: Query, user_id: str) -> dict[str, Any]:
    """Fields of what is being copied and is not there yet, but for how far it is."""
    told = common_fields(file, names, query, {}, user_id)
    for name in ("mimetype", "completionStatus"):
        told.pop(name, None)
    return told


def percent_complete(
    *, copied_bytes: int, copied_files: int, total_bytes: int, total_files: int
) -> str | None:
    """How much of the work is done, as text; None while nobody knows how much there is.

    Only what is whole is a hundred per cent, and then there is no need to tell.
    """
    total = total_bytes + _FILE_WEIGHT * total_files
    if not total:
        return None
    done = copied_bytes + _FILE_WEIGHT * copied_files
    return str(min(99, 100 * done // total))


def _parent_id(file: FileRecord, user_id: str) -> str:
    if file.parent_id:
        return file_ids.encode(file.space_id, file.parent_id)
    return file_ids.encode(ROOT_SPACE_ID, file_ids.user_root(user_id).uuid)
