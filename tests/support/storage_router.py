"""storage_router and metadata in this process, over real MongoDB and Consul, on a real folder."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
from isthmus.storage_router.v1 import storages_pb2, storages_pb2_grpc

from runtime.auth import ClusterKey, to_text
from runtime.http import file_ids
from runtime.identity import Identity, Kind, SpacePrivilege, SpaceRights
from runtime.mongo import MongoThreads, connect_as_told
from runtime.process import Part
from runtime.rpc.channel import open_channel
from services.metadata import wiring as metadata_wiring
from services.metadata.config import Settings as MetadataSettings
from services.storage_router import wiring
from services.storage_router.config import Settings
from services.storage_router.domain.storages import Support
from services.storage_router.store.mongo import MongoStorageStore
from tests.support.raw_http import Answer, RawClient

SPACE = "0123456789abcdef0123456789abcdef"
PROVIDER = "provider1"
FAR_FUTURE_MS = 10**14


def member(subject_id: str, *, owner: bool = False) -> Identity:
    """A user of the space."""
    privileges = 1 << SpacePrivilege.READ_DATA | 1 << SpacePrivilege.WRITE_DATA
    rights = SpaceRights("space1", privileges, owner=owner)
    return Identity(Kind.USER, subject_id, spaces={SPACE: rights}, expires_at_ms=FAR_FUTURE_MS)


OWNER, ALICE, BOB = member("olga", owner=True), member("alice"), member("bob")
OPERATOR = Identity(Kind.OPERATOR, "operator", expires_at_ms=FAR_FUTURE_MS)
SERVICE = Identity(Kind.SERVICE, "test", expires_at_ms=FAR_FUTURE_MS)


@dataclass
class Provider:
    """What runs, and how to speak to it."""

    key: ClusterKey
    uds: Path
    folder: Path
    channel: grpc.aio.Channel
    storage_id: str = ""

    @property
    def storages(self) -> storages_pb2_grpc.StorageServiceStub:
        """The operators' side."""
        return storages_pb2_grpc.StorageServiceStub(self.channel)

    def as_caller(self, identity: Identity) -> tuple[tuple[str, str], ...]:
        """gRPC metadata of a caller."""
        return (("authorization", f"Bearer {to_text(self.key.sign(identity))}"),)

    async def request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        *,
        who: Identity = ALICE,
        **headers: str,
    ) -> Answer:
        """One request on a connection of its own."""
        client = await RawClient.connect(self.uds)
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        told["isthmus-identity"] = to_text(self.key.sign(who))
        try:
            return await client.request(method, target, told, body)
        finally:
            client.abort()

    async def put(self, name: str, body: bytes, **headers: str) -> Answer:
        """A file of the space by CDMI."""
        return await self.request("PUT", f"/cdmi/space1/{name}", body, **headers)

    async def get(self, name: str, **headers: str) -> Answer:
        """The same way back."""
        return await self.request("GET", f"/cdmi/space1/{name}", **headers)

    def stored(self) -> list[Path]:
        """All storage files of the space."""
        return sorted(path for path in (self.folder / SPACE).rglob("*") if path.is_file())


@asynccontextmanager
async def running(parts: Sequence[Part]) -> AsyncIterator[None]:
    """Starts parts in order and stops them in reverse."""
    async with AsyncExitStack() as stack:
        for part in parts:
            stack.push_async_callback(part.stop)
            await part.start()
        yield


@asynccontextmanager
async def running_provider(
    tmp_path: Path, *, mongo_url: str, database: str, consul_url: str, **options: object
) -> AsyncIterator[Provider]:
    """Both services with one storage that supports `SPACE`. `options` are settings of storage_router."""
    key = ClusterKey.generate(tmp_path / "cluster.key")
    about = {"provider_id": PROVIDER, "root_token": "none", "name": "p", "domain": "localhost:8443"}
    (tmp_path / "provider.json").write_text(json.dumps({**about, "zone_domain": "localhost"}))
    folder = tmp_path / "storage"
    folder.mkdir()
    common = {
        "consul_url": consul_url,
        "cluster_key_file": tmp_path / "cluster.key",
        "provider_file": tmp_path / "provider.json",
        "drain_s": 0.0,
    }
    metadata = MetadataSettings(
        instance_id="metadata-1", mongo_url=mongo_url, mongo_database=f"{database}_m", **common
    )
    settings = Settings(
        instance_id="storage_router-1",
        mongo_url=mongo_url,
        mongo_database=f"{database}_s",
        data_port_uds=str(tmp_path / "port.sock"),
        zone_grpc_target="127.0.0.1:1",
        zone_wait_s=0,
        **{
            "removal_interval_s": 0.2,
            "probe_interval_s": 0.3,
            "refresh_interval_s": 0.2,
            **common,
            **options,
        },
    )
    parts = await wiring.build(settings)
    rpc = next(part for part in parts if hasattr(part, "add"))
    async with running(await metadata_wiring.build(metadata)), running(parts):
        channel = open_channel(f"127.0.0.1:{rpc.port}", key=None)  # type: ignore[attr-defined]
        provider = Provider(key, tmp_path / "port.sock", folder, channel)
        await _support(provider, settings, parts)
        try:
            yield provider
        finally:
            await channel.close()


async def _support(provider: Provider, settings: Settings, parts: Sequence[Part]) -> None:
    created = await provider.storages.CreateStorage(
        storages_pb2.CreateStorageRequest(
            request_id="make-storage",
            name="disk",
            driver="posix",
            parameters={"mount_point": str(provider.folder)},
        ),
        metadata=provider.as_caller(OPERATOR),
    )
    provider.storage_id = created.storage.storage_id
    # The zone is not part of these tests: what it would have said is written down instead.
    store = MongoStorageStore(connect_as_told(settings), settings.mongo_database, MongoThreads())
    support = Support(SPACE, provider.storage_id, 10 << 20, "support-space", "space1")
    await store.put_support(support)
    await provider.storages.SupportSpace(
        storages_pb2.SupportSpaceRequest(
            request_id="support-space", storage_id=provider.storage_id, token="t", size_bytes=10 << 20
        ),
        metadata=provider.as_caller(OPERATOR),
    )
    await store.stop()
    await asyncio.sleep(0)


def file_id_of(answer: Answer) -> str:
    """The object id a creation answered with."""
    return str(json.loads(answer.body)["fileId"])


def root_id() -> str:
    """Object id of the space's directory."""
    return file_ids.encode(SPACE, f"space_{SPACE}")


def errno_of(answer: Answer) -> str:
    """The errno of an error answer, or its id when it has none."""
    error = json.loads(answer.body)["error"]
    return str(error.get("details", {}).get("errno", error["id"]))


def random_bytes(size: int) -> bytes:
    """Bytes that do not compress and look like nothing."""
    return os.urandom(size)
