"""Killed while rights and supports change: afterwards zone and provider agree on both."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import secrets
from pathlib import Path

import httpx
import pytest

from clients.cli.operator import operator
from clients.http_api import ClientError
from tests.support.account import DATA, Account
from tests.support.load import until
from tests.support.own_space import make_space, operator_settings
from tests.support.stack import RunningStack

ZONE = "/api/v3/onezone"
#: Far more than the zone promises: a killed part has to come back first.
AGREED_S = 30.0
CHANGES = 40
SIZE_BYTES = 1 << 30


class Team:
    """A group in the space, whose members come and go, and a user whom only that lets in."""

    def __init__(self, stack: RunningStack, owner: httpx.AsyncClient, admin: httpx.AsyncClient) -> None:
        self.stack = stack
        self.owner = owner
        self.admin = admin
        self.path = ""
        self.inside = False

    async def make(self) -> str:
        """A token of the user."""
        name = f"u-{secrets.token_hex(6)}"
        body = {"username": name, "password": "password1"}
        user_id = _made(await self.admin.post(f"{ZONE}/users", json=body))
        place = f"{ZONE}/spaces/{self.stack.space_id}/groups"
        group_id = _made(await self.owner.post(place, json={"name": "team"}))
        self.path = f"{ZONE}/groups/{group_id}/users/{user_id}"
        token = await self.admin.post(f"{ZONE}/users/{user_id}/tokens/named", json={"name": "t1"})
        return str(token.json()["token"])

    async def change(self) -> None:
        """Lets the user in, or out. Whatever the answer was, what is so now is asked."""
        wanted = not self.inside
        try:
            if wanted:
                await self.admin.put(self.path)
            else:
                await self.admin.delete(self.path)
        except httpx.TransportError:
            pass
        await until(self._knows, AGREED_S, "answer of the zone")

    async def _knows(self) -> bool:
        try:
            status = (await self.admin.get(self.path)).status_code
        except httpx.TransportError:
            return False
        if status in (200, 404):
            self.inside = status == 200
        return status in (200, 404)


def _made(answer: httpx.Response) -> str:
    assert answer.status_code == 201, answer.text
    new_id: str = answer.headers["location"].rpartition("/")[2]
    return new_id


async def _agreed(account: Account, token: str, *, inside: bool) -> None:
    """Gateways and data ports all answer as the zone says, many times in a row."""
    good = 0
    urls = itertools.cycle(
        (f"{DATA}/{account.root_id}", f"/cdmi/{account.space}/nothing-{secrets.token_hex(4)}")
    )
    async with account.client(token=token) as client:

        async def is_so() -> bool:
            nonlocal good
            status = (await client.get(next(urls))).status_code
            good = good + 1 if (status != 401) is inside else 0
            return good >= 24

        await until(is_so, AGREED_S, f"agreement that the user is {'in' if inside else 'out'}", 0.02)


@pytest.mark.parametrize("victim", ["zone-1", "gateway-1", "storage_router-1"])
async def test_zone_and_provider_agree_after_a_kill_amid_changes(
    stack: RunningStack, account: Account, victim: str
) -> None:
    password = Path(stack.env["ISTHMUS_ADMIN_PASSWORD_FILE"]).read_text().strip()
    tls = stack.tls()
    async with (
        stack.client() as owner,
        httpx.AsyncClient(base_url=stack.url, auth=("admin", password), verify=tls, timeout=60) as admin,
    ):
        team = Team(stack, owner, admin)
        token = await team.make()
        old_pid = 0
        for number in range(CHANGES):
            if number == CHANGES // 2:
                old_pid = stack.kill(victim)
            await team.change()
        await _agreed(account, token, inside=team.inside)
        await asyncio.to_thread(stack.wait_back, victim, old_pid)
        await _agreed(account, token, inside=team.inside)
        await team.change()
        await _agreed(account, token, inside=team.inside)


class Support:
    """A support whose size and name the zone is told, over and over, by somebody else than its provider."""

    def __init__(self, stack: RunningStack, space_id: str) -> None:
        self._stack = stack
        self._space_id = space_id
        file = Path(stack.env["ISTHMUS_OPERATOR_TOKEN_FILE"]).with_name("provider.json")
        self._root_token = json.loads(file.read_text())["root_token"]

    async def change(self, number: int) -> None:
        """Another size, another name; whether either came through, nobody knows."""
        body = {"size": SIZE_BYTES + number}
        with contextlib.suppress(httpx.TransportError):
            async with self._stack.client(self._root_token) as provider:
                await provider.patch(f"{ZONE}/provider/spaces/{self._space_id}", json=body)
        with contextlib.suppress(httpx.TransportError):
            async with self._stack.client() as owner:
                await owner.patch(f"{ZONE}/spaces/{self._space_id}", json={"name": f"name {number}"})

    async def agreed(self) -> None:
        """Size and name at the provider, and its quota, are those of the zone."""

        async def is_so() -> bool:
            async with self._stack.client() as owner:
                space = (await owner.get(f"{ZONE}/spaces/{self._space_id}")).json()
            here = await asyncio.to_thread(self._here)
            return [*space.get("providers", {}).values(), space.get("name")] == here

        await until(is_so, AGREED_S, "agreement on the support", 0.2)

    def _here(self) -> list[object]:
        """Quota and name; nothing while the provider does not answer, or does not agree with itself."""
        try:
            with operator(operator_settings(self._stack)) as provider:
                quota = provider.space_usage(self._space_id).quota_bytes
                [own] = [each for each in provider.supports() if each.space_id == self._space_id]
        except ClientError:
            return []
        return [quota, own.space_name] if own.size_bytes == quota else []


@pytest.mark.parametrize("victim", ["zone-1", "storage_router-1", "metadata-1"])
async def test_the_provider_holds_supports_as_the_zone_does_after_a_kill(
    stack: RunningStack, tmp_path: Path, victim: str
) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    own = await make_space(stack, folder, size_bytes=SIZE_BYTES)
    support = Support(stack, own.account.space_id)
    old_pid = 0
    for number in range(1, CHANGES // 2):
        if number == CHANGES // 4:
            old_pid = stack.kill(victim)
        await support.change(number)
    await support.agreed()
    await asyncio.to_thread(stack.wait_back, victim, old_pid)
    await support.change(CHANGES)
    await support.agreed()


class Store:
    """A storage that an operator makes read-only and writable, again and again."""

    def __init__(self, stack: RunningStack, space_id: str, storage_id: str) -> None:
        self._stack = stack
        self._space_id = space_id
        self._storage_id = storage_id

    async def change(self, *, readonly: bool) -> None:
        """Tries once; what came of it, the provider shows."""
        with contextlib.suppress(ClientError):
            await asyncio.to_thread(self._change, readonly)

    def _change(self, readonly: bool) -> None:
        with operator(operator_settings(self._stack)) as provider:
            provider.update_storage(self._storage_id, readonly=readonly)

    async def agreed(self) -> None:
        """The zone says of the storage what the provider says."""

        async def is_so() -> bool:
            here = await asyncio.to_thread(self._here)
            async with self._stack.client() as owner:
                body = {"token": self._stack.token}
                scope = (await owner.post(f"{ZONE}/tokens/infer_access_token_scope", json=body)).json()
            spaces = scope.get("dataAccessScope", {}).get("spaces", {})
            there = [each["readonly"] for each in spaces.get(self._space_id, {}).get("supports", {}).values()]
            return here is not None and there == [here]

        await until(is_so, AGREED_S, "agreement on the storage", 0.2)

    def _here(self) -> bool | None:
        try:
            with operator(operator_settings(self._stack)) as provider:
                [own] = [each for each in provider.storages() if each.storage_id == self._storage_id]
        except ClientError:
            return None
        return own.readonly


@pytest.mark.parametrize("victim", ["zone-1", "storage_router-1"])
async def test_the_zone_knows_storages_as_the_provider_does_after_a_kill(
    stack: RunningStack, tmp_path: Path, victim: str
) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    own = await make_space(stack, folder, imported=True)
    store = Store(stack, own.account.space_id, own.storage_id)
    old_pid = 0
    for number in range(1, CHANGES // 2):
        if number == CHANGES // 4:
            old_pid = stack.kill(victim)
        await store.change(readonly=number % 2 == 1)
    await store.agreed()
    await asyncio.to_thread(stack.wait_back, victim, old_pid)
    for readonly in (True, False):
        await store.change(readonly=readonly)
        await store.agreed()
