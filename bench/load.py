"""The load: one bulk transfer on one connection, or many small requests by wrk. Every answer is checked."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from bench.rows import Wrong

MIB = 1 << 20
TIMEOUT_S = 300
#: One piece of the bulk file: no two pages alike, so nothing is compressed or deduplicated on the way.
PIECE = b"".join(number.to_bytes(8, "big") * 8 for number in range(MIB // 64))
WRK_SCRIPT = Path(__file__).with_name("wrk.lua")
WRK_THREADS = 2


@dataclass(frozen=True)
class Target:
    """A server as the load reaches it. `base` is scheme, host and port."""

    base: str
    headers: Mapping[str, str] = field(default_factory=dict)
    ca_file: Path | None = None

    def connect(self) -> http.client.HTTPConnection:
        """A new connection, already open: connecting is not what bulk rows ask about."""
        parts = urlsplit(self.base)
        host, port = parts.hostname or "localhost", parts.port or 443
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, port, timeout=TIMEOUT_S, context=context
            )
        else:
            connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def bulk_get(target: Target, path: str, size_mib: int) -> float:
    """MB/s of one whole GET. Wrong when status, length or a piece is not as expected."""
    connection = target.connect()
    buffer = memoryview(bytearray(MIB))
    try:
        started = time.perf_counter()
        connection.request("GET", path, headers=dict(target.headers))
        answer = connection.getresponse()
        if answer.status != 200:
            raise Wrong(f"GET {path}: status {answer.status}: {answer.read(300)!r}")
        for number in range(size_mib):
            _fill(answer, buffer)
            if number % 64 == 0 and buffer != PIECE:
                raise Wrong(f"GET {path}: other bytes in MiB {number}")
        if answer.read(1):
            raise Wrong(f"GET {path}: more bytes than there are")
        return size_mib * MIB / 1e6 / (time.perf_counter() - started)
    finally:
        connection.close()


def _fill(answer: http.client.HTTPResponse, buffer: memoryview) -> None:
    filled = 0
    while filled < len(buffer):
        count = answer.readinto(buffer[filled:])
        if not count:
            raise Wrong("the body ended too early")
        filled += count


def bulk_put(target: Target, path: str, size_mib: int) -> float:
    """MB/s of one whole PUT, until the server has answered."""
    connection = target.connect()
    try:
        started = time.perf_counter()
        connection.putrequest("PUT", path)
        headers = {"Content-Type": "application/octet-stream", **target.headers}
        for name, value in {**headers, "Content-Length": str(size_mib * MIB)}.items():
            connection.putheader(name, value)
        connection.endheaders()
        for _ in range(size_mib):
            connection.sock.sendall(PIECE)
        answer = connection.getresponse()
        answer.read()
        if answer.status not in (200, 201, 204):
            raise Wrong(f"PUT {path}: status {answer.status}")
        return size_mib * MIB / 1e6 / (time.perf_counter() - started)
    finally:
        connection.close()


class Asked(Protocol):
    """One small request on a connection that is kept."""

    def __call__(
        self, method: str, path: str, body: bytes = b"", media_type: str = "application/octet-stream"
    ) -> tuple[int, bytes]: ...


@contextlib.contextmanager
def connected(target: Target) -> Iterator[Asked]:
    """A connection for one request after the other, already open."""
    connection = target.connect()

    def asked(
        method: str, path: str, body: bytes = b"", media_type: str = "application/octet-stream"
    ) -> tuple[int, bytes]:
        headers = {"Content-Type": media_type, **target.headers}
        connection.request(method, path, body=body or None, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    try:
        yield asked
    finally:
        connection.close()


def request(
    target: Target, method: str, path: str, body: bytes = b"", media_type: str = "application/octet-stream"
) -> tuple[int, bytes]:
    """One small request on a connection of its own."""
    with connected(target) as asked:
        return asked(method, path, body, media_type)


@dataclass(frozen=True)
class Small:
    """A storm of small requests.

    `path` may hold `{name}`: one of `names` in turn for GET, a fresh name for all else. `expect` is the
    status of every answer, `body` what GET must return and PUT sends. A JSON body (`json`) may hold `{name}`,
    too, a fresh one for each request; an answer with `refusal` in it is wrong.
    """

    method: str
    path: str
    expect: int
    connections: int
    seconds: int
    body: bytes = b""
    names: tuple[str, ...] = ()
    prefix: str = ""
    json: bool = False
    refusal: str = ""


def storms(targets: Sequence[Target], small: Small) -> float:
    """Requests per second of all targets together, each with an even share of the connections.

    As a front door does that gives each instance as many requests. There is a wrk for each, at the same time.
    """
    share = small.connections // len(targets)
    plans = [
        replace(small, connections=share, prefix=f"{small.prefix}-{number}") for number in range(len(targets))
    ]
    threads = max(1, WRK_THREADS // len(targets))
    with ThreadPoolExecutor(len(targets)) as pool:
        return sum(pool.map(lambda target, plan: storm(target, plan, threads), targets, plans))


def storm(target: Target, small: Small, threads: int = WRK_THREADS) -> float:
    """Requests per second by wrk. Wrong when one was answered otherwise than expected."""
    if shutil.which("wrk") is None:
        raise Wrong("wrk is not installed")
    with tempfile.TemporaryDirectory(prefix="isthmus-bench-") as folder:
        plan = Path(folder) / "plan.lua"
        plan.write_text(_plan(target, small, Path(folder)))
        threads = min(threads, small.connections)
        command = ["wrk", f"--threads={threads}", f"--connections={small.connections}"]
        command += [f"--duration={small.seconds}s", "--timeout=10s", f"--script={plan}", target.base]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith("{")), "")
    if not line:
        raise Wrong(f"wrk failed: {done.stderr or done.stdout}")
    told = json.loads(line)
    if told["bad"] or not told["requests"]:
        raise Wrong(f"{small.method} {small.path}: {told}")
    return float(told["requests"]) / float(told["seconds"])


def _plan(target: Target, small: Small, folder: Path) -> str:
    """The plan as Lua values, followed by the script that carries it out."""
    body = folder / "body"
    body.write_bytes(small.body)
    headers = ", ".join(f"[{_lua(name)}] = {_lua(value)}" for name, value in target.headers.items())
    if small.method != "GET":
        media_type = "application/json" if small.json else "application/octet-stream"
        headers += f', ["Content-Type"] = "{media_type}"'
    names = ", ".join(_lua(name) for name in small.names)
    headers = headers.lstrip(", ")
    return (
        f"plan = {{ method = {_lua(small.method)}, path = {_lua(small.path)}, expect = {small.expect},\n"
        f"  body_file = {_lua(str(body))}, prefix = {_lua(small.prefix)}, headers = {{ {headers} }},\n"
        f"  names = {{ {names} }}, json = {str(small.json).lower()}, refusal = {_lua(small.refusal)} }}\n"
    ) + WRK_SCRIPT.read_text()


def _lua(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
