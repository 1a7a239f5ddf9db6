"""Clients that read and write while instances are killed, and that remember what they were promised.

A client sends every request once, on a connection that is kept open between requests. It never repeats a
request and never looks away: an answer of 400 and above, a broken connection or other bytes than those
last acknowledged is a failed request.

Sizes are what an instance may die under unnoticed: a body up to 1 MiB is kept by Envoy and sent to another
instance, an answer up to 64 KiB leaves in one piece. A larger transfer that is under way in the instance that
dies breaks; its client goes on with a range, as `isthmus put` and `isthmus get` do.
"""

from __future__ import annotations

import hashlib
import itertools
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from clients.http_api import ClientError
from clients.rest import ProviderClient

SMALL_BYTES = 4096
LARGE_BYTES = 512 << 10
READ_BYTES = 48 << 10
#: One write in so many is a large one.
LARGE_EVERY = 20
FILES_PER_CLIENT = 40
MAX_FAILURES_SHOWN = 10


@dataclass
class Tally:
    """What all clients together saw. `promised`: digest of the last acknowledged content by path."""

    requests: int = 0
    writes: int = 0
    failures: list[str] = field(default_factory=list)
    failed: int = 0
    slowest_s: float = 0.0
    promised: dict[str, bytes] = field(default_factory=dict)
    uncertain: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def done(self, duration_s: float) -> None:
        """A request was answered as it should be."""
        with self._lock:
            self.requests += 1
            self.slowest_s = max(self.slowest_s, duration_s)

    def fail(self, what: str) -> None:
        """A request was not."""
        with self._lock:
            self.requests += 1
            self.failed += 1
            if len(self.failures) < MAX_FAILURES_SHOWN:
                self.failures.append(what)

    def promise(self, path: str, content: bytes) -> None:
        """A write was acknowledged."""
        with self._lock:
            self.writes += 1
            self.promised[path] = hashlib.sha256(content).digest()
            self.uncertain.discard(path)


class Client(threading.Thread):
    """One client with files of its own below `folder`."""

    def __init__(
        self,
        number: int,
        connect: Callable[[], ProviderClient],
        folder: str,
        tally: Tally,
        over: threading.Event,
    ) -> None:
        super().__init__(name=f"client-{number}", daemon=True)
        self._connect = connect
        self._folder = f"{folder}/client-{number}"
        self._tally = tally
        self._over = over
        self._random = random.Random(number)
        self._ids: dict[str, str] = {}
        self._sizes: dict[str, int] = {}

    def run(self) -> None:
        """Reads and writes until told to stop."""
        with self._connect() as provider:
            for turn in itertools.count():
                if self._over.is_set():
                    return
                self._turn(provider, turn)

    def _turn(self, provider: ProviderClient, turn: int) -> None:
        path = f"{self._folder}/file-{turn % FILES_PER_CLIENT}"
        size = LARGE_BYTES if turn % LARGE_EVERY == 0 else SMALL_BYTES
        content = self._random.randbytes(size)
        if self._try(f"PUT {path}", lambda: self._write(provider, path, content)):
            self._tally.promise(path, content)
        else:
            self._tally.uncertain.add(path)
        known = self._random.choice(list(self._ids) or [path])
        self._try(f"lookup of {known}", lambda: self._find(provider, known))
        self._read_all(provider, known)
        self._try(f"attributes of {known}", lambda: self._look(provider, known))

    def _try(self, what: str, action: Callable[[], None]) -> bool:
        started = time.monotonic()
        try:
            action()
        except (ClientError, KeyError) as error:
            self._tally.fail(f"{what}: {error}")
            return False
        self._tally.done(time.monotonic() - started)
        return True

    def _write(self, provider: ProviderClient, path: str, content: bytes) -> None:
        provider.upload(path, content, size_bytes=len(content))
        self._ids.setdefault(path, "")
        self._sizes[path] = len(content)

    def _find(self, provider: ProviderClient, path: str) -> None:
        self._ids[path] = provider.lookup(path)

    def _read_all(self, provider: ProviderClient, path: str) -> None:
        """One request for each piece, then the whole is compared with what was promised."""
        pieces: list[bytes] = []
        size = self._sizes.get(path, 0)
        for offset in range(0, size, READ_BYTES):
            what = f"GET {path} from {offset}"
            if not self._try(what, lambda at=offset: pieces.append(self._read(provider, path, at))):  # type: ignore[misc]
                return
        known = path not in self._tally.uncertain and path in self._tally.promised
        if known and hashlib.sha256(b"".join(pieces)).digest() != self._tally.promised[path]:
            self._tally.fail(f"GET {path}: other bytes than were acknowledged")

    def _read(self, provider: ProviderClient, path: str, offset: int) -> bytes:
        return provider.read_range(self._ids[path], offset, READ_BYTES)

    def _look(self, provider: ProviderClient, path: str) -> None:
        entry = provider.stat(self._ids[path])
        if entry.name != path.rpartition("/")[2]:
            raise ClientError(f"the file is called {entry.name}")


def lost_writes(provider: ProviderClient, tally: Tally) -> list[str]:
    """Paths whose acknowledged content is not there. What was never acknowledged may be either way."""
    lost = []
    for path, promised in sorted(tally.promised.items()):
        if path in tally.uncertain:
            continue
        try:
            with provider.download(provider.lookup(path)) as download:
                digest = hashlib.sha256()
                for piece in download.pieces:
                    digest.update(piece)
        except ClientError as error:
            lost.append(f"{path}: {error}")
            continue
        if digest.digest() != promised:
            lost.append(f"{path}: other bytes")
    return lost


def sha256_of(path: Path) -> bytes:
    """Digest of a local file."""
    with open(path, "rb") as source:
        return hashlib.file_digest(source, "sha256").digest()
