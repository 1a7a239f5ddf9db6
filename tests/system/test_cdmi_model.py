"""Random CDMI operations have the results of a plain model."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from tests.support.cdmi_player import Player
from tests.support.folder import Folder
from tests.support.stack import RunningStack

#: More for a longer look: `CDMI_OPERATIONS=10000 CDMI_SEED=7 pytest tests/system/test_cdmi_model.py -s`.
OPERATIONS = int(os.environ.get("CDMI_OPERATIONS", "600"))
SEED = int(os.environ.get("CDMI_SEED", "1"))
CLIENTS = 4


@pytest.mark.timeout(120 + OPERATIONS // 5)
async def test_random_operations_have_the_results_of_the_model(stack: RunningStack, folder: Folder) -> None:
    async def play(number: int) -> int:
        async with stack.client() as client:
            own = Folder(client, folder.space, folder.space_id, f"{folder.name}-{number}")
            await own.make()
            player = Player(own, SEED * 1000 + number)
            try:
                await player.play(OPERATIONS // CLIENTS)
                await player.compare()
            finally:
                await own.remove()
            return sum(player.played.values())

    begun_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(play(number)) for number in range(CLIENTS)]
    assert sum(task.result() for task in tasks) == OPERATIONS
    print(f"{OPERATIONS} operations in {time.monotonic() - begun_s:.0f} s")  # noqa: T201 - asked for with -s
