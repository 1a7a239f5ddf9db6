"""Local files and trees to a space.

A file up to `Options.resumable_bytes` is one request: all or nothing. A larger one is written piece by
piece to a hidden neighbour named after the version of its source, and moved to its name when whole; what
was stored before an interruption is not sent again.
"""

from __future__ import annotations

import mimetypes
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from clients.cli.transfer import SourceChanged, Transfer, part_name, pieces
from clients.http_api import ClientError, RefusedError
from clients.rest import FileInfo, split_path


class Uploads(Transfer):
    """Copies to a provider."""

    def put(self, sources: list[str], target: str) -> None:
        """Copies each source to `target`: into it when it is a directory, else under that name."""
        into = target.endswith("/") or len(sources) > 1 or self._is_directory(target)
        self.run_all(job for source in sources for job in self._jobs(source, target, into))

    def _is_directory(self, target: str) -> bool:
        try:
            return self.provider.stat(self.provider.lookup(target)).is_directory
        except RefusedError as error:
            if error.missing:
                return False
            raise

    def _jobs(self, source: str, target: str, into: bool) -> Iterator[tuple[str, Callable[[], None]]]:
        if source == "-":
            if into:
                raise ClientError("give a file name to write standard input to")
            yield "-", lambda: self._stream(sys.stdin.buffer, target)
            return
        path = Path(source)
        named = "/".join(split_path(target))
        if into:
            named = f"{named}/{_name(path.resolve())}"
        if path.is_dir():
            if not self.options.recursive:
                raise ClientError(f"{source} is a directory: give --recursive to copy it")
            yield from self._tree(path, named)
        else:
            self._expect(path.stat().st_size)
            self.provider.make_directories(named.rpartition("/")[0])
            yield source, lambda: self.file(path, named)

    def _tree(self, root: Path, target: str) -> Iterator[tuple[str, Callable[[], None]]]:
        """Directories are made before what is in them; links and devices are left out and said so."""
        self.provider.make_directories(target)
        pending = [(root, target)]
        while pending:
            directory, remote = pending.pop()
            known = self._known(remote)
            for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
                path = Path(entry.path)
                named = f"{remote}/{_name(path)}"
                if entry.is_dir(follow_symlinks=False):
                    self.provider.make_directories(named)
                    self.outcome.count(directories=1)
                    pending.append((path, named))
                elif not entry.is_file(follow_symlinks=False):
                    self.outcome.count(skipped=1)
                    self.progress.note(f"{path} is no regular file: left out")
                elif self._unchanged(path, known.get(entry.name)):
                    self.outcome.count(unchanged=1)
                else:
                    self._expect(entry.stat().st_size)
                    yield entry.path, lambda path=path, named=named: self.file(path, named)  # type: ignore[misc]

    def _known(self, remote: str) -> dict[str, FileInfo]:
        if not self.options.update:
            return {}
        return {entry.name: entry for entry in self.provider.children(self.provider.lookup(remote))}

    def _unchanged(self, path: Path, there: FileInfo | None) -> bool:
        if there is None or there.type != "REG":
            return False
        here = path.stat()
        return there.size_bytes == here.st_size and there.mtime_s >= int(here.st_mtime)

    def _expect(self, size_bytes: int) -> None:
        self.progress.expect(size_bytes)

    def file(self, path: Path, target: str) -> None:
        """Copies one file to a path whose parent exists."""
        before = path.stat()
        if before.st_size > self.options.resumable_bytes and self.options.resume:
            self._in_pieces(path, target, before)
        else:
            self.retried(str(path), lambda: self._at_once(path, target, before.st_size))
        after = path.stat()
        if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise SourceChanged(f"{path} was changed while it was read: copy it again")
        if self.options.verify:
            self.check_same(path, self.provider.lookup(target))
        self.outcome.count(files=1, size_bytes=before.st_size)

    def _at_once(self, path: Path, target: str, size_bytes: int) -> None:
        sent = 0

        def moved(count: int) -> None:
            nonlocal sent
            sent += count
            self.progress.advance(count)

        try:
            with open(path, "rb") as source:
                body = pieces(source, size_bytes, moved)
                self.provider.upload(target, body, size_bytes=size_bytes, mimetype=_mimetype(path))
        except ClientError:
            self.progress.advance(-sent)
            raise

    def _stream(self, source: BinaryIO, target: str) -> None:
        self.provider.make_directories(target.rpartition("/")[0])
        size = 0

        def moved(count: int) -> None:
            nonlocal size
            size += count
            self.progress.advance(count)

        self.provider.upload(target, pieces(source, None, moved))
        self.outcome.count(files=1, size_bytes=size)

    def _in_pieces(self, path: Path, target: str, source: os.stat_result) -> None:
        parent, _, name = target.rpartition("/")
        hidden = part_name(name, name, source.st_size, source.st_mtime_ns, source.st_ino)
        parent_id = self.provider.lookup(parent)
        file_id, offset = self._continue(parent_id, f"{parent}/{hidden}", hidden, source.st_size)
        self.outcome.count(resumed_bytes=offset)
        self.progress.advance(offset)
        step = self.options.resumable_bytes
        for start in range(offset, source.st_size, step):
            size = min(step, source.st_size - start)
            self.retried(
                str(path),
                lambda start=start, size=size: self._piece(path, file_id, start, size),  # type: ignore[misc]
            )
        stored = self.provider.stat(file_id).size_bytes
        if stored != source.st_size:
            raise ClientError(f"{path}: {stored} of {source.st_size} bytes were stored")
        self.provider.move(f"{parent}/{hidden}", target, directory=False)

    def _continue(self, parent_id: str, hidden_path: str, hidden: str, size_bytes: int) -> tuple[str, int]:
        """Id of the unfinished copy and how much of it is stored already."""
        try:
            found = self.provider.stat(self.provider.lookup(hidden_path))
            return found.file_id, min(found.size_bytes, size_bytes)
        except RefusedError as error:
            if not error.missing:
                raise
        return self.provider.create(parent_id, hidden), 0

    def _piece(self, path: Path, file_id: str, offset: int, size_bytes: int) -> None:
        with open(path, "rb") as source:
            source.seek(offset)
            body = pieces(source, size_bytes)
            self.provider.write_at(file_id, offset, body, size_bytes=size_bytes)
        self.progress.advance(size_bytes)


def _name(path: Path) -> str:
    try:
        path.name.encode()
    except UnicodeEncodeError as error:
        raise ClientError(f"{path.name!a} is no UTF-8: give the file another name") from error
    return path.name


def _mimetype(path: Path) -> str:
    kind, encoding = mimetypes.guess_type(path.name)
    return kind if kind and not encoding else "application/octet-stream"
