"""A whole metadata domain in this process, and short words for what tests do with it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runtime.clock import ManualClock
from runtime.identity import DataCaveats, Identity, Kind, SpacePrivilege, SpaceRights
from services.metadata.clients.zone_shares import NoZoneShares
from services.metadata.domain.commits import Commit
from services.metadata.domain.files import NewFile
from services.metadata.domain.listing import PageStart
from services.metadata.domain.locations import Upload
from services.metadata.domain.paths import FileRef
from services.metadata.domain.queue_writer import NewValue, QueueLimits
from services.metadata.domain.queues import Taking
from services.metadata.domain.records import File, FileType
from services.metadata.domain.rules import Rules, assemble
from services.metadata.domain.shares import ZoneShares
from services.metadata.domain.stores import Stores
from services.metadata.domain.tree import Ownership, OwnsEverything
from services.metadata.domain.uploads import UploadRequest
from services.metadata.store.memory import memory_stores

SPACE = "space1"
PROVIDER = "provider1"
STORAGE = "storage1"
FAR_FUTURE_MS = 10**14

SERVICE = Identity(Kind.SERVICE, "storage_router", expires_at_ms=FAR_FUTURE_MS)

_numbers = itertools.count(1)


def member(
    subject_id: str = "alice",
    *,
    owner: bool = False,
    read: bool = True,
    write: bool = True,
    caveats: DataCaveats | None = None,
    group_ids: tuple[str, ...] = (),
    supported: bool = True,
    register: bool = False,
    space_id: str = SPACE,
) -> Identity:
    """A user who is in the space."""
    privileges = 1 << SpacePrivilege.VIEW
    privileges |= register << SpacePrivilege.REGISTER_FILES
    privileges |= read << SpacePrivilege.READ_DATA | write << SpacePrivilege.WRITE_DATA
    rights = SpaceRights("Space", privileges, owner=owner, supported=supported)
    return Identity(
        Kind.USER,
        subject_id,
        group_ids=group_ids,
        spaces={space_id: rights},
        caveats=caveats,
        expires_at_ms=FAR_FUTURE_MS,
    )


ALICE = member("alice")
BOB = member("bob")
OWNER = member("olga", owner=True)
REGISTRAR = member("alice", register=True)


def ref(*path: str, file_id: str = "", follow: bool = False, space_id: str = SPACE) -> FileRef:
    """A reference by names below the directory of the space, or below a file."""
    return FileRef(space_id, file_id, path, follow)


def fresh_id(prefix: str = "req") -> str:
    """A request id, or the name of a storage file, that nobody used."""
    return f"{prefix}-{next(_numbers)}"


@dataclass
class World:
    """One instance of the service, over stores of its own or shared ones."""

    stores: Stores = field(default_factory=memory_stores)
    clock: ManualClock = field(default_factory=ManualClock)
    ownership: Ownership = field(default_factory=OwnsEverything)
    zone_shares: ZoneShares = field(default_factory=NoZoneShares)
    trash_retention_s: float = 0.0
    queue_limits: QueueLimits = field(default_factory=QueueLimits)
    rules: Rules = field(init=False)

    def __post_init__(self) -> None:
        self.rules = assemble(
            self.stores,
            self.ownership,
            self.clock,
            provider_id=PROVIDER,
            token_secret=b"secret",
            trash_retention_s=self.trash_retention_s,
            zone_shares=self.zone_shares,
            queue_limits=self.queue_limits,
        )

    async def open(self, *, quota_bytes: int = 10**9) -> World:
        """With the space supported."""
        await self.rules.spaces.ensure(SERVICE, SPACE, quota_bytes)
        return self

    async def make(
        self,
        *path: str,
        who: Identity = ALICE,
        type: FileType = FileType.REGULAR,
        mode: int | None = None,
        target: str = "",
        request_id: str | None = None,
        **options: bool,
    ) -> File:
        """A new file at a path."""
        new = NewFile(path[-1], type, mode, target)
        request_id = fresh_id() if request_id is None else request_id
        file, _ = await self.rules.files.create(who, request_id, ref(*path[:-1]), new, **options)
        return file

    async def link(
        self, target: File, *path: str, who: Identity = ALICE, request_id: str = "", **options: bool
    ) -> File:
        """A hard link at a path."""
        target_ref = ref(file_id=target.file_id)
        return await self.rules.links.create(
            who, request_id or fresh_id(), ref(*path[:-1]), path[-1], target_ref, **options
        )

    async def mkdir(self, *path: str, who: Identity = ALICE, mode: int | None = None) -> File:
        """A new directory at a path."""
        return await self.make(*path, who=who, type=FileType.DIRECTORY, mode=mode)

    async def enqueue(
        self, name: str, *contents: bytes, who: Identity = ALICE, request_id: str | None = None
    ) -> int:
        """Adds values to a queue; the number of the first."""
        values = [NewValue(content, "text/plain", "utf-8") for content in contents]
        request_id = fresh_id() if request_id is None else request_id
        return (await self.rules.queues.enqueue(who, request_id, ref(name), values)).first

    async def dequeue(
        self, name: str, count: int = 1, *, who: Identity = ALICE, request_id: str | None = None
    ) -> int:
        """Takes the oldest values from a queue; how many."""
        request_id = fresh_id() if request_id is None else request_id
        return (await self.rules.queues.dequeue(who, request_id, ref(name), Taking(count))).count

    async def values(self, name: str, *, who: Identity = ALICE) -> dict[int, bytes]:
        """What a queue holds, by number."""
        page = await self.rules.queues.read(who, ref(name), limit=self.queue_limits.request_values)
        return {value.number: value.content for value in page.values}

    async def get(self, *path: str, who: Identity = ALICE, follow: bool = False) -> File:
        """A file by path."""
        found = await self.rules.files.get(who, ref(*path, follow=follow))
        return self.rules.files.shown(found)

    async def names(self, *path: str, who: Identity = ALICE, page_size: int = 1000) -> list[str]:
        """All names of a directory, by pages."""
        names: list[str] = []
        start = PageStart()
        while True:
            page = await self.rules.listing.list(who, ref(*path), start, page_size)
            names += page.columns["name"]
            if page.is_last:
                return names
            start = PageStart(token=page.next_token)

    async def put(
        self,
        *path: str,
        size_bytes: int,
        who: Identity = ALICE,
        offset: int | None = None,
        storage_file_id: str | None = None,
        request_id: str | None = None,
        create: bool = True,
        exclusive: bool = False,
    ) -> File:
        """What a data port does for an upload: begins, has the bytes somewhere, commits."""
        request_id = fresh_id() if request_id is None else request_id
        plan = await self.rules.uploads.begin(
            who,
            UploadRequest(
                request_id,
                ref(*path),
                offset is None,
                create=create,
                exclusive=exclusive,
                size_bytes=size_bytes,
            ),
        )
        if storage_file_id is None:
            current = plan.location.storage_file_id if plan.location else ""
            storage_file_id = fresh_id("/bytes") if offset is None else current or f"/first/{plan.file_id}"
        upload = Upload(
            request_id,
            offset is None,
            STORAGE,
            storage_file_id if size_bytes else "",
            offset or 0,
            size_bytes,
        )
        commit = Commit(SPACE, plan.file_id, plan.parent_id, plan.name, plan.file is None, upload)
        file, _ = await self.rules.commits.commit(who, commit)
        return file

    async def publish(
        self,
        *path: str,
        size_bytes: int,
        who: Identity = ALICE,
        storage_file_id: str | None = None,
        request_id: str | None = None,
        follow: bool = False,
        fields: Mapping[str, str] | None = None,
        **options: Any,
    ) -> tuple[File, bool]:
        """What a data port does for a small upload of somebody who was let write a moment ago."""
        request = UploadRequest(
            fresh_id() if request_id is None else request_id,
            ref(*path, follow=follow),
            replaces=True,
            size_bytes=size_bytes,
            storage_id=STORAGE,
            storage_file_id=(storage_file_id or fresh_id("/bytes")) if size_bytes else "",
            **{"create": True, **options},
        )
        return await self.rules.small_uploads.publish(who, request, fields or {})

    async def used_bytes(self) -> int:
        """What the quota says is used."""
        return (await self.rules.spaces.usage(SERVICE, SPACE)).used_bytes

    async def clean_up(self) -> None:
        """Runs the background duties until nothing is left to do."""
        for _ in range(20):
            self.clock.advance(120)
            done = await self.rules.touches.flush() + await self.rules.settled.flush()
            done += await self.rules.repairs.empty_trash()
            done += await self.rules.repairs.clean_tombstones()
            done += await self.rules.repairs.reconcile_locations()
            removals = await self.rules.removals.list(SERVICE, {STORAGE}, 1000)
            await self.rules.removals.confirm(SERVICE, removals)
            if not done and not removals:
                return
        raise AssertionError("the background duties find no end")
