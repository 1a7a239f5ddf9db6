"""Isthmus as it is measured: a stack of its own, as `make up` starts it, with its storage on tmpfs."""

from __future__ import annotations

import contextlib
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.load import Target
from bench.peers import DoorFiles, door_model
from bench.rows import Wrong
from bench.suite import Instances, Place
from clients.cli.operator import operator
from clients.cli.settings import load, read_env_file
from clients.rest import ProviderClient, encode_path
from stack import binaries
from stack.control import clean, up
from stack.layout import PORTS_PER_SITE, Layout
from stack.mongo import USER, Secrets
from stack.supervisor import Supervisor

FIRST_BASE_PORT = 20443


@dataclass(frozen=True)
class Subject:
    """A running stack under test."""

    layout: Layout
    door: Place
    direct: Place
    instances: Instances
    door_files: DoorFiles
    #: Of its front door; the key lies beside it.
    certificate: Path

    @property
    def sockets(self) -> list[int | Path]:
        """Where Envoy reaches the data ports."""
        return sorted(self.layout.sockets.glob("data_port-*.sock"))

    @property
    def mongo_url(self) -> str:
        """Its MongoDB, which the unbatched twin uses too, with name and password."""
        password = Secrets.below(self.layout.secrets).password.read_text().strip()
        return self.layout.first.mongo_url.replace("://", f"://{USER}:{password}@") + "&authSource=admin"

    def pids(self) -> list[int]:
        """Every process of the stack, the supervisor included."""
        running = [each.pid for each in Supervisor(self.layout).states() if each.pid]
        supervisor = int((self.layout.run_dir / "supervisord.pid").read_text())
        return sorted({*running, supervisor})


@contextlib.contextmanager
def subject(folder: Path, storage: Path, say: Callable[[str], None]) -> Iterator[Subject]:
    """A fresh stack whose state is below `folder` and whose storage is `storage`; removed afterwards."""
    layout = Layout(run_dir=folder / "run", base_port=_free_block())
    layout.run_dir.mkdir(parents=True)
    layout.first.storage.symlink_to(storage)
    try:
        say("starting a stack of its own")
        up(layout, say)
        yield _prepared(layout)
    finally:
        clean(layout, say)
        shutil.rmtree(folder, ignore_errors=True)


def _prepared(layout: Layout) -> Subject:
    """A folder of the space for the bench, and how it is reached."""
    settings = load({}, layout.stack_env)
    space = read_env_file(layout.stack_env)["ISTHMUS_SPACE"]
    with ProviderClient(settings.provider_url(), settings.token, ca_file=settings.ca_file) as provider:
        folder_id = provider.make_directories(f"{space}/bench")
    with operator(settings) as running:
        members = running.status().members
    headers = {"X-Auth-Token": settings.token}

    def targets(service: str) -> tuple[Target, ...]:
        addresses = sorted(member.address for member in members if member.service == service)
        return tuple(Target(f"http://{address}", headers) for address in addresses)

    gateways, data_ports = targets("gateway"), targets("data_port")
    path = f"/cdmi/{encode_path(f'{space}/bench')}/{{name}}"
    folder_path = f"/api/v3/oneprovider/data/{folder_id}"
    create = f"{folder_path}/children?name={{name}}&type=REG"
    ca_file = settings.ca_file
    if ca_file is None or not gateways or not data_ports:
        raise Wrong("the stack has no certificate authority, no gateway or no data port")
    certificate = ca_file.with_name("server.pem")
    return Subject(
        layout,
        Place(Target(settings.provider_url(), headers, ca_file), path, path, create=create),
        Place(data_ports[0], path, path),
        Instances(gateways, data_ports, f"{folder_path}?attributes=fileId", create),
        DoorFiles(
            envoy=binaries.ensure("envoy"),
            concurrency=_envoy_workers(layout),
            model=door_model(layout.first.port("envoy_admin"), certificate.with_suffix(".key")),
        ),
        certificate,
    )


def _envoy_workers(layout: Layout) -> int:
    """How many workers the stack gave its own Envoy."""
    pid = next(each.pid for each in Supervisor(layout).states() if each.name == "envoy")
    words = psutil.Process(pid).cmdline()
    return int(words[words.index("--concurrency") + 1])


def _free_block() -> int:
    """A base port with a whole block of free ones behind it."""
    for base in range(FIRST_BASE_PORT, 60000, 5 * PORTS_PER_SITE):
        if all(_is_free(port) for port in range(base, base + PORTS_PER_SITE)):
            return base
    raise Wrong("there is no block of free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
