"""A folder of its own for each test, on a stack all of them share."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.support.folder import Folder
from tests.support.raw_door import Door
from tests.support.stack import RunningStack

# What services log when something happened that they do not know.
STUMBLES = ("Traceback", "call_failed", "request_failed", "data_port_failed", "connection_failed")


@pytest.fixture
async def owner(stack: RunningStack) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the space's owner."""
    async with stack.client() as client:
        yield client


@pytest.fixture
async def member(stack: RunningStack) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a plain member of the space."""
    async with stack.client(stack.member_token) as client:
        yield client


@pytest.fixture
async def guest(stack: RunningStack) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a token."""
    async with stack.client("") as client:
        yield client


@pytest.fixture
async def folder(stack: RunningStack, owner: httpx.AsyncClient) -> AsyncIterator[Folder]:
    """An empty folder of the owner's, gone afterwards."""
    made = Folder(owner, stack.space, stack.space_id, f"test-{secrets.token_hex(6)}")
    await made.make()
    yield made
    await made.remove()


@pytest.fixture
def door(stack: RunningStack) -> Door:
    """The front door, for requests written byte by byte."""
    return Door(stack)


@pytest.fixture(scope="module")
def nothing_stumbles(stack: RunningStack) -> Iterator[None]:
    """No service logs a failure while the tests of a file run."""
    before = {name: len(text) for name, text in stack.logs().items()}
    yield
    for name, text in stack.logs().items():
        new = text[before.get(name, 0) :]
        assert not [word for word in STUMBLES if word in new], f"{name}: {new[-4000:]}"
