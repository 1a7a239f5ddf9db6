"""Spaces and storages that a test makes for itself, through the doors that users and operators have."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
from isthmus.storage_router.v1 import storages_pb2, storages_pb2_grpc

from clients.cli.operator import operator
from clients.cli.settings import Settings
from clients.zone_rest import ZoneClient
from tests.support.account import DATA, Account
from tests.support.load import until
from tests.support.stack import RunningStack

#: So often in a row a fresh space must work before every instance is believed to know it.
GOOD_IN_A_ROW = 16
#: Longest until what was given up is gone from a storage: if the one who removes was killed, another has
#: to take over first.
REMOVED_S = 45.0
SWEEP_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class OwnSpace:
    """A space of the stack's first user, on a storage of its own at `mount_point`."""

    stack: RunningStack
    account: Account
    storage_id: str
    mount_point: Path

    def storage_files(self) -> set[str]:
        """What lies on the storage for the space, by path; without the storage's own mark."""
        folder = self.mount_point / self.account.space_id
        return {
            str(Path(where, name).relative_to(folder))
            for where, _, names in os.walk(folder)
            for name in names
        }

    async def sweep(self) -> int:
        """An operator's sweep of all but the last second; how many storage files went."""
        return await asyncio.to_thread(self._sweep)

    def _sweep(self) -> int:
        request = storages_pb2.SweepStorageRequest(storage_id=self.storage_id, min_age_s=1)
        settings = operator_settings(self.stack)
        roots = grpc.ssl_channel_credentials(self.stack.ca_file.read_bytes())
        with grpc.secure_channel(settings.front_door(), roots) as channel:
            stub = storages_pb2_grpc.StorageServiceStub(channel)
            answer = stub.SweepStorage(
                request,
                timeout=SWEEP_TIMEOUT_S,
                metadata=(("authorization", f"Bearer {settings.operator_token}"),),
            )
        return int(answer.removed)

    async def swept_clean(self, known: set[str], timeout_s: float = 20.0) -> None:
        """Returns once sweeps have left nothing but storage files known before."""

        async def is_clean() -> bool:
            await self.sweep()
            return self.storage_files() <= known

        await until(is_clean, timeout_s, "clean storage", 0.5)


async def make_space(
    stack: RunningStack, mount_point: Path, *, size_bytes: int = 1 << 30, imported: bool = False
) -> OwnSpace:
    """A new storage at `mount_point` and a new space on it, usable through every instance."""
    name = f"space-{secrets.token_hex(4)}"
    storage_id, space_id = await asyncio.to_thread(
        _make, stack, name, mount_point, size_bytes, imported=imported
    )
    account = Account(stack.url, stack.ca_file, stack.token, name, space_id)
    await known_everywhere(account)
    return OwnSpace(stack, await account.entered(), storage_id, mount_point)


def operator_settings(stack: RunningStack) -> Settings:
    """How the operator of the stack's provider reaches it."""
    token = Path(stack.env["ISTHMUS_OPERATOR_TOKEN_FILE"]).read_text().strip()
    return Settings(url=stack.url, ca_file=stack.ca_file, operator_token=token)


def _make(
    stack: RunningStack, name: str, mount_point: Path, size_bytes: int, *, imported: bool
) -> tuple[str, str]:
    with ZoneClient(stack.url, token=stack.token, ca_file=stack.ca_file) as zone:
        space_id = zone.create_space(name)
        invitation = zone.support_token(space_id)
    with operator(operator_settings(stack)) as provider:
        parameters = {"mount_point": str(mount_point)}
        storage = provider.create_storage(name, "posix", parameters, imported=imported)
        provider.support_space(storage.storage_id, invitation, size_bytes)
    return storage.storage_id, space_id


async def known_everywhere(account: Account) -> None:
    """Returns once gateways know the user's new right and data ports the new storage."""
    good = 0

    async with account.client() as client:

        async def is_known() -> bool:
            nonlocal good
            # Empty, so that nothing of it has to go from the storage.
            path = f"/cdmi/{account.space}/probe"
            put = await client.put(path, content=b"")
            gone = await client.delete(path)
            good = good + 1 if (put.status_code, gone.status_code) == (201, 204) else 0
            return good >= GOOD_IN_A_ROW

        await until(is_known, 30.0, f"support of {account.space}", 0.02)


@contextlib.contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """A file system in memory of this size, mounted at `folder`. Needs root."""
    folder.mkdir(parents=True)
    options = f"size={size_bytes},mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        unmount(folder)


def mount(source: Path, folder: Path) -> None:
    """Makes what is in `source` appear at `folder`, as a disk that is mounted there."""
    subprocess.run(["mount", "--bind", source, folder], check=True)


def unmount(folder: Path) -> None:
    """Takes it away, whoever still has files open in it."""
    subprocess.run(["umount", "--lazy", folder], check=True)


async def listing(account: Account) -> dict[str, int]:
    """Names and sizes in the space's own directory."""
    path = f"{DATA}/{account.root_id}/children"
    async with account.client() as client:
        answer = await client.request(
            "GET",
            path,
            json={"limit": 1000, "attributes": ["name", "size"]},
            headers={"content-type": "application/json"},
        )
    assert answer.status_code == 200, answer.text
    return {child["name"]: child["size"] for child in answer.json()["children"]}
