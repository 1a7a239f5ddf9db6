"""The `isthmus` command against a whole stack: what users and operators type."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.support.stack import RunningStack

BIG_BYTES = 70 << 20  # above what goes in one request


class Cli:
    """Runs the command as a process of its own."""

    def __init__(self, stack: RunningStack, folder: Path) -> None:
        self._env = {**os.environ, **stack.env}
        self.folder = folder
        self.space = stack.space

    def __call__(self, *words: str, code: int = 0, env: dict[str, str] | None = None) -> str:
        """What it printed; fails unless it ended with `code`."""
        done = subprocess.run(
            [sys.executable, "-m", "clients.cli", *words],
            env={**self._env, "PYTHONPATH": os.pathsep.join(sys.path), **(env or {})},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout if code == 0 else done.stderr

    def json(self, *words: str) -> object:
        """What it printed, read as JSON."""
        return json.loads(self("--json", *words))


@pytest.fixture
def cli(stack: RunningStack, tmp_path: Path) -> Cli:
    return Cli(stack, tmp_path)


@pytest.fixture
def remote(cli: Cli):
    """A fresh directory of the space."""
    path = f"{cli.space}/cli-{secrets.token_hex(6)}"
    cli("mkdir", path)
    yield path
    cli("rm", "-r", "-f", path)


def test_status_shows_every_member_in_health(cli: Cli) -> None:
    status = cli.json("status")
    assert status["well"]
    assert {"gateway", "metadata", "storage_router", "data_port"} <= {m["service"] for m in status["members"]}
    assert all(member["pid"] > 0 for member in status["members"])


def test_a_file_goes_there_and_back(cli: Cli, remote: str, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(b"hello")
    cli("put", "--verify", "in.txt", f"{remote}/file.txt")
    cli("get", "--verify", f"{remote}/file.txt", "out.txt")
    assert (tmp_path / "out.txt").read_bytes() == b"hello"
    assert cli.json("stat", f"{remote}/file.txt")["size_bytes"] == 5


def test_a_tree_goes_there_and_back(cli: Cli, remote: str, tmp_path: Path) -> None:
    for name in ("a/b/one", "a/two words", "a/ünïcode ☃"):
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_bytes(name.encode())
    cli("put", "-r", "tree", remote)
    cli("get", "-r", f"{remote}/tree", "back")
    assert (tmp_path / "back/a/ünïcode ☃").read_bytes() == "a/ünïcode ☃".encode()
    assert cli.json("put", "-r", "-u", "tree", remote)["unchanged"] == 3
    assert cli("ls", f"{remote}/tree/a").split("\n")[:2] == ["b/", "two words"]


def test_a_large_file_is_put_in_pieces_and_resumed(cli: Cli, remote: str, tmp_path: Path) -> None:
    content = os.urandom(1 << 20) * (BIG_BYTES >> 20)
    (tmp_path / "big").write_bytes(content)
    assert cli.json("put", "--verify", "big", f"{remote}/big")["size_bytes"] == BIG_BYTES
    cli("get", f"{remote}/big", "copy")
    assert (tmp_path / "copy").read_bytes() == content
    assert [entry["name"] for entry in cli.json("ls", remote)] == ["big"]


def test_replacing_leaves_nothing_of_the_old(cli: Cli, remote: str, tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(b"x" * 10_000)
    (tmp_path / "short").write_bytes(b"y")
    cli("put", "long", f"{remote}/f")
    cli("put", "short", f"{remote}/f")
    assert cli("get", f"{remote}/f", "-") == "y"


def test_mv_keeps_the_id(cli: Cli, remote: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"1")
    cli("put", "f", f"{remote}/f")
    before = cli.json("stat", f"{remote}/f")["file_id"]
    cli("mkdir", f"{remote}/d")
    cli("mv", f"{remote}/f", f"{remote}/d")
    assert cli.json("stat", f"{remote}/d/f")["file_id"] == before


def test_errors_are_one_line_with_the_id(cli: Cli, remote: str) -> None:
    assert cli("stat", f"{remote}/nothing", code=1).startswith("isthmus: posix: ")
    assert "--recursive" in cli("rm", remote, code=1)
    said = cli("ls", remote, code=1, env={"ISTHMUS_TOKEN": "nonsense"})
    assert said.startswith("isthmus: unauthorized: ")
    assert said.count("\n") == 1
    assert cli("ls", remote, code=3, env={"ISTHMUS_URL": "https://127.0.0.1:9"}).count("\n") == 1


def test_a_member_makes_spaces_and_tokens(cli: Cli, stack: RunningStack) -> None:
    name = f"cli-{secrets.token_hex(4)}"
    space_id = cli.json("space", "create", name)["space_id"]
    cli("space", "support", name, "local", "--size", "1G")
    shown = {space["space_id"]: space for space in cli.json("space", "list")}
    assert shown[space_id]["providers"] == {stack.env["ISTHMUS_PROVIDER_ID"]: 1 << 30}
    token = cli.json("token", "create", name, "--readonly", "--hours", "1")["token"]
    assert cli.space in cli("ls", env={"ISTHMUS_TOKEN": token})
    assert name in [each["name"] for each in cli.json("token", "list")]
    assert token not in cli("token", "list")


def test_the_administrator_makes_users(cli: Cli, tmp_path: Path) -> None:
    name = f"cli-{secrets.token_hex(4)}"
    (tmp_path / "password").write_text(secrets.token_hex(8))
    user_id = cli.json("user", "create", name, "--password-file", "password")["user_id"]
    assert {"username": name, "user_id": user_id, "full_name": "Unnamed User"} in cli.json("user", "list")


def test_operators_make_storages(cli: Cli, tmp_path: Path) -> None:
    name = f"cli-{secrets.token_hex(4)}"
    (tmp_path / "disk").mkdir()
    made = cli.json("storage", "create", name, f"mount_point={tmp_path}/disk")
    assert made["driver"] == "posix"
    assert made["storage_id"] in [each["storage_id"] for each in cli.json("storage", "list")]
    cli("storage", "map-user", name, "1001", "somebody")
    assert cli.json("storage", "users", name) == [{"uid": 1001, "user_id": "somebody"}]
    cli("storage", "map-user", name, "1001")
    assert cli.json("storage", "users", name) == []
    cli("storage", "delete", name)
    assert name not in cli("storage", "list")


def test_operators_see_and_recount_what_spaces_use(cli: Cli, stack: RunningStack, remote: str) -> None:
    (cli.folder / "f").write_bytes(b"x" * 5000)
    cli("put", "f", f"{remote}/f")
    shown = {each["space_id"]: each for each in cli.json("space", "usage")}
    assert shown[stack.space_id]["quota_bytes"] > 5000
    (counted,) = cli.json("space", "recount", stack.space_id)
    assert counted["used_bytes"] >= 5000
    assert counted["quota_bytes"] == shown[stack.space_id]["quota_bytes"]
    assert {"corrected_bytes", "unsettled_bytes"} <= counted.keys()
    assert cli("space", "usage", "nothing", code=1).count("\n") == 1
    assert cli("space", "recount", code=1, env={"ISTHMUS_OPERATOR_TOKEN": "nonsense"}).count("\n") == 1


def test_operators_switch_statistics_of_directories(cli: Cli, stack: RunningStack) -> None:
    [switched] = cli.json("space", "dir-stats", "--enable", stack.space_id)
    assert switched["space_id"] == stack.space_id
    assert switched["dir_stats"] in ("initializing", "enabled")
    wait_for_state(cli, stack.space_id, "enabled")
    [switched] = cli.json("space", "dir-stats", "--disable", stack.space_id)
    assert switched["dir_stats"] in ("stopping", "disabled")
    wait_for_state(cli, stack.space_id, "disabled")
    assert "say which spaces" in cli("space", "dir-stats", "--disable", code=1)
    assert cli("space", "dir-stats", "nothing", code=1).count("\n") == 1


def wait_for_state(cli: Cli, space_id: str, wanted: str) -> None:
    """Returns once the statistics of directories are in this state."""
    deadline_s = time.monotonic() + 60
    while {each["space_id"]: each["dir_stats"] for each in cli.json("space", "dir-stats")}[
        space_id
    ] != wanted:
        assert time.monotonic() < deadline_s, wanted
        time.sleep(0.3)


def test_only_operators_see_storages(cli: Cli) -> None:
    assert cli("storage", "list", code=1, env={"ISTHMUS_OPERATOR_TOKEN": "nonsense"}).count("\n") == 1


async def test_root_token_of_the_provider_is_replaced_while_files_are_read(
    cli: Cli, stack: RunningStack
) -> None:
    file = stack.layout.first.provider_file
    old = json.loads(file.read_text())["root_token"]
    words = ("provider", "rotate-token", "--provider-file", str(file), "--wait", "6")
    async with stack.client() as owner:
        rotating = asyncio.create_task(asyncio.to_thread(cli.json, *words))
        while not rotating.done():
            await _list_with_a_token_unknown_to_the_provider(stack, owner)
        told = await rotating
        assert isinstance(told, dict)
        assert told["ended_tokens"] >= 1
        # Longer than the zone remembers a provider's token.
        until_s = time.monotonic() + 3
        while time.monotonic() < until_s:
            await _list_with_a_token_unknown_to_the_provider(stack, owner)
    async with stack.client(old) as former:
        assert (await former.get("/api/v3/onezone/provider")).status_code == 401
    async with stack.client(json.loads(file.read_text())["root_token"]) as provider:
        assert (await provider.get("/api/v3/onezone/provider")).status_code == 200


async def _list_with_a_token_unknown_to_the_provider(stack: RunningStack, owner: httpx.AsyncClient) -> None:
    """So the provider has to ask the zone, in its own name."""
    wanted = {"caveats": [{"type": "time", "validUntil": int(time.time()) + 600}]}
    made = await owner.post("/api/v3/onezone/user/tokens/temporary", json=wanted)
    assert made.status_code == 201, made.text
    async with stack.client(made.json()["token"]) as user:
        answer = await user.post(f"/api/v3/oneprovider/lookup-file-id/{stack.space}")
    assert answer.status_code == 200, answer.text


def test_copies_are_listed_and_given_up(cli: Cli) -> None:
    assert isinstance(cli.json("copy", "list")["copies"], list)
    assert "state" in cli("copy", "list")
    assert cli("copy", "stop", "nothing", code=1).count("\n") == 1
