"""Metadata's walks and download codes in memory, over the flat directory of `ContentsTwin`."""

from __future__ import annotations

import secrets
from dataclasses import replace

from runtime.auth import caller_blob
from runtime.http.errors import ApiError
from services.storage_router.domain.archives import Download, Entry, EntryPage, Mark
from services.storage_router.domain.contents import File, FileKind, FileRef, Located, Location
from tests.support.contents_twin import ContentsTwin


class DirectoriesTwin:
    """`Directories`: one directory, all that the twin holds, in pages of `page_size`."""

    def __init__(self, contents: ContentsTwin, *, page_size: int = 3) -> None:
        self._contents = contents
        self.page_size = page_size
        self.downloads: dict[str, Download] = {}
        self.started: dict[str, str] = {}

    async def offer(self, directory: FileRef) -> str:
        code = secrets.token_hex(8)
        self.downloads[code] = Download(code, directory, "root", caller_blob(), started_ms=1 << 50)
        return code

    async def start(self, code: str, *, request_id: str, resume: bool) -> Download:
        known = self.started.get(code, request_id) == request_id
        if code not in self.downloads or not (known or resume):
            raise ApiError("badValueIdNotFound", {"key": "code"})
        self.started.setdefault(code, request_id)
        return self.downloads[code]

    async def note(self, code: str, mark: Mark) -> None:
        download = self.downloads[code]
        self.downloads[code] = replace(download, marks=[*download.marks, mark])

    async def page(self, directory: FileRef, token: str) -> EntryPage:
        root = File("root", directory.space_id, kind=FileKind.DIRECTORY, mode=0o775)
        entries = [Entry(".", Located(root, Location()))]
        entries += [
            Entry(file.name, Located(file, location))
            for file, location in sorted(self._contents.files.values(), key=lambda item: item[0].name)
            if file.file_id not in self._contents.denied
        ]
        first = int(token or "0")
        last = first + self.page_size
        return EntryPage(entries[first:last], str(last) if last < len(entries) else "")
