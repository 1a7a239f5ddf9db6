"""Files and trees of a space to local ones.

Bytes gather in a hidden neighbour named after the version of the remote file, which takes its name
when whole; after an interruption the next run asks for the rest with a Range.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from clients.cli.transfer import PIECE_BYTES, SourceChanged, Transfer, is_part_of, part_name
from clients.http_api import ClientError
from clients.rest import FileInfo, split_path

#: Below this a part is not worth finding again.
SMALL_BYTES = 4 << 20
MAX_RESTARTS = 3


class Downloads(Transfer):
    """Copies from a provider."""

    def get(self, sources: list[str], target: str) -> None:
        """Copies each remote path to `target`: into it when it is a directory, else under that name."""
        into = target.endswith("/") or len(sources) > 1 or Path(target).is_dir()
        self.run_all(job for source in sources for job in self._jobs(source, target, into))

    def _jobs(self, source: str, target: str, into: bool) -> Iterator[tuple[str, Callable[[], None]]]:
        entry = self.provider.stat(self.provider.lookup(source))
        if target == "-":
            yield source, lambda: self._stream(entry)
            return
        path = Path(target) / split_path(source)[-1] if into else Path(target)
        if entry.is_directory:
            if not self.options.recursive:
                raise ClientError(f"{source} is a directory: give --recursive to copy it")
            yield from self._tree(entry, path)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.progress.expect(entry.size_bytes)
            yield source, lambda: self.file(entry, path)

    def _tree(self, root: FileInfo, target: Path) -> Iterator[tuple[str, Callable[[], None]]]:
        pending = [(root, target)]
        while pending:
            directory, path = pending.pop()
            path.mkdir(parents=True, exist_ok=True)
            for entry in self.provider.children(directory.file_id):
                local = path / _safe(entry.name)
                if entry.is_directory:
                    self.outcome.count(directories=1)
                    pending.append((entry, local))
                elif entry.type != "REG":
                    self.outcome.count(skipped=1)
                    self.progress.note(f"{local} would be a link: left out")
                elif self._unchanged(entry, local):
                    self.outcome.count(unchanged=1)
                else:
                    self.progress.expect(entry.size_bytes)
                    yield str(local), lambda entry=entry, local=local: self.file(entry, local)  # type: ignore[misc]

    def _unchanged(self, entry: FileInfo, local: Path) -> bool:
        if not self.options.update:
            return False
        try:
            here = local.stat()
        except FileNotFoundError:
            return False
        return here.st_size == entry.size_bytes and int(here.st_mtime) >= entry.mtime_s

    def file(self, entry: FileInfo, target: Path) -> None:
        """Copies one file. An older local file stays as it is until the new one is whole."""
        part = self.retried(entry.name, lambda: self._whole_part(entry, target))
        size = part.stat().st_size
        if self.options.verify:
            self.check_same(part, entry.file_id)
        part.replace(target)
        self.outcome.count(files=1, size_bytes=size)

    def _whole_part(self, entry: FileInfo, target: Path) -> Path:
        for _ in range(MAX_RESTARTS):
            try:
                if entry.size_bytes > SMALL_BYTES and self.options.resume:
                    return self._resumable(entry, target)
                part = target.with_name(part_name(target.name, entry.file_id, os.getpid()))
                try:
                    self._receive(entry, part, 0, tag="")
                except ClientError:
                    part.unlink(missing_ok=True)
                    raise
                return part
            except SourceChanged as change:
                self.progress.note(f"{entry.name}: {change}; beginning again")
        raise SourceChanged(f"{entry.name} was changed {MAX_RESTARTS} times while it was read")

    def _resumable(self, entry: FileInfo, target: Path) -> Path:
        version = self.provider.version(entry.file_id)
        part = target.with_name(part_name(target.name, entry.file_id, version.size_bytes, version.tag))
        for other in target.parent.iterdir():
            if other != part and is_part_of(other.name, target.name):
                other.unlink(missing_ok=True)
        offset = part.stat().st_size if part.exists() else 0
        if offset > version.size_bytes:
            part.unlink()
            offset = 0
        self.outcome.count(resumed_bytes=offset)
        if offset < version.size_bytes or not part.exists():
            self._receive(entry, part, offset, tag=version.tag)
        else:
            self.progress.advance(offset)
        return part

    def _receive(self, entry: FileInfo, part: Path, offset: int, *, tag: str) -> None:
        """Appends to `part` what is missing. SourceChanged when it is not of one version."""
        moved = offset
        self.progress.advance(offset)
        try:
            with self.provider.download(entry.file_id, offset=offset, piece_bytes=PIECE_BYTES) as download:
                if download.offset != offset or (tag and download.version.tag != tag):
                    raise SourceChanged("it was changed meanwhile")
                with open(part, "ab" if offset else "wb") as sink:
                    for piece in download.pieces:
                        sink.write(piece)
                        moved += len(piece)
                        self.progress.advance(len(piece))
            if moved != download.version.size_bytes:
                raise ClientError(f"{entry.name}: {moved} of {download.version.size_bytes} bytes came")
        except ClientError:
            self.progress.advance(-moved)
            raise

    def _stream(self, entry: FileInfo) -> None:
        size = 0
        self.progress.expect(entry.size_bytes)
        with self.provider.download(entry.file_id) as download:
            for piece in download.pieces:
                sys.stdout.buffer.write(piece)
                size += len(piece)
                self.progress.advance(len(piece))
        sys.stdout.buffer.flush()
        self.outcome.count(files=1, size_bytes=size)


def _safe(name: str) -> str:
    """A name as a local one: a server must not make us write elsewhere."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ClientError(f"the server listed an impossible name: {name!a}")
    return name
