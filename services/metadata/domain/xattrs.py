"""Extended attributes: JSON texts by name, changed together with the fields of the file they belong to."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from runtime.clock import Clock
from runtime.errors import InvalidName, NameTooLong, NotPermitted
from runtime.identity import Identity

from . import permissions
from .errors import LostRace, RevisionConflict
from .paths import FileRef, Paths
from .retries import attempts
from .stores import CustomMetadata, CustomMetadataStore
from .tree import Tree

MAX_NAME_BYTES = 255
#: Names and values of one file: they travel in one message.
MAX_TOTAL_BYTES = 2 * 1024 * 1024
#: What other calls set.
RESERVED_PREFIXES = ("onedata_", "cdmi_")


class Xattrs:
    """Extended attributes of files and directories."""

    def __init__(self, store: CustomMetadataStore, tree: Tree, paths: Paths, clock: Clock) -> None:
        self._store = store
        self._tree = tree
        self._paths = paths
        self._clock = clock

    async def list(self, identity: Identity, ref: FileRef, prefix: str) -> Sequence[tuple[str, bytes]]:
        """Names and values that begin with a prefix, by name."""
        found = await self._paths.resolve(identity, ref)
        permissions.require(identity, found.chain, permissions.READ_METADATA, found.reach)
        if not found.file.has_custom_metadata:
            return []
        metadata = await self._store.find(found.file.file_id)
        xattrs = metadata.xattrs if metadata is not None else {}
        return sorted(item for item in xattrs.items() if item[0].startswith(prefix))

    async def update(
        self,
        identity: Identity,
        request_id: str,
        ref: FileRef,
        *,
        set_: Mapping[str, bytes],
        remove: Collection[str] = (),
        replace_all: bool = False,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        """Sets and removes attributes, and sets CDMI fields of the file: all of it or nothing."""
        _check(set_)
        for name in remove:
            _check_reserved(name)
        found = await self._paths.resolve(identity, ref)
        permissions.require(identity, found.chain, permissions.WRITE_METADATA, found.reach)
        async for attempt in attempts():
            chain = await self._tree.chain(ref.space_id, found.file.file_id, fresh=attempt > 0)
            file = chain[-1]
            before = await self._store.find(file.file_id) or CustomMetadata(file.file_id, file.space_id, {})
            xattrs = dict(set_) if replace_all else {**before.xattrs, **set_}
            for name in remove:
                xattrs.pop(name, None)
            _check_total(xattrs)
            changes: dict[str, Any] = {**(fields or {}), "has_custom_metadata": bool(xattrs)}
            if xattrs == before.xattrs and all(getattr(file, key) == value for key, value in changes.items()):
                return None
            after = replace(before, xattrs=xattrs, revision=before.revision + 1)
            changed = file.changed(**changes, op_id=request_id, ctime_ms=self._clock.now_ms())
            try:
                await self._store.replace(after if xattrs != before.xattrs else None, changed)
            except RevisionConflict:
                self._tree.forget(file.file_id)
                continue
            except BaseException:
                self._tree.forget(file.file_id)
                raise
            return self._tree.written(changed)
        raise LostRace(file_id=found.file.file_id)


def _check(xattrs: Mapping[str, bytes]) -> None:
    for name, value in xattrs.items():
        if not name or "\0" in name:
            raise InvalidName("not a possible attribute name")
        if len(name.encode()) > MAX_NAME_BYTES:
            raise NameTooLong("the attribute name is too long")
        _check_reserved(name)
        try:
            json.loads(value)
        except (ValueError, RecursionError):
            raise InvalidName("the value is no JSON", name=name) from None


def _check_reserved(name: str) -> None:
    if name.startswith(RESERVED_PREFIXES):
        raise NotPermitted("the attribute name is reserved", name=name)


def _check_total(xattrs: Mapping[str, bytes]) -> None:
    if sum(len(name.encode()) + len(value) for name, value in xattrs.items()) > MAX_TOTAL_BYTES:
        raise InvalidName("too much custom metadata on one file")
