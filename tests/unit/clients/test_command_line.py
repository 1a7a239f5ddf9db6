"""The `isthmus` command: settings, exit codes, JSON, one line for an error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from clients.cli.__main__ import app, with_json_first
from clients.cli.output import size_text
from clients.cli.settings import load
from clients.cli.supports import parse_size
from clients.http_api import ClientError

RUNNER = CliRunner()
#: A port of the discard service, where nothing answers HTTP.
AWAY = {"ISTHMUS_URL": "https://127.0.0.1:9", "ISTHMUS_TOKEN": "t"}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("ISTHMUS_URL", "ISTHMUS_TOKEN", "ISTHMUS_CA", "ONEZONE_HOST", "ISTHMUS_OPERATOR_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "e").write_text("# stack\nexport ISTHMUS_URL='https://file:1'\nISTHMUS_TOKEN=from-file\n")
    settings = load({"ISTHMUS_TOKEN": "from-env"}, tmp_path / "e")
    assert (settings.url, settings.token) == ("https://file:1", "from-env")


def test_a_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    assert load({"ISTHMUS_OPERATOR_TOKEN_FILE": str(tmp_path / "secret")}, None).operator_token == "s3cret"


def test_a_broken_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "e").write_text("X='unfinished\n")
    with pytest.raises(ClientError, match="KEY=value"):
        load({}, tmp_path / "e")


def test_hosts_get_a_scheme() -> None:
    settings = load({"ISTHMUS_URL": "https://p:8443/", "ONEZONE_HOST": "z:9443"}, None)
    assert (settings.zone_url(), settings.front_door()) == ("https://z:9443", "p:8443")


def test_without_a_stack_the_remedy_is_told() -> None:
    result = RUNNER.invoke(app, ["ls", "space"], env={"ISTHMUS_TOKEN": "t"})
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "ISTHMUS_URL" in result.stderr


def test_an_absent_provider_gives_code_3() -> None:
    result = RUNNER.invoke(app, ["ls", "space"], env=AWAY)
    assert (result.exit_code, result.stderr.count("\n")) == (3, 1)


def test_json_errors_are_json() -> None:
    result = RUNNER.invoke(app, ["--json", "stat", "space/f"], env=AWAY)
    assert json.loads(result.stdout)["error"]["id"] == "unreachable"


def test_wrong_usage_gives_code_2() -> None:
    assert RUNNER.invoke(app, ["put"]).exit_code == 2
    assert RUNNER.invoke(app, ["nonsense"]).exit_code == 2


def _commands(group: Any, *path: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, *path, name)
        else:
            yield " ".join((*path, name))


@pytest.mark.parametrize("command", list(_commands(get_command(app))))
def test_every_command_shows_an_example(command: str) -> None:
    result = RUNNER.invoke(app, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert "Example: isthmus" in result.output


def test_json_may_stand_after_the_command() -> None:
    assert with_json_first(["ls", "--json", "x"]) == ["--json", "ls", "x"]
    assert with_json_first(["ls", "--", "--json"]) == ["ls", "--", "--json"]


@pytest.mark.parametrize(
    ("text", "size"),
    [("1000000", 1000000), ("64MiB", 64 << 20), ("1.5T", 3 << 39), ("2g", 2 << 30), ("7B", 7)],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "G", "ten", "-"])
def test_odd_sizes_are_refused(text: str) -> None:
    with pytest.raises(ClientError):
        parse_size(text)


@pytest.mark.parametrize(("size", "text"), [(0, "0 B"), (1023, "0.999 KiB"), (5 << 30, "5 GiB")])
def test_sizes_are_shown(size: int, text: str) -> None:
    assert size_text(size) == text


def test_completion_knows_the_commands() -> None:
    env = {"_ISTHMUS_COMPLETE": "complete_bash", "COMP_WORDS": "isthmus st", "COMP_CWORD": "1"}
    assert RUNNER.invoke(app, [], prog_name="isthmus", env=env).output.split() == [
        "stat",
        "status",
        "storage",
    ]
