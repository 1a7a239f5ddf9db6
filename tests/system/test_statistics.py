"""How a space was read and written, as its members are told through the front door."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.folder import API
from tests.support.load import until
from tests.support.own_space import OwnSpace, make_space
from tests.support.stack import RunningStack

#: Of thirty days, so that no step ends in between.
STEP = "step=1m"


@pytest.fixture
async def own_space(stack: RunningStack, tmp_path: Path) -> OwnSpace:
    """Whose numbers nobody else makes."""
    return await make_space(stack, tmp_path)


async def newest(client: httpx.AsyncClient, path: str) -> list[float]:
    """The last row of this provider; nothing while it has no numbers."""
    answer = await client.get(f"{API}/metrics/space/{path}&{STEP}")
    assert answer.status_code == 200, answer.text
    [told] = answer.json()
    rrd: Any = told["rrd"]
    return rrd["data"][-1] if rrd else []


async def test_reads_and_writes_are_told_by_space_and_user(own_space: OwnSpace) -> None:
    account = own_space.account
    space_id = account.space_id
    async with account.client() as client:
        made = await client.put(f"{API}/data/{space_id}/path/file", content=bytes(100_000))
        assert made.status_code == 201, made.text
        file_id = made.json()["fileId"]
        for _ in range(3):
            assert len((await client.get(f"{API}/data/{file_id}/content")).content) == 100_000
        user_id = (await client.get(f"{API}/data/{file_id}?attribute=owner_id")).json()["owner_id"]
        for whose in (space_id, f"{space_id}/user/{user_id}"):

            async def is_told(whose: str = whose) -> bool:
                row = await newest(client, f"{whose}?metric=data_access")
                # Averages over the time since the step began, so only their ratio is known. Probes of the
                # space wrote files without a byte.
                return bool(row) and row[0] > 0 and row[0] == pytest.approx(3 * row[1])

            await until(is_told, 60.0, f"accesses of {whose}", 0.5)
            reads, writes = await newest(client, f"{whose}?metric=block_access")
            assert reads > 0
            assert writes > 0
        assert await newest(client, f"{space_id}?metric=connected_users") == [1]
        assert await newest(client, f"{space_id}/user/nobody?metric=data_access") == []
        assert await newest(client, f"{space_id}?metric=remote_transfer") == []

        async def belongs_to_the_user() -> bool:
            return await newest(client, f"{space_id}/user/{user_id}?metric=storage_used") == [100_000]

        # Counted once a minute.
        await until(belongs_to_the_user, 150.0, "bytes of the user", 1.0)
