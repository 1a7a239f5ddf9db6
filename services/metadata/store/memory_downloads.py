"""Download codes in memory."""

from __future__ import annotations

from dataclasses import replace

from services.metadata.domain.download_books import Download, DownloadMark


class MemoryDownloadStore:
    """Download codes in a dictionary."""

    def __init__(self) -> None:
        self._downloads: dict[str, Download] = {}

    async def insert(self, download: Download) -> None:
        self._downloads[download.key] = download

    async def start(
        self, key: str, *, request_id: str, resume: bool, now_ms: int, expires_ms: int
    ) -> Download | None:
        download = self._downloads.get(key)
        if download is None or download.expires_ms <= now_ms:
            return None
        if not download.started_by:
            download = replace(download, started_by=request_id, started_ms=now_ms)
        elif not resume and download.started_by != request_id:
            return None
        self._downloads[key] = replace(download, expires_ms=expires_ms)
        return self._downloads[key]

    async def note(self, key: str, mark: DownloadMark, *, keep: int, expires_ms: int) -> None:
        download = self._downloads.get(key)
        if download is not None:
            marks = sorted((*download.marks, mark), key=lambda each: each.offset)[-keep:]
            self._downloads[key] = replace(download, marks=tuple(marks), expires_ms=expires_ms)
