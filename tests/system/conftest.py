"""A folder of its own for each test, on a stack all of them share."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.folder import Folder
from tests.support.stack import RunningStack


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
