"""Where things lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stack.errors import StackError
from stack.layout import MAX_SOCKET_DIR_BYTES, PORTS_PER_SITE, Layout, from_environment, remember


def test_no_port_is_given_twice(tmp_path: Path) -> None:
    layout = Layout(tmp_path, providers=2, instances=4)
    ports = [port for site in layout.sites for port in site.ports().values()]
    assert len(ports) == len(set(ports))


def test_all_ports_follow_the_base_port(tmp_path: Path) -> None:
    near, far = Layout(tmp_path, base_port=10_000), Layout(tmp_path, base_port=11_000)
    assert near.first.ports().keys() == far.first.ports().keys()
    assert all(far.first.ports()[name] - port == 1000 for name, port in near.first.ports().items())
    assert all(10_000 <= port < 10_000 + PORTS_PER_SITE for port in near.first.ports().values())


def test_second_provider_has_no_mongod_and_no_zone(tmp_path: Path) -> None:
    second = Layout(tmp_path, providers=2).sites[1]
    assert not [name for name in second.ports() if name.startswith(("mongod", "zone"))]
    assert (second.suffix, second.domain) == ("_2", f"localhost:{8443 + PORTS_PER_SITE}")


def test_port_443_is_not_written_down(tmp_path: Path) -> None:
    assert (
        Layout(tmp_path, base_port=443, public_host="data.example.org").first.url
        == "https://data.example.org"
    )


def test_sockets_move_out_of_a_deep_folder(tmp_path: Path) -> None:
    shallow, deep = Path("/srv/run"), Path("/srv") / ("x" * 90)
    assert Layout(shallow).sockets == shallow / "sockets"
    assert len(os.fsencode(Layout(deep).sockets)) <= MAX_SOCKET_DIR_BYTES
    assert Layout(deep).sockets != Layout(deep / "other").sockets


def test_environment_chooses(tmp_path: Path) -> None:
    chosen = {"ISTHMUS_RUN_DIR": str(tmp_path), "ISTHMUS_BASE_PORT": "9443", "PROVIDERS": "2"}
    layout = from_environment(chosen)
    assert (layout.run_dir, layout.base_port, layout.providers) == (tmp_path, 9443, 2)


def test_empty_variables_count_as_unset(tmp_path: Path) -> None:
    layout = from_environment({"ISTHMUS_RUN_DIR": str(tmp_path), "ISTHMUS_BASE_PORT": "", "PROVIDERS": ""})
    assert (layout.base_port, layout.providers) == (8443, 1)


def test_base_port_is_remembered(tmp_path: Path) -> None:
    remember(Layout(tmp_path, base_port=12_345))
    assert from_environment({"ISTHMUS_RUN_DIR": str(tmp_path)}).base_port == 12_345


@pytest.mark.parametrize(
    "wrong",
    [
        {"ISTHMUS_BASE_PORT": "http"},
        {"ISTHMUS_BASE_PORT": "65535"},
        {"PROVIDERS": "0"},
        {"ISTHMUS_TLS_CERT": "/etc/hostname"},
        {"ISTHMUS_TLS_CERT": "/nowhere.pem", "ISTHMUS_TLS_KEY": "/nowhere.key"},
    ],
)
def test_impossible_choices_are_one_clear_line(tmp_path: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(StackError) as raised:
        from_environment({"ISTHMUS_RUN_DIR": str(tmp_path), **wrong})
    assert next(iter(wrong)) in str(raised.value)
    assert "\n" not in str(raised.value)
