"""Storages, the spaces they support, and the rules of adding and removing both."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from runtime.clock import Clock
from runtime.errors import AlreadyExists, FailedPrecondition, InvalidArgument, IsthmusError, NotFound
from services.storage_router.domain.drivers import OWN_FOLDER, Capabilities, Driver

#: Longest name of a storage.
MAX_NAME_LENGTH = 255


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


@dataclass(frozen=True, slots=True)
class Support:
    """A space, and the storage that holds its data here.

    `space_name` is the zone's. `request_id` is the one that consumed the token.
    """

    space_id: str
    storage_id: str
    size_bytes: int
    request_id: str = ""
    space_name: str = ""


@dataclass(frozen=True, slots=True)
class ConsumedToken:
    """What the zone says of a support token it took."""

    space_id: str
    space_name: str
    size_bytes: int


class StorageStore(Protocol):
    """Where storages and supports are kept. Every method is one atomic step."""

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

    async def delete_storage(self, storage_id: str) -> None:
        """What is not there is a success."""
        ...

    async def add_support(self, support: Support) -> Support:
        """Stores a support; the same again is a success. AlreadyExists when the space has another one."""
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


class SupportAuthority(Protocol):
    """The zone, where spaces and support tokens are."""

    async def consume_support_token(
        self, token: str, *, request_id: str, size_bytes: int, storage_id: str, readonly: bool
    ) -> ConsumedToken:
        """From now on this provider supports the space; again with the same `request_id` is a success.

        InvalidArgument, AlreadyExists.
        """
        ...


class SpaceRecords(Protocol):
    """Metadata, as far as it keeps a root directory and a quota for each space."""

    async def ensure_space(self, space_id: str, *, quota_bytes: int) -> None:
        """Makes the space's root if absent and sets its quota. Idempotent."""
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
    """Adding, showing and removing storages and supports.

    A request repeated with its request_id goes on where the first try stopped.
    """

    def __init__(
        self,
        store: StorageStore,
        drivers: DriverMaker,
        authority: SupportAuthority,
        spaces: SpaceRecords,
        clock: Clock,
    ) -> None:
        self._store = store
        self._drivers = drivers
        self._authority = authority
        self._spaces = spaces
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
    ) -> Storage:
        """Adds a storage after trying it out. StorageTestFailed, AlreadyExists, InvalidArgument."""
        if not request_id:
            raise InvalidArgument("missing value", key="request_id")
        if not name.strip() or len(name) > MAX_NAME_LENGTH or not name.isprintable():
            raise InvalidArgument("not a possible name of a storage", key="name")
        if readonly and not imported:
            raise InvalidArgument("only an imported storage can be read-only", key="readonly")
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
        )
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

    async def delete(self, storage_id: str) -> None:
        """Forgets the configuration; data stays. StorageInUse, NoSuchStorage."""
        await self._store.get_storage(storage_id)
        if await self._store.has_supports(storage_id):
            raise StorageInUse(storage_id=storage_id)
        await self._store.delete_storage(storage_id)

    async def support_space(
        self, *, request_id: str, storage_id: str, token: str, size_bytes: int
    ) -> Support:
        """Supports a space: the zone takes the token, the support is stored, metadata gets the quota.

        Each step can be repeated, in this order, until all are done. The zone answers a provider that
        brings the same token again as it did at first. An imported storage supports one space:
        StorageInUse.
        """
        if not request_id:
            raise InvalidArgument("missing value", key="request_id")
        if size_bytes <= 0:
            raise InvalidArgument("a support needs a size", key="size_bytes")
        storage = await self._store.get_storage(storage_id)
        support = await self._store.find_support_of_request(request_id)
        if support is None:
            if storage.imported and await self._store.has_supports(storage_id):
                raise StorageInUse("an imported storage supports one space only", storage_id=storage_id)
            space = await self._authority.consume_support_token(
                token,
                request_id=request_id,
                size_bytes=size_bytes,
                storage_id=storage_id,
                readonly=storage.readonly,
            )
            support = await self._store.add_support(
                Support(space.space_id, storage_id, space.size_bytes, request_id, space.space_name)
            )
        await self._spaces.ensure_space(support.space_id, quota_bytes=support.size_bytes)
        return support

    async def list_supports(self, *, after_space: str, limit: int) -> Sequence[Support]:
        """By space id."""
        return await self._store.list_supports(after_space=after_space, limit=limit)


def _id_of(request_id: str) -> str:
    """The same id for every try of one request, so a folder marked by the first is known to the second."""
    return hashlib.sha256(b"storage:" + request_id.encode()).hexdigest()[:32]
