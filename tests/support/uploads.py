"""Uploads step by step, as a data port has metadata make them."""

from __future__ import annotations

from runtime.identity import Identity
from services.metadata.domain.commits import Commit
from services.metadata.domain.locations import Upload
from services.metadata.domain.records import File
from services.metadata.domain.uploads import UploadPlan, UploadRequest
from tests.support.metadata import ALICE, SERVICE, STORAGE, World, fresh_id, ref


async def begin(world: World, *path: str, who: Identity = ALICE, **fields: object) -> UploadPlan:
    values = {"request_id": fresh_id(), "replaces": True, "create": True, **fields}
    return await world.rules.uploads.begin(who, UploadRequest(ref=ref(*path), **values))


async def commit(
    world: World, plan: UploadPlan, upload: Upload, who: Identity = ALICE, **fields: object
) -> File:
    values = {"create": plan.file is None, **fields}
    asked = Commit(plan.space_id, plan.file_id, plan.parent_id, plan.name, upload=upload, **values)
    return (await world.rules.commits.commit(who, asked))[0]


def whole(size_bytes: int, storage_file_id: str, request_id: str = "") -> Upload:
    return Upload(request_id, True, STORAGE, storage_file_id if size_bytes else "", 0, size_bytes)


def part(offset: int, size_bytes: int, storage_file_id: str, request_id: str = "") -> Upload:
    return Upload(request_id, False, STORAGE, storage_file_id, offset, size_bytes)


async def removals(world: World) -> set[str]:
    world.clock.advance(120)
    listed = await world.rules.removals.list(SERVICE, {STORAGE}, 1000)
    return {removal.storage_file_id for removal in listed}


async def current(world: World, *path: str) -> str:
    _, location = await world.rules.uploads.locate(ALICE, ref(*path))
    return location.storage_file_id if location else ""
