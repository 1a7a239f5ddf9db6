"""What fault tests share. They speak to the stack through its front door only, and mend what they break."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial

import pytest

from stack import readiness
from tests.support.account import Account
from tests.support.load import until
from tests.support.stack import RunningStack, running_stack

SERVICES = ("metadata", "storage_router", "data_port", "gateway", "cluster_manager", "zone", "zone_rest")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack apart from that of the other tests: storages that were taken away stay in its configuration."""
    with running_stack(tmp_path_factory.mktemp("hurt")) as running:
        yield running


@pytest.fixture
async def account(stack: RunningStack) -> Account:
    """The owner of the stack's space, in it."""
    account = Account(stack.url, stack.ca_file, stack.token, stack.space, stack.space_id)
    return await account.entered()


@pytest.fixture(autouse=True)
async def all_parts_run(stack: RunningStack) -> None:
    """Each test begins with all parts running and healthy, whatever the one before did to them."""
    for service in SERVICES:
        await until(partial(all_pass, stack, service), 60.0, f"healthy {service}")


async def all_pass(stack: RunningStack, service: str) -> bool:
    """Whether Consul calls all instances of the service healthy."""
    consul = stack.layout.first.consul_url
    return await asyncio.to_thread(readiness.instances_pass, consul, service, stack.layout.instances)
