"""What fault tests share. They speak to the stack through its front door only, and mend what they break.

Each test kills, pauses or stops something, and promises hold for one fault at a time: so each waits first
until the stack has got over the last one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial

import pytest

from stack import readiness
from tests.support.account import Account
from tests.support.load import until
from tests.support.own_space import known_everywhere
from tests.support.recovery import all_connected_to_zone, all_in_rotation
from tests.support.stack import RunningStack, running_stack

SERVICES = ("metadata", "storage_router", "data_port", "gateway", "cluster_manager", "zone", "zone_rest")
RECOVERY_S = 60.0


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack apart from that of the other tests: storages that were taken away stay in its configuration."""
    with running_stack(tmp_path_factory.mktemp("hurt")) as running:
        yield running


@pytest.fixture(scope="module")
def _known(stack: RunningStack) -> None:
    """Every instance knows the stack's own space, which may be as young as the stack."""
    account = Account(stack.url, stack.ca_file, stack.token, stack.space, stack.space_id)
    asyncio.run(known_everywhere(account))


@pytest.fixture
async def account(stack: RunningStack, _known: None) -> Account:
    """The owner of the stack's space, in it."""
    account = Account(stack.url, stack.ca_file, stack.token, stack.space, stack.space_id)
    return await account.entered()


@pytest.fixture(autouse=True)
async def all_parts_run(stack: RunningStack) -> None:
    """Each test begins with all parts running, found by all others and in use."""
    for service in SERVICES:
        await until(partial(_all_pass, stack, service), RECOVERY_S, f"healthy {service}")
    await until(partial(asyncio.to_thread, all_in_rotation, stack), RECOVERY_S, "full rotation")
    await until(partial(asyncio.to_thread, all_connected_to_zone, stack), RECOVERY_S, "way to the zone")


async def _all_pass(stack: RunningStack, service: str) -> bool:
    return await asyncio.to_thread(readiness.instances_pass, stack.layout.first, service)
