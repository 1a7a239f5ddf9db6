"""Digests of contents are those of the content there is, or none."""

from __future__ import annotations

import pytest

from services.metadata.domain.custom_metadata import Update
from services.metadata.domain.errors import Forbidden
from services.metadata.domain.records import File, ValueDigest
from tests.support.metadata import ALICE, SERVICE, SPACE, World, fresh_id, ref


async def hashed(world: World, algorithm: str = "SHA256") -> File:
    """A file whose users want a digest."""
    await world.put("f", size_bytes=5)
    update = Update(fields={"value_hash": algorithm})
    await world.rules.xattrs.update(ALICE, fresh_id(), ref("f"), update)
    return await world.get("f")


async def save(world: World, file: File, digest: str = "abc", algorithm: str = "SHA256") -> None:
    made = ValueDigest(algorithm, digest, file.location_revision)
    await world.rules.value_digests.save(SERVICE, SPACE, file.file_id, made)


async def test_a_digest_is_told_until_the_content_changes() -> None:
    world = await World().open()
    file = await hashed(world)
    assert file.digest == ""
    await save(world, file)
    await save(world, file)
    noted = await world.get("f")
    assert (noted.digest, noted.op_id, noted.ctime_ms) == ("abc", file.op_id, file.ctime_ms)
    for offset in (None, 2):
        await world.put("f", size_bytes=3, offset=offset)
        assert (await world.get("f")).digest == ""


async def test_a_digest_of_an_older_content_is_dropped() -> None:
    world = await World().open()
    file = await hashed(world)
    await world.put("f", size_bytes=3)
    await save(world, file)
    assert (await world.get("f")).value_digest is None


async def test_a_digest_nobody_wants_any_more_is_dropped() -> None:
    world = await World().open()
    file = await hashed(world)
    await save(world, file, algorithm="SHA512")
    assert (await world.get("f")).value_digest is None
    await save(world, file)
    await world.rules.xattrs.update(ALICE, fresh_id(), ref("f"), Update(fields={"value_hash": "SHA512"}))
    assert (await world.get("f")).digest == ""


async def test_a_digest_of_a_deleted_file_is_dropped() -> None:
    world = await World().open()
    file = await hashed(world)
    await world.rules.files.delete(ALICE, fresh_id(), ref("f"))
    await save(world, file)


async def test_users_note_no_digests() -> None:
    world = await World().open()
    file = await hashed(world)
    with pytest.raises(Forbidden):
        await world.rules.value_digests.save(
            ALICE, SPACE, file.file_id, ValueDigest("SHA256", "abc", file.location_revision)
        )
