"""Real mongod and Consul for tests, each in a folder of its own on ports nobody uses.

Use the fixtures of `tests/conftest.py` (`mongo_url`, `mongo_database`, `consul_url`) unless a test stops,
pauses or restarts the server itself; then `async with own_mongod(tmp_path) as mongod`.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from stack import binaries
from tests.support.ports import free_port, free_ports
from tests.support.processes import Program

ALREADY_INITIALIZED = 23
START_ATTEMPTS = 3  # a port found free may be taken before the server binds it


@dataclass(frozen=True)
class Server:
    """A running server: where it is, and the program to stop, pause or kill."""

    program: Program
    port: int
    url: str
    is_ready: Callable[[], bool]

    def restart(self) -> None:
        """Start it again on the same port and data, after `program.kill()` or `program.stop()`."""
        self.program.start()
        self.program.wait_ready(self.is_ready)


@contextlib.contextmanager
def running_mongod(folder: Path) -> Iterator[Server]:
    """A single-node replica set, writable when yielded. `url` names no database."""
    with _first_that_starts(lambda: _mongod(folder)) as server:
        yield server


@contextlib.contextmanager
def running_consul(folder: Path) -> Iterator[Server]:
    """A Consul agent in development mode (nothing on disk), with a leader when yielded."""
    with _first_that_starts(lambda: _consul(folder)) as server:
        yield server


@contextlib.asynccontextmanager
async def own_envoy(folder: Path, bootstrap: dict[str, Any], https_port: int) -> AsyncIterator[Server]:
    """Envoy with a bootstrap of `stack.envoy`; yielded when the control plane has given it its listener."""
    admin = bootstrap["admin"]["address"]["socket_address"]["port_value"]
    config = folder / f"envoy-{admin}.json"
    config.write_text(json.dumps(bootstrap))
    command = [binaries.ensure("envoy"), "-c", config, "--concurrency", "1", "-l", "warn"]
    program = Program("envoy", [*command, "--disable-hot-restart"], folder / f"envoy-{admin}.log")
    url = f"https://localhost:{https_port}"
    server = Server(program, https_port, url, lambda: _envoy_listens(admin, https_port))
    program.start()
    try:
        await program.become_ready(server.is_ready)
        yield server
    finally:
        program.stop()


@contextlib.asynccontextmanager
async def own_mongod(folder: Path) -> AsyncIterator[Server]:
    """`running_mongod` for one asynchronous test."""
    with running_mongod(folder) as server:
        yield server


@contextlib.asynccontextmanager
async def own_consul(folder: Path) -> AsyncIterator[Server]:
    """`running_consul` for one asynchronous test."""
    with running_consul(folder) as server:
        yield server


@contextlib.contextmanager
def _first_that_starts(make: Callable[[], Server]) -> Iterator[Server]:
    for attempt in range(1, START_ATTEMPTS + 1):
        server = make()
        try:
            server.restart()
            break
        except RuntimeError:
            server.program.stop()
            if attempt == START_ATTEMPTS:
                raise
    try:
        yield server
    finally:
        server.program.stop()


def _mongod(folder: Path) -> Server:
    port = free_port()
    data = folder / f"mongod-{port}"
    data.mkdir(parents=True)
    command = [binaries.ensure("mongod"), "--dbpath", data, "--port", str(port), "--bind_ip", "127.0.0.1"]
    command += ["--replSet", "rs0", "--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "128", "--nounixsocket"]
    command += ["--setParameter", "diagnosticDataCollectionEnabled=false"]
    command += ["--setParameter", "shutdownTimeoutMillisForSignaledShutdown=500"]
    command += ["--setParameter", "enableTestCommands=1"]  # failCommand: faults of single commands
    program = Program("mongod", command, folder / f"mongod-{port}.log")
    url = f"mongodb://127.0.0.1:{port}/?replicaSet=rs0"
    return Server(program, port, url, lambda: _mongod_is_writable(port))


def _mongod_is_writable(port: int) -> bool:
    client: MongoClient[dict[str, Any]] = MongoClient(
        "127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=500
    )
    members = [{"_id": 0, "host": f"127.0.0.1:{port}"}]
    with client:
        try:
            client.admin.command("replSetInitiate", {"_id": "rs0", "members": members})
        except OperationFailure as error:
            if error.code != ALREADY_INITIALIZED:
                return False
        except PyMongoError:
            return False
        return _until(lambda: bool(client.admin.command("hello").get("isWritablePrimary")), 5.0)


def _until(condition: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def _consul(folder: Path) -> Server:
    http, lan, wan, server = free_ports(4)
    command = [binaries.ensure("consul"), "agent", "-dev", "-bind=127.0.0.1", "-client=127.0.0.1"]
    command += [
        f"-http-port={http}",
        f"-serf-lan-port={lan}",
        f"-serf-wan-port={wan}",
        f"-server-port={server}",
    ]
    command += ["-dns-port=-1", "-grpc-port=-1", f"-node=test-{http}", "-log-level=warn"]
    # Sessions and checks as quick as the stack's own Consul: see stack/layout.py.
    command += ["-hcl", 'disable_update_check=true session_ttl_min="1s"']
    program = Program("consul", command, folder / f"consul-{http}.log")
    url = f"http://127.0.0.1:{http}"
    return Server(program, http, url, lambda: _consul_has_leader(url))


def _consul_has_leader(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/v1/status/leader", timeout=1) as answer:  # noqa: S310
            return bool(json.load(answer))
    except (OSError, ValueError):
        return False


def _envoy_listens(admin_port: int, https_port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{admin_port}/ready", timeout=1):
            pass
        with socket.create_connection(("127.0.0.1", https_port), timeout=1):
            return True
    except OSError:
        return False
