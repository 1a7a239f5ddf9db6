"""Whole instances of the metadata service in this process, on real MongoDB and Consul, and a client."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from isthmus.metadata.v1 import contents_pb2, files_pb2, spaces_pb2

from clients.metadata import MetadataClient
from runtime.auth import ClusterKey, as_caller
from runtime.discovery import Watch
from runtime.identity import Identity
from runtime.process import Part
from runtime.rpc.mux import MuxClient
from services.metadata.config import Settings
from services.metadata.wiring import build
from tests.support.metadata import ALICE, PROVIDER, SPACE, STORAGE, fresh_id
from tests.support.waiting import until


@dataclass
class Provider:
    """Where the instances of one test meet."""

    folder: Path
    mongo_url: str
    database: str
    consul_url: str
    key: ClusterKey
    service: str

    @classmethod
    def make(cls, folder: Path, mongo_url: str, database: str, consul_url: str) -> Provider:
        """With a key and a service name of its own."""
        key = ClusterKey.generate(folder / "cluster.key")
        return cls(folder, mongo_url, database, consul_url, key, f"metadata-{secrets.token_hex(4)}")

    def settings(self, instance_id: str) -> Settings:
        """Settings of one instance."""

        class Here(Settings):
            service_name: ClassVar[str] = self.service

        return Here(
            instance_id=f"{self.service}-{instance_id}",
            consul_url=self.consul_url,
            cluster_key_file=self.folder / "cluster.key",
            mongo_url=self.mongo_url,
            mongo_database=self.database,
            provider_id=PROVIDER,
            trash_retention_s=0,
            drain_s=0,
        )

    @contextlib.asynccontextmanager
    async def instance(self, instance_id: str = "1") -> AsyncIterator[None]:
        """One instance, registered and serving."""
        started: list[Part] = []
        try:
            for part in await build(self.settings(instance_id)):
                started.append(part)
                await part.start()
            yield
        finally:
            for part in reversed(started):
                await part.stop()

    @contextlib.asynccontextmanager
    async def client(self, *, instances: int = 1) -> AsyncIterator[Client]:
        """A client that knows so many instances."""
        watch = Watch(self.consul_url, self.service)
        mux = MuxClient(watch, self.key, service="tests")
        await watch.start()
        await mux.start()
        try:
            await until(lambda: sum(each.healthy for each in watch.instances) >= instances)
            yield Client(MetadataClient(mux), self.key, watch)
        finally:
            await mux.stop()
            await watch.stop()


@dataclass
class Client:
    """The service as other services call it, for any user."""

    api: MetadataClient
    key: ClusterKey
    watch: Watch

    @contextlib.contextmanager
    def as_user(self, who: Identity = ALICE) -> Iterator[None]:
        """Calls inside are made for this user."""
        with as_caller(who, self.key.sign(who)):
            yield

    async def ensure_space(self, quota_bytes: int = 10**9) -> None:
        """Supports the space."""
        await self.api.ensure_space(spaces_pb2.EnsureSpaceRequest(space_id=SPACE, quota_bytes=quota_bytes))

    async def used_bytes(self) -> int:
        """What the quota says is used."""
        response = await self.api.get_space_usage(spaces_pb2.GetSpaceUsageRequest(space_id=SPACE))
        return int(response.usage.used_bytes)

    async def create(
        self, *path: str, type: int = files_pb2.FILE_TYPE_REGULAR, parents: bool = False
    ) -> files_pb2.File:
        """A new file or directory."""
        request = files_pb2.CreateFileRequest(
            request_id=fresh_id(),
            parent=a_ref(*path[:-1]),
            name=path[-1],
            type=files_pb2.FileType.ValueType(type),
            create_parents=parents,
        )
        return (await self.api.create_file(request)).file

    async def mkdir(self, *path: str) -> files_pb2.File:
        """A new directory."""
        return await self.create(*path, type=files_pb2.FILE_TYPE_DIRECTORY)

    async def link_over(self, *path: str, target_id: str = "", text: str = "") -> files_pb2.File:
        """A hard link to the file, or a symbolic link with the text, in the place of what has the name."""
        kind = files_pb2.FILE_TYPE_SYMLINK if text else files_pb2.FILE_TYPE_REGULAR
        request = files_pb2.CreateFileRequest(
            request_id=fresh_id(),
            parent=a_ref(*path[:-1]),
            name=path[-1],
            type=kind,
            symlink_target=text,
            hard_link_target_id=target_id,
            update_existing=True,
        )
        return (await self.api.create_file(request)).file

    async def get(self, *path: str) -> files_pb2.File:
        """A file by path."""
        return (await self.api.get_file(files_pb2.GetFileRequest(file=a_ref(*path)))).file

    async def delete(self, *path: str) -> None:
        """Away with it."""
        await self.api.delete_file(files_pb2.DeleteFileRequest(request_id=fresh_id(), file=a_ref(*path)))

    async def rename(self, source: str, target: str) -> None:
        """Moves by paths with slashes."""
        *parent, name = target.split("/")
        request = files_pb2.RenameFileRequest(
            request_id=fresh_id(),
            source=a_ref(*source.split("/")),
            target_parent=a_ref(*parent),
            target_name=name,
        )
        await self.api.rename_file(request)

    async def names(self, *path: str, page_size: int = 100) -> list[str]:
        """All names of a directory, page by page."""
        names: list[str] = []
        token = ""
        while True:
            page = await self.api.list_children(
                files_pb2.ListChildrenRequest(
                    directory=a_ref(*path), page_size=page_size, page_token=token, inclusive=True
                )
            )
            names += page.columns.name
            if page.is_last:
                return names
            token = page.next_page_token

    async def put(self, *path: str, size_bytes: int, offset: int | None = None) -> files_pb2.File:
        """What a data port does for an upload."""
        request_id = fresh_id()
        mode = contents_pb2.UPLOAD_MODE_REPLACE if offset is None else contents_pb2.UPLOAD_MODE_PATCH
        plan = await self.api.begin_upload(
            contents_pb2.BeginUploadRequest(
                request_id=request_id, file=a_ref(*path), mode=mode, create=True, size_bytes=size_bytes
            )
        )
        current = plan.location.storage_file_id or f"/first/{plan.file_id}"
        commit = contents_pb2.CommitUploadRequest(
            request_id=request_id,
            space_id=plan.space_id,
            file_id=plan.file_id,
            parent_id=plan.parent_id,
            name=plan.name,
            create=not plan.exists,
            mode=mode,
            storage_id=STORAGE,
            storage_file_id=fresh_id("/whole") if offset is None else current,
            offset=offset or 0,
            size_bytes=size_bytes,
        )
        return (await self.api.commit_upload(commit)).file


def a_ref(*path: str) -> files_pb2.FileRef:
    """A path below the directory of the space."""
    return files_pb2.FileRef(space_id=SPACE, path=path)
