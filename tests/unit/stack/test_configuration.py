"""What supervisord, Envoy and the services are started with."""

from __future__ import annotations

import configparser
import shlex
from pathlib import Path

from stack.binaries import Binaries
from stack.ca import Certificates
from stack.envoy import bootstrap
from stack.layout import Layout
from stack.processes import CONTROL, FOUNDATION, SERVICES, Process, all_processes
from stack.supervisor import configuration

BINARIES = Binaries(Path("/t/mongod"), Path("/t/envoy"), Path("/t/consul"))
CERTIFICATES = Certificates(Path("/c/ca.pem"), Path("/c/server.pem"), Path("/c/server.key"))


def processes(layout: Layout) -> dict[str, Process]:
    return {process.name: process for process in all_processes(layout, BINARIES, CERTIFICATES)}


def test_every_stateless_service_has_two_instances(tmp_path: Path) -> None:
    names = set(processes(Layout(tmp_path)))
    services = ("cluster_manager", "zone", "metadata", "storage_router", "gateway")
    assert names == {f"{name}-{n}" for name in services for n in (1, 2)} | {"mongod", "consul", "envoy"}


def test_parts_start_after_what_they_need(tmp_path: Path) -> None:
    found = processes(Layout(tmp_path))
    assert [found[name].stage for name in ("mongod", "zone-1", "gateway-2")] == [
        FOUNDATION,
        CONTROL,
        SERVICES,
    ]


def test_second_provider_shares_only_mongod_and_zone(tmp_path: Path) -> None:
    found = processes(Layout(tmp_path, providers=2))
    assert {"consul_2", "envoy_2", "metadata-1_2"} <= set(found)
    assert not {"mongod_2", "zone-1_2"} & set(found)
    first, second = found["metadata-1"].env, found["metadata-1_2"].env
    differing = {name for name in first if first[name] != second[name]}
    assert {"ISTHMUS_MONGO_DATABASE", "ISTHMUS_CONSUL_URL", "ISTHMUS_CLUSTER_KEY_FILE"} <= differing
    assert second["ISTHMUS_ZONE_GRPC_TARGET"].startswith("ipv4:127.0.0.1:")


def test_command_lines_hold_no_secret_settings(tmp_path: Path) -> None:
    for process in processes(Layout(tmp_path)).values():
        named = [name for name in process.env if any(word in name for word in ("TOKEN", "PASSWORD", "KEY"))]
        assert all(name.endswith(("_FILE", "_CACHE_S")) for name in named)


def test_odd_characters_survive_supervisors_syntax(tmp_path: Path) -> None:
    process = Process("odd", FOUNDATION, ["/bin/a b", 'x"y%z\\'], {"NAME": 'a,"b" %c'})
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"))
    parser.read_string(configuration(Layout(tmp_path), [process]))
    command = shlex.split(parser["program:odd"]["command"].replace("%%", "%"))
    assert command[-2:] == ["/bin/a b", 'x"y%z\\']
    assert parser["program:odd"]["environment"] == 'NAME="a,\\"b\\" %%c"'


def test_envoy_knows_every_control_plane() -> None:
    config = bootstrap(node_id="e", host_id="h", control_plane=[("a", 1), ("b", 2)], admin_port=3)
    cluster = config["static_resources"]["clusters"][0]
    endpoints = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert [each["endpoint"]["address"]["socket_address"]["port_value"] for each in endpoints] == [1, 2]
    assert config["admin"]["address"]["socket_address"]["address"] == "127.0.0.1"
