"""An instance of the zone killed in the midst of a transaction: others nest groups a moment later."""

from __future__ import annotations

import asyncio
import time

import pytest

from services.zone.config import Settings
from tests.support.dying import died_in_transaction
from tests.support.zone import RunningZone

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_groups_are_nested_where_an_instance_died(
    zone: RunningZone, mongo_url: str, module_database: str
) -> None:
    made = [await zone.admin.post("/user/groups", json={"name": name}) for name in ("above", "below")]
    above, below = (each.headers["location"].rpartition("/")[2] for each in made)
    begun_s = time.monotonic()
    async with (
        died_in_transaction(mongo_url, Settings.service_name, module_database, "zone=group_nesting"),
        asyncio.timeout(15),
    ):
        nested = await zone.admin.put(f"/groups/{above}/children/{below}")
    assert nested.status_code == 201
    assert time.monotonic() - begun_s > 0.5, "nothing was in the way"
