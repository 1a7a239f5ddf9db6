"""An instance killed in the midst of a transaction: others change the same records a moment later."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import pytest
from isthmus.metadata.v1 import files_pb2, xattrs_pb2

from runtime.mongo import abort_abandoned, connect
from services.metadata.domain.retries import PATIENCE_S
from tests.support.dying import died_in_transaction
from tests.support.metadata import SPACE
from tests.support.metadata_instances import Client, Provider, a_ref

Change = Callable[[Client, files_pb2.File], Awaitable[object]]


def died_in_midst(provider: Provider, *records: str) -> AbstractAsyncContextManager[None]:
    return died_in_transaction(provider.mongo_url, provider.service, provider.database, *records)


async def set_xattr(client: Client, file: files_pb2.File) -> None:
    await client.api.update_xattrs(
        xattrs_pb2.UpdateXattrsRequest(
            request_id="again",
            file=files_pb2.FileRef(space_id=SPACE, file_id=file.file_id),
            set=[xattrs_pb2.Xattr(name="k", value_json=b"1")],
        )
    )


async def rename(client: Client, _: files_pb2.File) -> None:
    await client.rename("d", "e")


async def link(client: Client, file: files_pb2.File) -> None:
    await client.link_over("l", target_id=file.file_id)


async def set_mode(client: Client, _: files_pb2.File) -> None:
    await client.api.set_mode(files_pb2.SetModeRequest(request_id="again", file=a_ref("f"), mode=0o600))


@pytest.mark.parametrize("change", [set_xattr, rename, link, set_mode])
async def test_others_go_on_where_an_instance_died(provider: Provider, change: Change) -> None:
    async with provider.instance(), provider.client() as client:
        await client.ensure_space()
        with client.as_user():
            await client.mkdir("d")
            file = await client.put("f", size_bytes=1)
            async with (
                died_in_midst(provider, f"files={file.file_id}", f"tree_locks={SPACE}"),
                asyncio.timeout(PATIENCE_S),
            ):
                await change(client, file)


async def test_transactions_of_other_programs_are_left_alone(provider: Provider) -> None:
    other = Provider(**{**provider.__dict__, "service": "somebody-else"})
    async with provider.instance(), provider.client() as client:
        await client.ensure_space()
        with client.as_user():
            file = await client.put("f", size_bytes=1)
            async with died_in_midst(other, f"files={file.file_id}"):
                changing = asyncio.create_task(set_mode(client, file))
                done, _ = await asyncio.wait([changing], timeout=4)
                assert not done
                with connect(other.mongo_url, service=other.service) as database:
                    assert await asyncio.to_thread(abort_abandoned, database) == 1
                await changing
