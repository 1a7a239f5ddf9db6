"""What a space uses stays exact when those who count are killed; an operator can have it counted again."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest
from isthmus.metadata.v1 import spaces_pb2

from clients.cli.operator import operator
from tests.support.account import Account
from tests.support.load import until
from tests.support.own_space import REMOVED_S, OwnSpace, listing, make_space, operator_settings
from tests.support.recovery import all_in_rotation
from tests.support.stack import RunningStack

QUOTA_BYTES = 16 << 20
#: A lease of an instance that was killed counts as used until it lapses, and then until it was counted again.
SETTLED_S = 90.0


@dataclass
class Writers:
    """Clients that write, overwrite and delete, as much as fits, until they are told to end."""

    account: Account
    over: asyncio.Event

    async def run(self, seed: int) -> None:
        rng = random.Random(seed)
        async with self.account.client() as client:
            while not self.over.is_set():
                path = f"/cdmi/{self.account.space}/f{seed}-{rng.randrange(8)}"
                try:
                    if rng.random() < 0.2:
                        await client.delete(path)
                    else:
                        await client.put(path, content=rng.randbytes(rng.choice((1000, 100_000, 900_000))))
                except httpx.HTTPError:
                    pass  # killed in the middle of it: it happened, or not
                await asyncio.sleep(0.02)


def recounted(space: OwnSpace) -> spaces_pb2.RecountSpaceResponse:
    with operator(operator_settings(space.stack)) as provider:
        return provider.recount_space(space.account.space_id)


@pytest.fixture
async def space(stack: RunningStack, tmp_path: Path) -> OwnSpace:
    return await make_space(stack, tmp_path, size_bytes=QUOTA_BYTES)


@pytest.mark.timeout(400)  # a lease has to lapse, twice in the worst case
async def test_what_is_used_is_exact_after_every_counter_was_killed(
    stack: RunningStack, space: OwnSpace
) -> None:
    over = asyncio.Event()
    writers = [asyncio.create_task(Writers(space.account, over).run(seed)) for seed in range(4)]
    for victim in ("metadata-1", "metadata-2"):
        await asyncio.sleep(1.5)
        old_pid = stack.kill(victim)
        await asyncio.to_thread(stack.wait_back, victim, old_pid)
        await until(partial(asyncio.to_thread, all_in_rotation, stack), 30.0, "full rotation")
    over.set()
    await asyncio.gather(*writers)

    held = sum((await listing(space.account)).values())
    assert 0 < held <= QUOTA_BYTES

    async def is_exact() -> bool:
        counted = await asyncio.to_thread(recounted, space)
        usage = counted.usage
        assert usage.used_bytes + usage.leased_bytes <= QUOTA_BYTES
        return (usage.used_bytes, usage.leased_bytes, counted.unsettled_bytes) == (held, 0, 0)

    # Overwritten content counts until its bytes are gone from the storage.
    await until(is_exact, REMOVED_S + SETTLED_S, "an exact count", 2.0)
    assert (await asyncio.to_thread(recounted, space)).corrected_bytes == 0
    await everything_goes(space)
    await until(partial(is_empty, space), REMOVED_S + SETTLED_S, "an empty space", 2.0)


async def everything_goes(space: OwnSpace) -> None:
    async with space.account.client() as client:
        for name in await listing(space.account):
            assert (await client.delete(f"/cdmi/{space.account.space}/{name}")).status_code == 204


async def is_empty(space: OwnSpace) -> bool:
    usage = (await asyncio.to_thread(recounted, space)).usage
    return (usage.used_bytes, usage.leased_bytes) == (0, 0)
