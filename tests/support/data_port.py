"""A data port by itself: real sockets and a real folder, metadata from its twin, one token for one user."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from runtime.auth import ClusterKey
from runtime.clock import SystemClock
from runtime.errors import Unauthenticated
from runtime.http import file_ids
from runtime.identity import GUEST, Identity, Kind, SpaceRights
from services.storage_router.api.data_port.assembly import PortSettings, assemble
from services.storage_router.api.data_port.limits import Limits
from services.storage_router.api.data_port.server import DataPort
from services.storage_router.domain.catalog import Catalog
from services.storage_router.domain.storages import DriverMaker, Storage, Support
from services.storage_router.drivers.registry import Drivers
from services.storage_router.store.memory import MemoryStorageStore
from tests.support.accesses_twin import AccessesTwin
from tests.support.contents_twin import ContentsTwin
from tests.support.directories_twin import DirectoriesTwin

SPACE = "5bace0000000000000000000000000aa"
USER = Identity(
    Kind.USER,
    "user1",
    spaces={SPACE: SpaceRights("space1", owner=True), "elsewhere": SpaceRights("far", supported=False)},
    expires_at_ms=1 << 50,
)


class OneToken:
    """Knows the token `good`."""

    def __init__(self, key: ClusterKey) -> None:
        self._blob = key.sign(USER)

    async def authenticate(
        self, token: str | None, peer_ip: str, consumer_token: str | None = None
    ) -> tuple[Identity, bytes]:
        if token is None:
            return GUEST, b""
        if token != "good":
            raise BadToken
        return USER, self._blob


class BadToken(Unauthenticated):
    """Not a token."""

    reason = "BAD_TOKEN"


@dataclass
class RunningPort:
    """A port that listens, and what is behind it."""

    port: DataPort
    twin: ContentsTwin
    directories: DirectoriesTwin
    accesses: AccessesTwin
    key: ClusterKey
    folder: Path
    catalog: Catalog
    uds: Path

    def stored(self) -> list[Path]:
        """All storage files."""
        return sorted(path for path in (self.folder / SPACE).rglob("*") if path.is_file())

    def id_of(self, name: str) -> str:
        """The object id of a file by its name."""
        for file, _ in self.twin.files.values():
            if file.name == name:
                return file_ids.encode(SPACE, file.file_id)
        raise KeyError(name)


@asynccontextmanager
async def run_data_port(
    folder: Path,
    *,
    twin: ContentsTwin | None = None,
    limits: Limits | None = None,
    fsync: bool = True,
    settings: PortSettings | None = None,
    drivers: DriverMaker | None = None,
) -> AsyncIterator[RunningPort]:
    """Starts a port on a folder, or on other drivers, and stops it."""
    twin = twin or ContentsTwin()
    directories = DirectoriesTwin(twin)
    accesses = AccessesTwin()
    key = ClusterKey(bytes(32))
    data = folder / "data"
    data.mkdir(exist_ok=True)
    store = MemoryStorageStore()
    await store.add_storage(
        Storage("st1", "disk", "posix", {"mount_point": str(data)}, fsync=fsync, request_id="r1")
    )
    await store.put_support(Support(SPACE, "st1", 1 << 40, "r2"))
    with ThreadPoolExecutor(8) as pool, ThreadPoolExecutor(8) as workers:
        catalog = Catalog(store, drivers or Drivers(pool))
        await catalog.refresh()
        await catalog.storage("st1").driver.prepare()
        port = assemble(
            settings
            or PortSettings(uds=str(folder / "port.sock"), limits=limits or Limits(stop_timeout_s=1)),
            contents=twin,
            names=twin,
            directories=directories,
            catalog=catalog,
            accesses=accesses,
            authenticator=OneToken(key),
            key=key,
            clock=SystemClock(),
            pool=workers,
        )
        await port.start()
        try:
            yield RunningPort(port, twin, directories, accesses, key, data, catalog, folder / "port.sock")
        finally:
            await port.stop()
