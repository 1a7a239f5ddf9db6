"""What a newcomer does with `isthmus user|group|space|token|provider`, against a real zone."""

from __future__ import annotations

import asyncio
import errno
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from click.testing import Result
from typer.testing import CliRunner

from clients.cli.__main__ import app, with_json_first
from clients.zone_client import LOOK_EVERY_S, ProviderCredentials, ZoneClient
from runtime.clock import ManualClock
from runtime.config import ProviderFile
from runtime.rpc.channel import open_channel
from tests.support.zone import RunningZone, give_support, provider_client, registered_provider, user_token

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Shell:
    """The command, as one user and as the administrator."""

    zone: RunningZone
    token: str

    async def run(self, *words: str, ok: bool = True, stdin: str | None = None) -> Result:
        env = {
            "ONEZONE_HOST": self.zone.http_url,
            "ISTHMUS_URL": self.zone.http_url,
            "ISTHMUS_TOKEN": self.token,
            "ISTHMUS_ADMIN_PASSWORD": self.zone.admin_password,
        }
        runner = CliRunner()
        result = await asyncio.to_thread(runner.invoke, app, with_json_first(list(words)), stdin, env)
        assert (result.exit_code == 0) is ok, (words, result.output, result.exception)
        return result

    async def json(self, *words: str, stdin: str | None = None) -> Any:
        # The zone runs in this process, too, and its log goes the same way.
        told = (await self.run(*words, "--json", stdin=stdin)).stdout.splitlines()
        return json.loads(next(line for line in reversed(told) if line.startswith(("{", "["))))


@pytest_asyncio.fixture(loop_scope="module")
async def joe(zone: RunningZone) -> Shell:
    _, token = await user_token(zone, "joe")
    return Shell(zone, token)


@pytest_asyncio.fixture(loop_scope="module")
async def ann(zone: RunningZone) -> Shell:
    _, token = await user_token(zone, "ann")
    return Shell(zone, token)


async def test_a_group_is_made_invited_into_and_given_a_space(joe: Shell, ann: Shell) -> None:
    group = (await joe.json("group", "create", "physics", "--type", "unit"))["group_id"]
    space = (await joe.json("space", "create", "measurements"))["space_id"]
    invitation = (await joe.json("group", "invite", "physics"))["token"]
    assert (await ann.json("group", "join", stdin=invitation))["group_id"] == group
    for_group = (await joe.json("space", "invite", "measurements", "--for-group"))["token"]
    joined = await joe.json("space", "join", "--as-group", "physics", stdin=for_group)
    assert joined["space_id"] == space
    assert [each["space_id"] for each in await ann.json("space", "list")] == [space]
    assert [each["name"] for each in await ann.json("group", "list")] == ["physics"]
    shown = await joe.json("group", "show", "physics")
    assert {each["member"] for each in shown["members"]} == {
        joe.zone.username("joe"),
        joe.zone.username("ann"),
    }
    assert "physics" in (await joe.run("group", "list")).stdout


async def test_privileges_are_shown_given_and_taken(joe: Shell, ann: Shell) -> None:
    await joe.run("space", "create", "lab")
    await ann.run("space", "join", stdin=(await joe.json("space", "invite", "lab"))["token"])
    name = joe.zone.username("ann")
    words = ("space", "privileges", "lab", name)
    changed = await joe.json(*words, "--grant", "space_update", "--revoke", "space_write_data")
    names = [each["privilege"] for each in changed]
    assert names == ["space_view", "space_read_data", "space_view_transfers", "space_update"]
    assert (await ann.json("space", "rename", "lab", "laboratory"))["name"] == "laboratory"
    refused = await ann.run("space", "delete", "laboratory", "--yes", ok=False)
    assert refused.stderr.count("\n") == 1
    assert (await joe.json("space", "remove", "laboratory", name))["removed"]
    assert await ann.json("space", "list") == []
    unknown = await joe.run("space", "remove", "laboratory", "nobody", ok=False)
    assert "no direct member is called nobody" in unknown.stderr
    assert (await joe.json("space", "delete", "laboratory", "--yes"))["deleted"]


async def test_several_spaces_of_one_name_are_told_apart_by_id(joe: Shell) -> None:
    first = (await joe.json("space", "create", "twin"))["space_id"]
    await joe.run("space", "create", "twin")
    assert "several spaces" in (await joe.run("space", "show", "twin", ok=False)).stderr
    assert (await joe.json("space", "show", first))["spaceId"] == first


async def test_token_is_made_narrowed_shown_and_ended(joe: Shell, tmp_path: Path) -> None:
    space = (await joe.json("space", "create", "data"))["space_id"]
    made = await joe.json("token", "create", "laptop", "--hours", "5")
    file = tmp_path / "token.txt"
    file.write_text(made["token"])
    narrow = ("token", "confine", "--from", str(file), "--readonly", "--path", f"{space}/public")
    file.write_text((await joe.json(*narrow))["token"])
    shown = await joe.json("token", "show", "--from", str(file))
    assert [each["type"] for each in shown["caveats"]] == ["time", "data.readonly", "data.path"]
    assert [each["space_id"] for each in shown["spaces"]] == [space]
    assert (await joe.json("token", "revoke", "laptop"))["revoked"]
    assert "revoked" in (await joe.run("token", "show", "--from", str(file), ok=False)).stderr
    assert not (await joe.json("token", "revoke", "laptop", "--undo"))["revoked"]
    assert (await joe.json("token", "delete", "laptop"))["deleted"]
    assert "no token called laptop" in (await joe.run("token", "delete", "laptop", ok=False)).stderr
    assert "how to narrow" in (await joe.run("token", "confine", ok=False)).stderr
    await joe.run("token", "rotate")


async def test_administrators_handle_users(joe: Shell, tmp_path: Path) -> None:
    name = joe.zone.username("eve")
    password = tmp_path / "password"
    password.write_text("password1\n")
    words = ("user", "create", name, "--full-name", "Eve", "--password-file", str(password))
    user_id = (await joe.json(*words))["user_id"]
    assert (await joe.json("user", "show", name))["full_name"] == "Eve"
    given = await joe.json("user", "privileges", name, "--grant", "oz_users_list")
    assert given == [{"privilege": "oz_users_list"}]
    assert (await joe.json("user", "block", name))["blocked"]
    assert not (await joe.json("user", "block", name, "--undo"))["blocked"]
    password.write_text("password2\n")
    await joe.run("user", "password", name, "--password-file", str(password))
    space = (await joe.json("space", "create", "eden"))["space_id"]
    await joe.run("space", "add", space, user_id, "--admin")
    assert (await joe.json("user", "delete", name, "--yes"))["user_id"] == user_id
    assert "no user called" in (await joe.run("user", "show", name, ok=False)).stderr
    (own, *_) = await joe.json("audit", "--about", user_id, "--limit", "1")
    assert (own["action"], own["done"]) == ("delete_user", True)


async def test_providers_are_listed_and_invited(joe: Shell) -> None:
    provider = await registered_provider(joe.zone)
    space = (await joe.json("space", "create", "here"))["space_id"]
    assert await joe.json("provider", "list") == []
    async with joe.zone.client(joe.token) as client, provider_client(joe.zone, provider) as rpc:
        invitation = (await client.post(f"/spaces/{space}/providers/token")).json()["token"]
        await give_support(rpc, invitation, 10**9)
    (own,) = await joe.json("provider", "list")
    assert own["provider_id"] == provider.provider_id
    listed = await joe.json("provider", "list", "--admin")
    assert provider.provider_id in {each["provider_id"] for each in listed}
    assert (await joe.json("provider", "invite", "--admin"))["token"]
    assert (await joe.json("provider", "delete", provider.provider_id, "--admin", "--yes"))["deleted"]


@pytest.fixture
def provider_file(tmp_path: Path) -> Path:
    return tmp_path / "provider.json"


def _write(file: Path, provider: ProviderFile) -> str:
    """The file of a provider as registration leaves it; its root token."""
    token = provider.root_token.get_secret_value()
    file.write_text(json.dumps({**provider.model_dump(), "root_token": token}))
    return token


async def _is_good(zone: RunningZone, token: str) -> bool:
    async with zone.client(token) as client:
        return (await client.get("/provider")).status_code == 200


async def test_root_token_is_replaced_while_the_provider_goes_on_speaking(
    joe: Shell, provider_file: Path
) -> None:
    zone = joe.zone
    provider = await registered_provider(zone)
    old = _write(provider_file, provider)
    clock = ManualClock(time.time_ns() // 1_000_000)
    async with zone.client(old) as thief:
        made = await thief.post("/provider/tokens/named", json={"name": "kept for later"})
    channel = open_channel(zone.rpc_address)
    try:
        service = ZoneClient(channel, ProviderCredentials.load(provider_file), clock=clock)
        await service.report_status()
        words = ("provider", "rotate-token", "--provider-file", str(provider_file))
        assert (await joe.json(*words, "--keep-old"))["replaced"]
        new = json.loads(provider_file.read_text())["root_token"]
        assert new != old
        assert await _is_good(zone, old)
        assert await _is_good(zone, new)
        await service.report_status()
        clock.advance(LOOK_EVERY_S)
        await service.report_status()
        assert await joe.json(*words, "--end-old") == {"replaced": False, "ended_tokens": 2}
        assert not await _is_good(zone, old)
        assert not await _is_good(zone, made.json()["token"])
        assert await _is_good(zone, new)
        # Past what the zone remembers of a provider's token.
        await asyncio.sleep(2.1)
        await service.report_status()
    finally:
        await channel.close()


async def test_rotation_in_one_go_ends_the_old_token(joe: Shell, provider_file: Path) -> None:
    old = _write(provider_file, await registered_provider(joe.zone))
    words = ("provider", "rotate-token", "--provider-file", str(provider_file), "--wait", "0")
    assert await joe.json(*words) == {"replaced": True, "ended_tokens": 1}
    assert not await _is_good(joe.zone, old)
    assert await joe.json(*words) == {"replaced": True, "ended_tokens": 1}


async def test_rotation_that_can_not_write_the_file_changes_nothing(
    joe: Shell, provider_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = _write(provider_file, await registered_provider(joe.zone))

    def refuse(_file: Path, _content: bytes) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(provider_file))

    monkeypatch.setattr("clients.root_token.write_secret", refuse)
    words = ("provider", "rotate-token", "--provider-file", str(provider_file), "--wait", "0")
    assert "Read-only file system" in (await joe.run(*words, ok=False)).stderr
    async with joe.zone.client(old) as provider:
        assert len((await provider.get("/provider/tokens/named")).json()["tokens"]) == 1


async def test_rotation_says_what_is_no_provider_file(joe: Shell, provider_file: Path) -> None:
    provider_file.write_text("[]")
    words = ("provider", "rotate-token", "--provider-file", str(provider_file))
    assert "is no provider file" in (await joe.run(*words, ok=False)).stderr
    both = await joe.run(*words, "--keep-old", "--end-old", ok=False)
    assert both.exit_code == 2
