"""The programs Isthmus is compared with, started here, and the same front door before each of them."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.rows import Wrong
from bench.unbatched import MONGO_URL
from stack.ports import free_port

START_TIMEOUT_S = 20
STOP_TIMEOUT_S = 10
CONTENT = "data_port"
REPO = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class DoorFiles:
    """What the doors of the peers share with that of Isthmus: Envoy, its workers, what it was told."""

    envoy: Path
    concurrency: int
    model: dict[str, Any]


@contextlib.contextmanager
def running(
    command: list[str], folder: Path, name: str, port: int, secrets: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A server for the time of the block, once its port answers. Wrong with its last words otherwise.

    `secrets` are told by the environment, which the list of processes does not show.
    """
    log = folder / f"{name}.log"
    with open(log, "wb") as sink:
        environment = {**os.environ, **(secrets or {})}
        process = subprocess.Popen(command, stdout=sink, stderr=sink, cwd=REPO, env=environment)
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Wrong(f"{name} does not start: {log.read_text(errors='replace')[-500:]}")
            time.sleep(0.05)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


NGINX = """
worker_processes 2; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.err warn;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 100000000; default_type application/octet-stream;
  client_max_body_size 0; client_body_temp_path {root}/.body; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} backlog=4096; listen unix:{folder}/nginx.sock;
    listen 127.0.0.1:{tls_port} ssl backlog=4096; ssl_certificate {certificate}; ssl_certificate_key {key};
    root {root}; dav_methods PUT DELETE MKCOL; create_full_put_path on;
    location /listed/ {{ autoindex on; autoindex_format json; }}
  }}
}}
"""  # noqa: E501 - nginx's own language


@contextlib.contextmanager
def nginx(folder: Path, root: Path, certificate: Path) -> Iterator[tuple[int, int, Path]]:
    """nginx with sendfile and WebDAV writing over `root`: its port, the one with TLS, and its Unix socket.

    The key of `certificate` lies beside it.
    """
    port, tls_port = free_port(), free_port()
    (root / ".body").mkdir(parents=True, exist_ok=True)
    config = folder / "nginx.conf"
    # Workers would run as another user and could not write below our folder.
    config.write_text(
        "user root;\n"
        + NGINX.format(
            folder=folder,
            root=root,
            port=port,
            tls_port=tls_port,
            certificate=certificate,
            key=certificate.with_suffix(".key"),
        )
    )
    with running(["nginx", "-p", str(folder), "-c", str(config)], folder, "nginx", port):
        yield port, tls_port, folder / "nginx.sock"


@contextlib.contextmanager
def wsgidav(folder: Path, root: Path) -> Iterator[int]:
    """wsgidav on cheroot over `root`, anybody may write: its port."""
    port = free_port()
    command = [sys.executable, "-m", "bench.wsgidav_server", str(port), str(root)]
    with running(command, folder, "wsgidav", port):
        yield port


@contextlib.contextmanager
def unbatched(folder: Path, mongo_url: str, instances: int) -> Iterator[list[int]]:
    """The pipeline with one call and one insert for each create: ports of its HTTP processes."""
    with contextlib.ExitStack() as stack:
        ports = []
        for number in range(instances):
            grpc_port, http_port = free_port(), free_port()
            base = [sys.executable, "-m", "bench.unbatched"]
            store = [*base, "store", str(grpc_port)]
            secrets = {MONGO_URL: mongo_url}
            stack.enter_context(running(store, folder, f"unbatched-store-{number}", grpc_port, secrets))
            front = [*base, "front", str(http_port), f"127.0.0.1:{grpc_port}"]
            stack.enter_context(running(front, folder, f"unbatched-front-{number}", http_port))
            ports.append(http_port)
        yield ports


@contextlib.contextmanager
def door(
    folder: Path, name: str, files: DoorFiles, upstreams: list[int | Path], *, tls: bool = True
) -> Iterator[str]:
    """The base URL of an Envoy with the listener, limits and retries of Isthmus, before the upstreams."""
    port = free_port()
    config = folder / f"door-{name}.json"
    config.write_text(json.dumps(_bootstrap(port, files.model, upstreams, tls=tls)))
    command = [str(files.envoy), "-c", str(config), "--log-level", "error", "--disable-hot-restart"]
    command += ["--concurrency", str(files.concurrency)]
    with running(command, folder, f"door-{name}", port):
        yield f"https://localhost:{port}" if tls else f"http://localhost:{port}"


def door_model(admin_port: int, key_file: Path) -> dict[str, Any]:
    """What a running front door was told: listener, virtual host, route and cluster of content.

    It never tells where its private key is: that is `key_file`.
    """
    with urllib.request.urlopen(f"http://127.0.0.1:{admin_port}/config_dump", timeout=10) as answer:
        dumps = {each["@type"].rpartition(".")[2]: each for each in json.load(answer)["configs"]}
    clusters = [each["cluster"] for each in dumps["ClustersConfigDump"]["dynamic_active_clusters"]]
    routes = dumps["RoutesConfigDump"]["dynamic_route_configs"][0]["route_config"]
    host = routes["virtual_hosts"][0]
    front = dumps["ListenersConfigDump"]["dynamic_listeners"][0]["active_state"]["listener"]
    tls = front["filter_chains"][0]["transport_socket"]["typed_config"]["common_tls_context"]
    tls["tls_certificates"][0]["private_key"] = {"filename": str(key_file)}
    return {
        "listener": front,
        "host": host,
        "route": next(
            each["route"] for each in host["routes"] if each.get("route", {}).get("cluster") == CONTENT
        ),
        "cluster": next(each for each in clusters if each["name"] == CONTENT),
    }


def _bootstrap(port: int, model: dict[str, Any], upstreams: list[int | Path], *, tls: bool) -> dict[str, Any]:
    """The same listener on another port, with one route to the peer."""
    front = copy.deepcopy(model["listener"])
    front.pop("@type", None)
    front["address"] = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    if not tls:
        front.pop("listener_filters", None)
        del front["filter_chains"][0]["transport_socket"]
    manager = front["filter_chains"][0]["filters"][0]["typed_config"]
    del manager["rds"]
    host = model["host"] | {"routes": [{"match": {"prefix": "/"}, "route": model["route"]}]}
    manager["route_config"] = {"virtual_hosts": [host]}
    cluster = model["cluster"] | {"type": "STATIC", "load_assignment": _endpoints(upstreams)}
    # Isthmus's own probes ask for a page the peers have not.
    for key in ("@type", "eds_cluster_config", "health_checks", "outlier_detection"):
        cluster.pop(key, None)
    return {"static_resources": {"listeners": [front], "clusters": [cluster]}}


def _endpoints(upstreams: list[int | Path]) -> dict[str, Any]:
    found = []
    for upstream in upstreams:
        if isinstance(upstream, Path):
            address: dict[str, Any] = {"pipe": {"path": str(upstream)}}
        else:
            address = {"socket_address": {"address": "127.0.0.1", "port_value": upstream}}
        found.append({"endpoint": {"address": address}})
    return {"cluster_name": CONTENT, "endpoints": [{"lb_endpoints": found}]}
