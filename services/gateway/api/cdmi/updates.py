"""Writes of what is no content: items of users, documents, ACL, media type, encoding."""

from __future__ import annotations

from isthmus.metadata.v1 import files_pb2, xattrs_pb2

from runtime.http.errors import ApiError
from services.gateway.api.cdmi.nodes import Node
from services.gateway.api.cdmi.repeats import CHANGED, step_id
from services.gateway.api.namespace import ref
from services.gateway.api.ports import Metadata
from services.gateway.domain import xattrs
from services.gateway.domain.cdmi.bodies import Body
from services.gateway.domain.cdmi.metadata import Change
from services.gateway.domain.cdmi.values import BASE64
from services.gateway.domain.files import DEFAULT_MIMETYPE

Update = xattrs_pb2.UpdateXattrsRequest


def planned(
    change: Change | None,
    *,
    directory: bool,
    mimetype: str | None = None,
    encoding: str | None = None,
    has_value: bool = True,
) -> Update | None:
    """What is to be written besides content; None for nothing. Only what `has_value` has a digest of it.

    Raises ApiError `badData` of `acl`, and InvalidName for an ACL that does not fit.
    """
    if change is None and mimetype is None and encoding is None:
        return None
    change = change or Change()
    update = Update(
        set=[xattrs_pb2.Xattr(name=name, value_json=value) for name, value in change.set.items()],
        remove=change.remove,
        replace_all=change.replace_all,
        mimetype=mimetype,
        value_transfer_encoding=encoding,
        rdf=change.rdf,
    )
    if change.value_hash is not None and has_value and not directory:
        update.value_hash = change.value_hash
    if change.json is not None:
        update.json.value_json = change.json
    acl = change.entries(directory=directory)
    if acl is not None:
        update.acl.SetInParent()
        for entry in acl:
            update.acl.entries.add(
                allow=entry.allow, identifier=entry.identifier, mask=entry.mask, is_group=entry.is_group
            )
    return update


def planned_for(source: Node, body: Body) -> Update | None:
    """What a body changes of something that is copied or moved; a directory has no media type.

    Raises ApiError `malformedData` for changes of a reference, which has nothing but its URI.
    """
    if source.is_reference and (body.metadata, body.mimetype, body.encoding) != (None, None, None):
        raise ApiError("malformedData")
    directory = source.is_directory
    return planned(
        body.metadata,
        directory=directory,
        mimetype=None if directory else body.mimetype,
        encoding=None if directory else body.encoding,
        has_value=not source.is_queue,
    )


def without(fields: frozenset[str] | None, update: Update | None, *, directory: bool) -> Update | None:
    """What has to be different for a copy to have only these fields of its source, besides the update."""
    if fields is None:
        return update
    changed = Update()
    if update is not None:
        changed.CopyFrom(update)
    if "metadata" not in fields:
        changed.replace_all = True
        if not changed.HasField("acl"):
            changed.acl.SetInParent()
    if not directory and "mimetype" not in fields and not changed.HasField("mimetype"):
        changed.mimetype = DEFAULT_MIMETYPE
    has_encoding = directory or "valuetransferencoding" in fields
    if not has_encoding and not changed.HasField("value_transfer_encoding"):
        changed.value_transfer_encoding = BASE64
    return changed


def overridden(copied: Update, update: Update | None) -> Update:
    """What is written of something that was copied: as its source has it, but for what a body says."""
    merged = Update()
    merged.CopyFrom(copied)
    if update is None:
        return merged
    touched = {*update.remove, *(each.name for each in update.set)}
    kept = [] if update.replace_all else [each for each in merged.set if each.name not in touched]
    del merged.set[:]
    merged.set.extend(kept)
    if update.replace_all or xattrs.JSON in touched:
        merged.ClearField("json")
    if update.replace_all or xattrs.RDF in touched:
        merged.ClearField("rdf")
    if update.HasField("acl"):
        merged.ClearField("acl")
    merged.MergeFrom(update)
    # Nothing is there yet that could be removed.
    merged.ClearField("remove")
    merged.ClearField("replace_all")
    return merged


class Updates:
    """Has an update done in one step: all of it or nothing."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    async def check(self, node: Node, update: Update | None) -> None:
        """Raises what `apply` would refuse; asked before anything else of a request is done."""
        if update is None:
            return
        asked = Update()
        asked.CopyFrom(update)
        asked.check_only = True
        await self._send(ref(node.id), asked, CHANGED)

    async def apply(self, node: Node, update: Update | None, step: str = CHANGED) -> None:
        """Does it to what is at the node's place now, whatever was there when it was found."""
        if update is not None:
            await self._send(files_pb2.FileRef(space_id=node.space_id, path=node.names[1:]), update, step)

    async def apply_to(self, file: files_pb2.FileRef, update: Update | None) -> None:
        """Does it to a file."""
        if update is not None:
            await self._send(file, update, CHANGED)

    async def _send(self, file: files_pb2.FileRef, update: Update, step: str) -> None:
        update.file.CopyFrom(file)
        # The same user request has changed this file already, under its plain id.
        update.request_id = step_id(step)
        await self._metadata.update_xattrs(update)
