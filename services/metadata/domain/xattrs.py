"""Extended attributes, JSON and RDF: reading them, and changing them together with their file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any

from runtime.clock import Clock
from runtime.errors import NoData, TooMuchData
from runtime.identity import Identity

from . import json_documents, permissions
from .acls import check_acl
from .custom_metadata import ACL, DOCUMENTS, FIELDS, JSON, RDF, Update, as_texts, read_bits
from .errors import LostRace, RevisionConflict
from .files import Add
from .paths import FileRef, Found, Paths
from .records import AclEntry, File
from .retries import patient_attempts
from .stores import CustomMetadata, CustomMetadataStore
from .tree import Tree
from .turns import Turns

#: Most that is read for one answer: a file and all above it that it inherits from.
MAX_READ_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Asked:
    """Which attributes to tell: all with a prefix, or just `names`; `internal`: reserved ones, too."""

    prefix: str = ""
    names: Sequence[str] = ()
    inherited: bool = False
    internal: bool = False

    @property
    def bits(self) -> int:
        """Rights it needs at the file. Raises `NotPermitted` for reserved names nobody knows."""
        if self.names:
            return read_bits(self.names)
        return read_bits((ACL, JSON, *FIELDS)) if self.internal else permissions.READ_METADATA


@dataclass(frozen=True, slots=True)
class Told:
    """Names and JSON texts, by name, and the ACL if it was asked for."""

    xattrs: Sequence[tuple[str, bytes]]
    acl: Sequence[AclEntry] = ()


class Xattrs:
    """Custom metadata of files and directories."""

    def __init__(self, store: CustomMetadataStore, tree: Tree, paths: Paths, clock: Clock) -> None:
        self._store = store
        self._tree = tree
        self._paths = paths
        self._clock = clock
        self._turns = Turns()

    async def list(self, identity: Identity, ref: FileRef, asked: Asked) -> Told:
        """Attributes of a file; with `inherited` the nearest directory above tells what is not set here."""
        bits = asked.bits
        found = await self._paths.resolve(identity, ref)
        permissions.require(identity, found.chain, bits, found.reach)
        values: dict[str, bytes] = {}
        if bits & permissions.READ_METADATA:
            # Nothing is known by a prefix beforehand, so only names are worth telling the store.
            wanted = set(asked.names) or None
            for level in await self._levels(identity, found, wanted, inherited=asked.inherited):
                values = {**_plain(level, asked.prefix), **_documents(level, asked), **values}
        values |= _fields(found.file, asked)
        told = sorted(item for item in values.items() if not asked.names or item[0] in asked.names)
        tells_acl = asked.internal or ACL in asked.names
        return Told(told, found.file.acl or () if tells_acl else ())

    async def get_json(
        self, identity: Identity, ref: FileRef, keypath: str, *, inherited: bool = False
    ) -> bytes:
        """The JSON document as it was stored, or what it, or all above merged into it, holds at a key path.

        Raises `NoData`, `TooMuchData` when all that is inherited is more than one answer can tell.
        """
        found = await self._paths.resolve(identity, ref)
        permissions.require(identity, found.chain, permissions.READ_METADATA, found.reach)
        levels = await self._levels(identity, found, {JSON}, inherited=inherited)
        texts = [level.xattrs[JSON] for level in levels if JSON in level.xattrs]
        if not texts:
            raise NoData("no JSON document is set")
        if len(texts) == 1 and not keypath:
            return texts[0]
        document = reduce(json_documents.merged, map(json_documents.parse, texts))
        return json_documents.dump(json_documents.value_at(document, json_documents.steps(keypath)))

    async def get_rdf(self, identity: Identity, ref: FileRef) -> bytes:
        """The RDF document, byte for byte. Raises `NoData`."""
        found = await self._paths.resolve(identity, ref)
        permissions.require(identity, found.chain, permissions.READ_METADATA, found.reach)
        for level in await self._levels(identity, found, {RDF}, inherited=False):
            if RDF in level.xattrs:
                return level.xattrs[RDF]
        raise NoData("no RDF document is set")

    async def update(
        self, identity: Identity, request_id: str, ref: FileRef, update: Update, *, check_only: bool = False
    ) -> None:
        """Changes a file's metadata: all of it or nothing, and what others change meanwhile stays.

        With `check_only` it only raises what it would refuse.
        """
        update.check()
        found = await self._paths.resolve(identity, ref)
        file_id = found.file.file_id
        if check_only:
            permissions.require(identity, found.chain, update.bits, found.reach)
            await self._outcome(found.file, update)
            return
        name_id = found.entry.file_id
        async with self._turns.of(file_id):
            async for attempt in patient_attempts():
                chain = await self._tree.chain(ref.space_id, name_id, fresh=attempt > 0)
                found = await self._paths.found(identity, chain, fresh=attempt > 0)
                permissions.require(identity, found.chain, update.bits, found.reach)
                if await self._apply(found.file, update, request_id):
                    return
        raise LostRace(file_id=file_id)

    async def with_file(self, file: File, update: Update) -> tuple[File, Add]:
        """A new file as it is with this metadata, and what adds both by one change.

        Raises what `Update.applied` does.
        """
        metadata, changes = await self._outcome(file, update)
        return replace(file, **changes), partial(self._add, metadata)

    async def _add(self, metadata: CustomMetadata | None, file: File) -> None:
        if metadata is None:
            await self._tree.insert(file)
            return
        await self._tree.insert_by(file, partial(self._store.replace, metadata, file))

    async def _apply(self, file: File, update: Update, request_id: str) -> bool:
        """Whether it is done; else somebody else was faster."""
        after, changes = await self._outcome(file, update)
        if after is None and all(getattr(file, name) == value for name, value in changes.items()):
            return True
        changed = file.changed(**changes, op_id=request_id, ctime_ms=self._clock.now_ms())
        try:
            await self._replace(after, changed)
        except RevisionConflict:
            return False
        return True

    async def _outcome(self, file: File, update: Update) -> tuple[CustomMetadata | None, dict[str, Any]]:
        """The custom metadata afterwards, None where it stays, and fields of the record to be set.

        Raises what the update is refused with for what the file has already.
        """
        # Where only the record changes it does not matter what is set.
        reads = update.bits & permissions.WRITE_METADATA
        before = await self._store.find(file.file_id) if reads else None
        before = before or CustomMetadata(file.file_id, file.space_id, {})
        after = update.applied(before)
        changes: dict[str, Any] = {**update.fields}
        if after is not before:
            changes["has_custom_metadata"] = bool(after.xattrs)
        if update.new_acl is not None:
            changes["acl"] = check_acl(file, update.new_acl)
        return None if after is before else after, changes

    async def _replace(self, metadata: CustomMetadata | None, file: File) -> None:
        if metadata is None:
            await self._tree.replace(file)
            return
        await self._tree.replace_by(file, partial(self._store.replace, metadata, file))

    async def _levels(
        self, identity: Identity, found: Found, names: set[str] | None, *, inherited: bool
    ) -> Sequence[CustomMetadata]:
        """What is set on the file, and with `inherited` on all above it, the nearest first."""
        if inherited:
            await self._require_readable_ways(identity, found)
        files = found.chain if inherited else found.chain[-1:]
        bearers = [file.file_id for file in reversed(files) if file.has_custom_metadata]
        if not bearers:
            return ()
        stored = await self._store.find_many(bearers, names, limit_bytes=MAX_READ_BYTES)
        if stored is None:
            raise TooMuchData("all inherited metadata is too much for one answer")
        return [stored[file_id] for file_id in bearers if file_id in stored]

    async def _require_readable_ways(self, identity: Identity, found: Found) -> None:
        for depth in range(1, len(found.chain)):
            above = found.chain[:depth]
            reach = await self._paths.reach(identity, list(above))
            permissions.require(identity, above, permissions.READ_METADATA, reach)


def _plain(level: CustomMetadata, prefix: str) -> dict[str, bytes]:
    return {
        name: value
        for name, value in level.xattrs.items()
        if name not in DOCUMENTS and name.startswith(prefix)
    }


def _documents(level: CustomMetadata, asked: Asked) -> dict[str, bytes]:
    """The documents as attributes, where asked for."""
    names = DOCUMENTS if asked.internal else DOCUMENTS & set(asked.names)
    return as_texts({name: level.xattrs[name] for name in names if name in level.xattrs})


def _fields(file: File, asked: Asked) -> dict[str, bytes]:
    shown = {name: getattr(file, field) for name, field in FIELDS.items()}
    return {
        name: json_documents.dump(value)
        for name, value in shown.items()
        if value and (asked.internal or name in asked.names)
    }
