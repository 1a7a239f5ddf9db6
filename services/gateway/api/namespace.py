"""Questions about the namespace that several routes ask alike."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import orjson
from isthmus.metadata.v1 import files_pb2, xattrs_pb2

from runtime.http.file_ids import ROOT_SPACE_ID, FileId, user_root
from runtime.identity import Identity, SpacePrivilege
from services.gateway.api.ports import Metadata
from services.gateway.domain import acls
from services.gateway.domain.attributes import Selection
from services.gateway.domain.files import DIRECTORY, FileRecord, VirtualDirectory
from services.gateway.domain.views import View

_T = TypeVar("_T")

#: Most calls one request has under way at a time; the mux makes one batch of them.
MAX_PARALLEL = 128


def ref(file: FileId, path: Sequence[str] = (), *, follow: bool = False) -> files_pb2.FileRef:
    """How the metadata service is told of a file."""
    return files_pb2.FileRef(
        space_id=file.space_id,
        file_id=file.uuid,
        path=path,
        follow_last_symlink=follow,
        share_id=file.share_id or "",
    )


def id_of(file: FileRecord) -> FileId:
    """The id of a record."""
    return FileId(file.space_id, file.file_id)


def view_of(identity: Identity, file: FileId) -> View:
    """From where a request looks at a file, without its parent's path."""
    rights = identity.spaces.get(file.space_id)
    return View(
        space_name(identity, file.space_id),
        share_id=file.share_id,
        shows_shares=rights is not None and rights.has(SpacePrivilege.VIEW),
    )


def space_name(identity: Identity, space_id: str) -> str:
    """Name of a space as the caller knows it."""
    rights = identity.spaces.get(space_id)
    return rights.name if rights else space_id


def listed_spaces(identity: Identity) -> list[tuple[str, str]]:
    """Name and id of the caller's spaces supported here, by the bytes of the name.

    A name several spaces bear is shown as `name@id`, the form that means one of them.
    """
    spaces = [(rights.name, id) for id, rights in identity.spaces.items() if rights.supported]
    bearers: dict[str, int] = {}
    for name, _ in spaces:
        bearers[name] = bearers.get(name, 0) + 1
    shown = [(name if bearers[name] == 1 else f"{name}@{id}", id) for name, id in spaces]
    return sorted(shown, key=lambda space: space[0].encode("utf-8", "surrogatepass"))


def user_root_record(identity: Identity, provider_id: str) -> VirtualDirectory:
    """The directory that lists the caller's spaces."""
    root = user_root(identity.subject_id)
    return VirtualDirectory(
        file_id=root.uuid,
        space_id=ROOT_SPACE_ID,
        name=identity.subject_id,
        owner_id=identity.subject_id,
        provider_id=provider_id,
    )


async def xattrs_of(
    metadata: Metadata, file: FileId, *, prefix: str = "", follow: bool = False
) -> dict[str, Any]:
    """Extended attributes set on a file, by name, as `orjson.Fragment`: written again as they were stored."""
    answer = await metadata.list_xattrs(
        xattrs_pb2.ListXattrsRequest(file=ref(file, follow=follow), prefix=prefix)
    )
    return {xattr.name: orjson.Fragment(xattr.value_json) for xattr in answer.xattrs}


def wanted(selection: Selection) -> files_pb2.WantedAttributes | None:
    """What a selection asks for beside the record; None when nothing."""
    if not selection.wants_more:
        return None
    return files_pb2.WantedAttributes(acl=selection.with_acl, xattrs=selection.xattr_names)


def acl_of_text(value: Any, file: FileRecord) -> xattrs_pb2.Acl:
    """An ACL in CDMI form, for this file. Raises `UnreadableAcl` and InvalidName (`domain.acls`)."""
    return xattrs_pb2.Acl(
        entries=[
            files_pb2.AclEntry(
                allow=entry.allow, identifier=entry.identifier, mask=entry.mask, is_group=entry.is_group
            )
            for entry in acls.parse(value, directory=file.type == DIRECTORY)
        ]
    )


async def in_parallel(calls: Iterable[Any]) -> list[Any]:
    """Results of awaitables in their order, at most MAX_PARALLEL under way; the first error wins."""
    pending = list(calls)
    results: list[Any] = []
    for start in range(0, len(pending), MAX_PARALLEL):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in pending[start : start + MAX_PARALLEL]]
        results.extend(task.result() for task in tasks)
    return results
