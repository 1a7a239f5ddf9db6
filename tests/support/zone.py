"""A whole zone in the test's own process, over a real MongoDB, spoken to by HTTP and gRPC."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
import httpx
from isthmus.zone.v1 import providers_pb2

from clients.zone import ProviderCredentials, ZoneClient
from runtime.auth import ClusterKey
from runtime.config import ProviderFile
from runtime.http.server import HttpServer
from runtime.rpc.channel import open_channel
from runtime.rpc.server import RpcServer
from services.zone import wiring
from services.zone.config import Settings

BASE = "/api/v3/onezone"
ZONE_DOMAIN = "zone.example.org"


@dataclass
class RunningZone:
    """Where a zone listens, and the first administrator. `suffix` keeps the names of tests apart that share
    a zone: `joe` of one test is not `joe` of another.
    """

    http_url: str
    rpc_address: str
    admin_password: str
    suffix: str = ""
    admin: httpx.AsyncClient = field(init=False)

    def username(self, name: str) -> str:
        """The name under which a test's user is known to the zone."""
        return f"{name}{self.suffix}"

    def client(self, token: str | None = None, basic: tuple[str, str] | None = None) -> httpx.AsyncClient:
        """REST with these credentials; close it."""
        headers = {"x-auth-token": token} if token is not None else {}
        auth = (self.username(basic[0]), basic[1]) if basic and basic[0] != "admin" else basic
        return httpx.AsyncClient(base_url=self.http_url + BASE, headers=headers, auth=auth, timeout=20)


#: Starts another instance of one zone, under this name and with these settings.
Starter = Callable[..., Awaitable[RunningZone]]


def zone_settings(folder: Path, mongo_url: str, database: str, consul_url: str, **more: Any) -> Settings:
    """Settings of one zone instance. All instances of a folder share the admin password file."""
    key_file = folder / "cluster.key"
    if not key_file.exists():
        ClusterKey.generate(key_file)
    fields: dict[str, Any] = {
        "instance_id": "zone-1",
        "cluster_key_file": key_file,
        "consul_url": consul_url,
        "mongo_url": mongo_url,
        "mongo_database": database,
        "zone_domain": ZONE_DOMAIN,
        "admin_password_file": folder / "admin-password",
        "drain_s": 0,
        **more,
    }
    return Settings(**fields)


@contextlib.asynccontextmanager
async def running_zone(settings: Settings) -> AsyncIterator[RunningZone]:
    """Builds and starts a zone as its process would."""
    parts = list(await wiring.build(settings))
    started: list[Any] = []
    try:
        for part in parts:
            started.append(part)
            await part.start()
        http = next(part for part in parts if isinstance(part, HttpServer))
        rpc = next(part for part in parts if isinstance(part, RpcServer))
        password = settings.admin_password_file.read_text().strip()
        zone = RunningZone(f"http://127.0.0.1:{http.port}", f"127.0.0.1:{rpc.port}", password)
        async with zone.client(basic=("admin", password)) as admin:
            zone.admin = admin
            yield zone
    finally:
        for part in reversed(started):
            await part.stop()


async def registered_provider(
    zone: RunningZone, name: str = "krakow", domain: str = "op.example.org"
) -> ProviderFile:
    """A new provider of the zone, administered by the first administrator."""
    domain = zone.username(domain)
    answer = await zone.admin.post("/user/clusters/provider_registration_token")
    body = {
        "token": answer.json()["token"],
        "name": name,
        "adminEmail": "admin@example.org",
        "subdomainDelegation": False,
        "domain": domain,
    }
    async with zone.client() as guest:
        made = (await guest.post("/providers", json=body)).json()
    return ProviderFile(
        provider_id=made["providerId"],
        root_token=made["providerRootToken"],
        name=name,
        domain=domain,
        zone_domain=ZONE_DOMAIN,
    )


async def user_token(zone: RunningZone, username: str, *, name: str = "t1", **body: Any) -> tuple[str, str]:
    """A new user with password `password1` and a named access token of his: user id, token."""
    made = await zone.admin.post(
        "/users", json={"username": zone.username(username), "password": "password1"}
    )
    assert made.status_code == 201, made.text
    async with zone.client(basic=(username, "password1")) as user:
        token = await user.post("/user/tokens/named", json={"name": name, **body})
    assert token.status_code == 201, token.text
    return made.headers["location"].rpartition("/")[2], token.json()["token"]


@contextlib.asynccontextmanager
async def provider_client(zone: RunningZone, provider: ProviderFile) -> AsyncIterator[ZoneClient]:
    """gRPC as this provider."""
    channel: grpc.aio.Channel = open_channel(zone.rpc_address)
    try:
        yield ZoneClient(channel, ProviderCredentials(provider))
    finally:
        await channel.close()


async def give_support(rpc: ZoneClient, token: str, size_bytes: int) -> providers_pb2.SupportedSpace:
    """Supports the space that the token is for, with a new storage."""
    storage = await rpc.create_storage(secrets.token_hex(16), "disk")
    return await rpc.support_space(token, size_bytes=size_bytes, storage_id=storage.storage_id)
