"""Storages, and the rules of adding and removing them."""

from __future__ import annotations

import contextlib
import enum
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from runtime.clock import Clock
from runtime.entity_names import is_entity_name
from runtime.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    IsthmusError,
    NotFound,
)
from services.storage_router.domain.drivers import OWN_FOLDER, Capabilities, Driver

MAX_QOS_PARAMETERS = 100
MAX_QOS_PARAMETER_CHARS = 1000

QosParameters = Mapping[str, str | float]


class NoSuchStorage(NotFound):
    """There is no storage with this id."""

    reason = "NO_SUCH_STORAGE"


class StorageInUse(FailedPrecondition):
    """The storage supports a space."""

    reason = "STORAGE_IN_USE"


class ImportedStorage(FailedPrecondition):
    """The storage may hold files of others."""

    reason = "IMPORTED_STORAGE"


class StorageTestFailed(FailedPrecondition):
    """The storage does not work as it is configured."""

    reason = "STORAGE_TEST_FAILED"


class Health(enum.Enum):
    """Whether a storage can be used at the moment; the numbers are those of StorageHealth."""

    UNKNOWN = 0
    OK = 1
    READ_ONLY = 2
    UNREACHABLE = 3


@dataclass(frozen=True, slots=True)
class PublicPart:
    """What the zone, and others by it, may know of a storage."""

    name: str
    qos_parameters: QosParameters = field(default_factory=dict)
    imported: bool = False
    readonly: bool = False


@dataclass(frozen=True, slots=True)
class StorageChange:
    """What of a storage becomes other; None stays."""

    name: str | None = None
    qos_parameters: QosParameters | None = None
    imported: bool | None = None
    readonly: bool | None = None

    def of(self, storage: Storage) -> Storage:
        """The storage with the change."""
        return replace(
            storage,
            name=storage.name if self.name is None else self.name,
            qos_parameters=storage.qos_parameters if self.qos_parameters is None else self.qos_parameters,
            imported=storage.imported if self.imported is None else self.imported,
            readonly=storage.readonly if self.readonly is None else self.readonly,
        )


@dataclass(frozen=True, slots=True)
class Storage:
    """The configuration of one storage. `request_id` made it; a repeat of that request finds it.

    `imported`: it may hold files that are not ours, which can be registered.
    """

    storage_id: str
    name: str
    driver: str
    parameters: Mapping[str, str]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    readonly: bool = False
    imported: bool = False
    fsync: bool = True
    request_id: str = ""
    created_at_ms: int = 0
    qos_parameters: QosParameters = field(default_factory=dict)

    @property
    def public(self) -> PublicPart:
        """As the zone is to know it."""
        return PublicPart(self.name, self.qos_parameters, self.imported, self.readonly)


@dataclass(frozen=True, slots=True)
class Support:
    """A space, and the storage that holds its data here.

    `space_name` and `revision` are the zone's: each change there makes a later one. `request_id` is the one
    that consumed the token.
    """

    space_id: str
    storage_id: str
    size_bytes: int
    request_id: str = ""
    space_name: str = ""
    revision: int = 0


class StorageStore(Protocol):
    """Where storages and supports are kept. Every method is one atomic step.

    Of a support that ended only that is kept, and as of which revision.
    """

    async def add_storage(self, storage: Storage) -> Storage:
        """Stores a storage; answers the one made before by the same request_id, if any.

        AlreadyExists when another storage has the name or the id.
        """
        ...

    async def get_storage(self, storage_id: str) -> Storage:
        """NoSuchStorage."""
        ...

    async def list_storages(self, *, after_name: str = "", limit: int = 1000) -> Sequence[Storage]:
        """By name, behind `after_name`."""
        ...

    async def change_storage(self, known: Storage, wanted: Storage) -> bool:
        """Sets the public part of a storage; False when it is not as it was known.

        AlreadyExists when another storage has the name.
        """
        ...

    async def delete_storage(self, storage_id: str) -> None:
        """What is not there is a success."""
        ...

    async def put_support(self, support: Support) -> bool:
        """Stores how the support of a space is now; False when something as new is stored, be it its end."""
        ...

    async def end_support(self, space_id: str, revision: int) -> bool:
        """The space has no support as of this revision; False when it has none, or a newer one is stored."""
        ...

    async def find_support(self, space_id: str) -> Support | None:
        """The support of a space, unless it ended."""
        ...

    async def find_support_of_request(self, request_id: str) -> Support | None:
        """The support this request made."""
        ...

    async def list_supports(self, *, after_space: str = "", limit: int = 1000) -> Sequence[Support]:
        """By space id, behind `after_space`."""
        ...

    async def has_supports(self, storage_id: str) -> bool:
        """Whether any space is supported by this storage."""
        ...


class DriverMaker(Protocol):
    """The kinds of drivers there are."""

    def check(self, kind: str, parameters: Mapping[str, str]) -> dict[str, str]:
        """Parameters in their plain form. InvalidArgument."""
        ...

    def make(
        self, kind: str, parameters: Mapping[str, str], secrets: Mapping[str, str], *, storage_id: str
    ) -> Driver:
        """A driver for one storage."""
        ...

    def capabilities(self, kind: str) -> Capabilities:
        """What drivers of this kind can do."""
        ...


class ZoneStorages(Protocol):
    """What the zone knows of our storages. Raises Unavailable while it can't be asked."""

    async def register(self, storage: Storage) -> None:
        """Makes it known as it is, or known to be as it is now. Idempotent. AlreadyExists for the id of
        another provider's."""
        ...

    async def change(self, storage: Storage) -> None:
        """Tells how a storage that it knows is now. Idempotent. NotFound for one that it does not know,
        FailedPrecondition for another `imported` while it supports a space."""
        ...

    async def forget(self, storage_id: str) -> None:
        """Ends it there, if it is there. FailedPrecondition while it supports a space."""
        ...


class SpaceRecords(Protocol):
    """Metadata, as far as it keeps a root directory and a quota for each space."""

    async def ensure_space(self, space_id: str, *, quota_bytes: int, revision: int) -> None:
        """Makes the space's root if absent and sets its quota, unless that of a later revision is set.
        Idempotent."""
        ...

    async def used_bytes(self, space_id: str) -> int:
        """What is used of the quota."""
        ...


async def probe(driver: Driver, *, probe_id: str, data: bytes) -> None:
    """Writes a small file, reads it back and removes it. StorageTestFailed names the step that failed."""
    step = "access"
    storage_file_id = f"/{OWN_FOLDER}/{probe_id}"
    try:
        await driver.check()
        step = "create"
        await driver.delete(storage_file_id)
        await driver.put(storage_file_id, data, sync=False)
        step = "read"
        handle = await driver.open(storage_file_id)
        try:
            read = await handle.read(0, len(data) + 1)
        finally:
            handle.close()
        if read != data:
            raise StorageTestFailed("what was read is not what was written", operation=step)
        step = "remove"
        await driver.delete(storage_file_id)
    except StorageTestFailed:
        raise
    except IsthmusError as error:
        raise StorageTestFailed(error.message, operation=step, cause=error.reason) from error


class Storages:
    """Adding, showing and removing storages.

    A request repeated with its request_id goes on where the first try stopped. The zone is told in the
    background, so storages can be added, changed and removed while it is away. Only whether one is imported
    is the zone's to decide, since there it is settled which spaces a storage supports.
    """

    def __init__(
        self,
        store: StorageStore,
        drivers: DriverMaker,
        zone: ZoneStorages,
        clock: Clock,
    ) -> None:
        self._store = store
        self._drivers = drivers
        self._zone = zone
        self._clock = clock

    async def create(
        self,
        *,
        request_id: str,
        name: str,
        driver: str,
        parameters: Mapping[str, str],
        secrets: Mapping[str, str],
        readonly: bool,
        fsync: bool,
        imported: bool = False,
        qos_parameters: QosParameters | None = None,
    ) -> Storage:
        """Adds a storage after trying it out. StorageTestFailed, AlreadyExists, InvalidArgument."""
        if not request_id:
            raise InvalidArgument("missing value", key="request_id")
        storage = Storage(
            storage_id=_id_of(request_id),
            name=name,
            driver=driver,
            parameters=self._drivers.check(driver, parameters),
            secrets=dict(secrets),
            readonly=readonly,
            imported=imported,
            fsync=fsync,
            request_id=request_id,
            created_at_ms=self._clock.now_ms(),
            qos_parameters=qos_parameters or {},
        )
        _check(storage.public)
        await self._check_name_is_free(storage)
        await self._try_out(storage)
        return await self._store.add_storage(storage)

    async def _check_name_is_free(self, storage: Storage) -> None:
        # The store has the last word; this spares a folder the mark of a storage that never comes to be.
        for other in await self._store.list_storages():
            if other.name == storage.name and other.storage_id != storage.storage_id:
                raise AlreadyExists("a storage has this name", name=storage.name)

    async def _try_out(self, storage: Storage) -> None:
        driver = self._drivers.make(
            storage.driver, storage.parameters, storage.secrets, storage_id=storage.storage_id
        )
        try:
            if storage.readonly:
                await driver.space_left()
            else:
                await driver.prepare()
                await probe(driver, probe_id=f"test-{storage.storage_id}", data=storage.name.encode())
        except StorageTestFailed:
            raise
        except IsthmusError as error:
            raise StorageTestFailed(error.message, operation="access", cause=error.reason) from error
        finally:
            await driver.close()

    async def get(self, storage_id: str) -> Storage:
        """NoSuchStorage."""
        return await self._store.get_storage(storage_id)

    async def list(self, *, after_name: str, limit: int) -> Sequence[Storage]:
        """By name."""
        return await self._store.list_storages(after_name=after_name, limit=limit)

    async def change(self, storage_id: str, change: StorageChange) -> Storage:
        """Changes a storage and gives it. What is read-only no longer is tried out first. NoSuchStorage,
        InvalidArgument, StorageTestFailed, AlreadyExists, StorageInUse for another `imported` of one that
        supports a space, Unavailable for that while the zone is away, Aborted when it changes meanwhile."""
        if change == StorageChange():
            raise InvalidArgument("nothing to change")
        known = await self._store.get_storage(storage_id)
        wanted = change.of(known)
        _check(wanted.public)
        if known.readonly and not wanted.readonly:
            await self._try_out(wanted)
        if wanted.imported == known.imported:
            await self._keep(known, wanted)
            # What it can't be told now it is told by the follower.
            with contextlib.suppress(IsthmusError):
                await self._zone.change(wanted)
            return wanted
        if await self._store.has_supports(storage_id):
            raise StorageInUse("it supports a space", storage_id=storage_id)
        await self._zone.register(wanted)
        await self._keep(known, wanted)
        return wanted

    async def _keep(self, known: Storage, wanted: Storage) -> None:
        if not await self._store.change_storage(known, wanted):
            raise Aborted("the storage is being changed by somebody else", storage_id=known.storage_id)

    async def delete(self, storage_id: str) -> None:
        """Forgets the configuration; data stays. StorageInUse, NoSuchStorage."""
        await self._store.get_storage(storage_id)
        if await self._store.has_supports(storage_id):
            raise StorageInUse(storage_id=storage_id)
        await self._store.delete_storage(storage_id)


def _check(storage: PublicPart) -> None:
    if not is_entity_name(storage.name):
        raise InvalidArgument("not a possible name of a storage", key="name")
    if storage.readonly and not storage.imported:
        raise InvalidArgument("only an imported storage can be read-only", key="readonly")
    if len(storage.qos_parameters) > MAX_QOS_PARAMETERS:
        raise InvalidArgument("too many parameters", key="qos_parameters", limit=MAX_QOS_PARAMETERS)
    for name, value in storage.qos_parameters.items():
        fits = len(value) <= MAX_QOS_PARAMETER_CHARS if isinstance(value, str) else math.isfinite(value)
        if not 0 < len(name) <= MAX_QOS_PARAMETER_CHARS or not fits:
            raise InvalidArgument("not a possible parameter", key="qos_parameters")


def _id_of(request_id: str) -> str:
    """The same id for every try of one request, so a folder marked by the first is known to the second."""
    return hashlib.sha256(b"storage:" + request_id.encode()).hexdigest()[:32]
