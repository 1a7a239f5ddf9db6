"""Records that the contracts of metadata stores are tried with."""

from __future__ import annotations

from dataclasses import replace

from services.metadata.domain.download_books import Download
from services.metadata.domain.locations import Location, Upload
from services.metadata.domain.records import (
    File,
    FileType,
    new_root,
    root_id,
    trashed_from,
)
from services.metadata.domain.stores import Intent

SPACE = "space1"
PROVIDER = "provider1"
ROOT = root_id(SPACE)


def a_file(file_id: str, name: str = "", parent_id: str = ROOT, **fields: object) -> File:
    return replace(
        new_root(SPACE, PROVIDER, 1000),
        **{
            "file_id": file_id,
            "parent_id": parent_id,
            "name": name or file_id,
            "type": FileType.REGULAR,
            "mode": 0o664,
            "owner_id": "alice",
            **fields,
        },
    )


def a_directory(file_id: str, name: str = "", parent_id: str = ROOT, **fields: object) -> File:
    return a_file(file_id, name, parent_id, type=FileType.DIRECTORY, **fields)


def a_trashed(directory: File, due_ms: int, op_id: str = "") -> File:
    return trashed_from(directory, by="alice", now_ms=0, due_ms=due_ms, op_id=op_id)


def a_location(file_id: str, **fields: object) -> Location:
    upload = Upload(f"op-{file_id}", True, "s1", f"/{file_id}", 0, 100)
    placed = Location(file_id, SPACE, PROVIDER).applied(upload, 1000)
    return replace(placed, revision=1, **fields)


def an_intent(request_id: str, **fields: object) -> Intent:
    return replace(Intent(request_id, SPACE, "f", "s1", f"/{request_id}", True, 1000), **fields)


def a_download(key: str) -> Download:
    return Download(key, SPACE, "d", "name", b"who", expires_ms=2000, share_id="sh")
