"""What `make up` leaves behind, and what else the commands do."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from clients.cli.settings import read_env_file
from stack import control
from stack.bootstrap import write_and_read
from stack.mongo import ADMIN, USER, Secrets
from stack.status import status
from tests.support.stack import RunningStack

KEYS = {
    "ONEZONE_HOST",
    "ISTHMUS_URL",
    "ISTHMUS_CA",
    "ISTHMUS_TOKEN",
    "ISTHMUS_TOKEN_MEMBER",
    "ISTHMUS_SPACE",
    "ISTHMUS_SPACE_ID",
    "ISTHMUS_PROVIDER_ID",
}


def test_stack_env_tells_outside_tools_everything(stack: RunningStack) -> None:
    assert set(stack.env) >= KEYS
    assert all(stack.env[key] for key in KEYS)


def test_secrets_are_for_their_owner_only(stack: RunningStack) -> None:
    files = [stack.layout.stack_env, *stack.layout.secrets.iterdir(), stack.layout.run_dir / "tls/server.key"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_secrets_are_in_no_log_and_no_command_line(stack: RunningStack) -> None:
    secrets = [stack.token, stack.member_token]
    secrets += [file.read_text(errors="replace").strip() for file in stack.layout.secrets.glob("*.password")]
    commands = [
        Path(f"/proc/{stack.pid(name)}/cmdline").read_text(errors="replace") for name in stack.names()
    ]
    spoken = [*stack.logs().values(), *commands]
    assert not [secret for secret in secrets if any(secret in text for text in spoken)]


def test_the_database_lets_nobody_in_without_a_password(stack: RunningStack) -> None:
    client: MongoClient[dict[str, object]] = MongoClient(stack.layout.first.mongo_url)
    with client, pytest.raises(OperationFailure, match="requires authentication"):
        client["isthmus_metadata"]["files"].find_one()


def test_services_log_into_the_database_without_rights_to_spare(stack: RunningStack) -> None:
    password = Secrets.below(stack.layout.secrets).password.read_text().strip()
    url = stack.layout.first.mongo_url
    client: MongoClient[dict[str, object]] = MongoClient(url, username=USER, password=password)
    with client:
        assert client["isthmus_metadata"]["files"].find_one()
        with pytest.raises(OperationFailure, match="not authorized"):
            client.admin.command("usersInfo")


def test_files_pass_and_status_says_so(stack: RunningStack, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(stack.layout) == 0
    assert "a file was stored, read and removed" in capsys.readouterr().out


def test_up_changes_nothing_when_all_runs(stack: RunningStack) -> None:
    before = {name: stack.pid(name) for name in stack.names()}
    control.up(stack.layout)
    assert {name: stack.pid(name) for name in stack.names()} == before
    assert read_env_file(stack.layout.stack_env) == stack.env


def test_services_wait_on_loopback_only(stack: RunningStack) -> None:
    """Every listening socket of the stack, by the kernel's word."""
    ours = {port for site in stack.layout.sites for port in site.ports().values()}
    addresses = {address for address, port in listening() if port in ours}
    assert addresses == {"0100007F"}


def listening() -> list[tuple[str, int]]:
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [(row[1].split(":")[0], int(row[1].split(":")[1], 16)) for row in rows if row[3] == "0A"]


def test_second_start_is_quick_and_finds_the_data(stack: RunningStack) -> None:
    control.down(stack.layout)
    begun = time.monotonic()
    control.up(stack.layout)
    assert time.monotonic() - begun < 60  # the owed 15 s is for a machine with nothing else to do
    write_and_read(stack.layout.first, stack.token)


def test_passwords_of_the_database_are_replaced_by_a_restart(stack: RunningStack) -> None:
    own = Secrets.below(stack.layout.secrets)
    before = own.password.read_text(), own.admin_password.read_text()
    control.down(stack.layout)
    own.password.unlink()
    own.admin_password.rename(own.former_admin_password)
    control.up(stack.layout)
    write_and_read(stack.layout.first, stack.token)
    assert not own.former_admin_password.exists()
    for user, old, new in zip((USER, ADMIN), before, (own.password, own.admin_password), strict=True):
        assert not _may_log_in(stack, user, old)
        assert _may_log_in(stack, user, new.read_text())


def _may_log_in(stack: RunningStack, user: str, password: str) -> bool:
    url = stack.layout.first.mongo_url
    client: MongoClient[dict[str, object]] = MongoClient(url, username=user, password=password.strip())
    with client:
        try:
            client.admin.command("ping")
        except OperationFailure:
            return False
    return True


def test_front_door_survives_the_loss_of_a_control_plane(stack: RunningStack) -> None:
    with stack.without("cluster_manager-1"):
        for _ in range(5):
            write_and_read(stack.layout.first, stack.token)
    stack.wait_back("cluster_manager-1", 0)
