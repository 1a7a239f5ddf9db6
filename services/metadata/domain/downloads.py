"""Codes with which whole directories are downloaded, once, without a token."""

from __future__ import annotations

import hashlib
import secrets

from runtime.clock import Clock
from runtime.errors import NotADirectory, NotFound
from runtime.identity import Identity

from . import permissions
from .download_books import Download, DownloadMark, DownloadStore
from .paths import FileRef, Paths
from .quotas import require_insider

#: A code that nobody has used for so long is forgotten.
UNUSED_LIFE_MS = 15 * 60 * 1000
#: A download that nothing was noted of for so long can't be resumed any more.
STARTED_LIFE_MS = 60 * 60 * 1000
#: Marks kept of a download, the latest ones.
MAX_MARKS = 8
_CODE_BYTES = 24


class DownloadCodeUnknown(NotFound):
    """No download can be made with this code."""

    reason = "DOWNLOAD_CODE_UNKNOWN"


class Downloads:
    """Makes codes, and lets each be used once."""

    def __init__(self, store: DownloadStore, paths: Paths, clock: Clock) -> None:
        self._store = store
        self._paths = paths
        self._clock = clock

    async def create(
        self, identity: Identity, signed_identity: bytes, ref: FileRef, *, space_name: str
    ) -> str:
        """A code for a directory the caller may list."""
        found = await self._paths.resolve(identity, ref)
        file = found.file
        if not file.is_directory:
            raise NotADirectory(file_id=file.file_id)
        permissions.require(identity, found.chain, permissions.LIST | permissions.TRAVERSE, found.reach)
        code = secrets.token_hex(_CODE_BYTES)
        download = Download(
            key=_key(code),
            space_id=file.space_id,
            file_id=file.file_id,
            name=space_name if file.is_root else file.name,
            identity=signed_identity,
            expires_ms=self._clock.now_ms() + UNUSED_LIFE_MS,
            share_id=ref.share_id,
        )
        await self._store.insert(download)
        return code

    async def start(self, identity: Identity, code: str, request_id: str, *, resume: bool) -> Download:
        """Begins a download or goes on with it. Raises `DownloadCodeUnknown`."""
        require_insider(identity)
        now_ms = self._clock.now_ms()
        download = await self._store.start(
            _key(code),
            request_id=request_id,
            resume=resume,
            now_ms=now_ms,
            expires_ms=now_ms + STARTED_LIFE_MS,
        )
        if download is None:
            raise DownloadCodeUnknown
        return download

    async def note(self, identity: Identity, code: str, mark: DownloadMark) -> None:
        """Remembers how far a download has come."""
        require_insider(identity)
        expires_ms = self._clock.now_ms() + STARTED_LIFE_MS
        await self._store.note(_key(code), mark, keep=MAX_MARKS, expires_ms=expires_ms)


def _key(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "surrogateescape")).hexdigest()
