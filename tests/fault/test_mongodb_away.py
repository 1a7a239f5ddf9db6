"""MongoDB is away: requests are refused in words while clients still wait; all goes on once it is back."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from tests.support.account import DATA, Account
from tests.support.load import Traffic, is_envelope, until
from tests.support.own_space import listing
from tests.support.stack import RunningStack

#: As long as Onedata's own clients wait for an answer.
PATIENCE_S = 30.0
JSON = {"content-type": "application/json"}
CDMI = {"x-cdmi-specification-version": "1.1.1", "content-type": "application/cdmi-object"}
CHANGES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "{root}/children?name=never-1", {"content": b"x"}),
    ("POST", "{root}/children?name=never-2&type=DIR", {}),
    ("PUT", "{root}/path/never-3", {"content": b"x"}),
    ("PUT", "{root}/path/never-4", {"content": bytes(1 << 20)}),
    ("PUT", "/cdmi/{space}/never-5", {"content": b"x"}),
    ("PUT", "/cdmi/{space}/never-6", {"content": b'{"value": "x"}', "headers": CDMI}),
    ("PUT", "{root}/metadata/xattrs", {"json": {"never": "seen"}, "headers": JSON}),
]


async def test_load_survives_a_restart_of_mongodb(stack: RunningStack, account: Account) -> None:
    async with Traffic(account, "no-mongodb") as traffic:
        await traffic.more(50)
        with stack.without("mongod"):
            await until(lambda: bool(traffic.report.failed), 20.0, "refusal")
        await traffic.calm()
    traffic.report.assert_only_told_failures()
    assert await traffic.lost() == []


async def test_killed_mongodb_keeps_every_acknowledged_write(stack: RunningStack, account: Account) -> None:
    async with Traffic(account, "killed-mongodb") as traffic:
        await traffic.more(80)
        stack.kill("mongod")
        await traffic.calm(quiet_s=2.0)
    traffic.report.assert_only_told_failures()
    assert await traffic.lost() == []


async def test_frozen_mongodb_makes_nobody_wait_for_ever(stack: RunningStack, account: Account) -> None:
    async with Traffic(account, "frozen-mongodb") as traffic:
        await traffic.more(50)
        with stack.paused("mongod"):
            await until(lambda: bool(traffic.report.failed), 25.0, "refusal")
        await traffic.calm()
    traffic.report.assert_only_told_failures()
    assert await traffic.lost() == []


async def test_every_kind_of_change_is_refused_with_503_before_clients_give_up(
    stack: RunningStack, account: Account
) -> None:
    root = f"{DATA}/{account.root_id}"
    async with account.client() as client:
        with stack.without("mongod"):
            answers = await asyncio.gather(
                *(
                    client.request(
                        method, path.format(root=root, space=account.space), timeout=PATIENCE_S, **more
                    )
                    for method, path, more in CHANGES
                )
            )
        await until(lambda: _works(client, account), 30.0, "change that is made")
    assert [(answer.status_code, is_envelope(answer)) for answer in answers] == [(503, True)] * len(CHANGES)
    assert not [name for name in await listing(account) if name.startswith("never")]


async def _works(client: httpx.AsyncClient, account: Account) -> bool:
    return (await client.put(f"/cdmi/{account.space}/after-mongodb", content=b"again")).is_success
