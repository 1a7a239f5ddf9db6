"""What uploads and downloads have in common: options, bounded parallel work, retries, the sum of it all."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

from clients.cli.output import error_json
from clients.http_api import ClientError, UnreachableError
from clients.rest import ProviderClient

T = TypeVar("T")

PIECE_BYTES = 1 << 20
#: Files above this are moved in resumable form.
RESUMABLE_BYTES = 64 << 20
MAX_FAILURES_KEPT = 100
MAX_NAME_BYTES = 255


@dataclass(frozen=True, slots=True)
class Options:
    """How to transfer. `retries` are those after an answer that never came; each is announced."""

    recursive: bool = False
    update: bool = False
    verify: bool = False
    resume: bool = True
    parallel: int = 4
    retries: int = 3
    retry_wait_s: float = 1.0
    resumable_bytes: int = RESUMABLE_BYTES


class Progress(Protocol):
    """Where bytes are reported to while they move. Called from several threads."""

    def expect(self, size_bytes: int) -> None:
        """More bytes will come; negative when they will not after all."""

    def advance(self, size_bytes: int) -> None:
        """Bytes have moved."""

    def note(self, text: str) -> None:
        """Something worth a line."""


class SourceChanged(ClientError):
    """The file was changed by somebody while it was being read."""


@dataclass
class Outcome:
    """What a transfer did. Counters are those of finished files."""

    files: int = 0
    directories: int = 0
    size_bytes: int = 0
    resumed_bytes: int = 0
    unchanged: int = 0
    skipped: int = 0
    failed: int = 0
    failures: list[dict[str, Any]] = field(default_factory=list)
    unreachable: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, **amounts: int) -> None:
        """Adds to counters by name."""
        with self._lock:
            for name, amount in amounts.items():
                setattr(self, name, getattr(self, name) + amount)

    def fail(self, path: str, error: Exception) -> None:
        """Remembers a file that could not be transferred."""
        with self._lock:
            self.failed += 1
            self.unreachable = self.unreachable or isinstance(error, UnreachableError)
            if len(self.failures) < MAX_FAILURES_KEPT:
                self.failures.append({"path": path, "error": error_json(error)})


class Transfer:
    """Base of `Uploads` and `Downloads`: one instance does one command."""

    def __init__(self, provider: ProviderClient, progress: Progress, options: Options) -> None:
        self.provider = provider
        self.progress = progress
        self.options = options
        self.outcome = Outcome()

    def run_all(self, jobs: Iterator[tuple[str, Callable[[], None]]]) -> None:
        """Runs jobs side by side, a bounded number ahead. A server that is away ends it, a refusal not."""
        slots = threading.Semaphore(self.options.parallel * 2)

        def run(path: str, job: Callable[[], None]) -> None:
            try:
                if not self.outcome.unreachable:
                    job()
            except (ClientError, OSError) as error:
                self.outcome.fail(path, error)
            finally:
                slots.release()

        with ThreadPoolExecutor(self.options.parallel, thread_name_prefix="transfer") as pool:
            for path, job in jobs:
                slots.acquire()
                if self.outcome.unreachable:
                    slots.release()
                    return
                pool.submit(run, path, job)

    def retried(self, what: str, attempt: Callable[[], T]) -> T:
        """The result of `attempt`, tried again after a while when no answer came."""
        for number in range(self.options.retries + 1):
            try:
                return attempt()
            except UnreachableError as error:
                if number == self.options.retries:
                    raise
                wait_s = self.options.retry_wait_s * 2**number
                self.progress.note(f"{what}: {error}; trying again in {wait_s:g} s")
                time.sleep(wait_s)
        raise AssertionError("the loop above returns or raises")

    def check_same(self, local: Path, file_id: str) -> None:
        """Reads both sides and compares SHA-256; ClientError when they differ."""
        here, there = hashlib.sha256(), hashlib.sha256()
        with open(local, "rb") as source:
            for piece in pieces(source):
                here.update(piece)
        with self.provider.download(file_id) as download:
            for piece in download.pieces:
                there.update(piece)
        if here.digest() != there.digest():
            raise ClientError(f"{local}: SHA-256 is {here.hexdigest()} here and {there.hexdigest()} there")


def pieces(
    source: BinaryIO, size_bytes: int | None = None, moved: Callable[[int], None] | None = None
) -> Iterator[bytes]:
    """The next `size_bytes` of a file, or all, in bounded pieces. SourceChanged when it ends too early."""
    left = size_bytes
    while left is None or left > 0:
        piece = source.read(PIECE_BYTES if left is None else min(PIECE_BYTES, left))
        if not piece:
            if left:
                raise SourceChanged(f"{source.name} became shorter while it was read")
            return
        if left is not None:
            left -= len(piece)
        yield piece
        if moved:
            moved(len(piece))


def part_name(name: str, *identity: object) -> str:
    """Name of the unfinished copy of one version of a file: another version never continues it."""
    tag = hashlib.sha256("\0".join(map(str, identity)).encode()).hexdigest()[:16]
    room = MAX_NAME_BYTES - len(f"..{tag}.part")
    return f".{name.encode()[:room].decode(errors='ignore')}.{tag}.part"


def is_part_of(candidate: str, name: str) -> bool:
    """Whether a name is that of an unfinished copy of some version of `name`."""
    tag_length = len(".0123456789abcdef.part")
    return candidate[:-tag_length] == part_name(name, "")[:-tag_length] and candidate.endswith(".part")
