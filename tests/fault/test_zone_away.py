"""The zone is away: who is known goes on working, who is not is told why he has to wait."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Iterator

from clients.zone_rest import ZoneClient
from tests.support.account import DATA, Account
from tests.support.load import Traffic, until
from tests.support.stack import RunningStack

INSTANCES = ("zone-1", "zone-2")


@contextlib.contextmanager
def without_zone(stack: RunningStack) -> Iterator[None]:
    with contextlib.ExitStack() as away:
        for name in INSTANCES:
            away.enter_context(stack.without(name))
        yield


def fresh_token(stack: RunningStack) -> str:
    """A good token that no provider has seen yet."""
    with ZoneClient(stack.url, token=stack.token, ca_file=stack.ca_file) as zone:
        return zone.create_token(f"fresh-{secrets.token_hex(4)}")[1]


async def known_everywhere(account: Account, token: str) -> None:
    """Returns once every gateway has asked the zone about a token: all are connected to it."""
    async with account.client(token=token) as client:

        async def is_let_in_each_time() -> bool:
            answers = [await client.get(f"{DATA}/{account.root_id}") for _ in range(12)]
            return all(answer.status_code == 200 for answer in answers)

        await until(is_let_in_each_time, 30.0, "answer for the token")


async def test_a_known_token_goes_on_working(stack: RunningStack, account: Account) -> None:
    async with Traffic(account, "no-zone") as traffic:
        await traffic.more(60)
        with without_zone(stack):
            # Longer than a verdict is believed without asking.
            await traffic.more(100, for_s=3.0)
        await traffic.more(30)
    traffic.report.assert_flawless()
    assert await traffic.lost() == []


async def test_an_unknown_token_is_refused_until_the_zone_is_back(
    stack: RunningStack, account: Account
) -> None:
    token = await asyncio.to_thread(fresh_token, stack)
    paths = [f"{DATA}/{account.root_id}", f"{DATA}/{account.root_id}/path/x", f"/cdmi/{account.space}/x"]
    async with account.client(token=token) as client:
        with without_zone(stack):
            answers = [await client.get(path) for path in paths]
        told = [(answer.status_code, answer.json()["error"]["id"]) for answer in answers]
        assert told == [(503, "noConnectionToOnezone")] * len(paths)
    await known_everywhere(account, token)


async def test_one_instance_of_the_zone_is_enough(stack: RunningStack, account: Account) -> None:
    tokens = [await asyncio.to_thread(fresh_token, stack) for _ in range(2)]
    async with Traffic(account, "half-a-zone") as traffic:
        await known_everywhere(account, tokens[0])
        old_pid = stack.kill("zone-1")
        async with account.client(token=tokens[1]) as client:
            answer = await client.get(f"{DATA}/{account.root_id}")
        await traffic.more(60)
        await asyncio.to_thread(stack.wait_back, "zone-1", old_pid)
    assert answer.status_code == 200, answer.text
    traffic.report.assert_flawless()
