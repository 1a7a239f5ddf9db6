from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from runtime.clock import ManualClock
from services.zone.domain.guesses import Guesses
from services.zone.domain.passwords import Passwords
from services.zone.domain.token_errors import BadBasicCredentials
from services.zone.store.memory_guesses import MemoryGuessStore


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def passwords(clock: ManualClock) -> AsyncIterator[Passwords]:
    passwords = Passwords(Guesses(MemoryGuessStore(), clock), clock)
    yield passwords
    passwords.close()


async def test_right_password_passes(passwords: Passwords) -> None:
    stored = await passwords.hash("password1")
    assert "password1" not in stored
    await passwords.check("joe", "password1", stored)


@pytest.mark.parametrize("guess", ["", "password2", "password1\0", "PASSWORD1"])
async def test_wrong_password_fails(passwords: Passwords, guess: str) -> None:
    with pytest.raises(BadBasicCredentials):
        await passwords.check("joe", guess, await passwords.hash("password1"))


async def test_unknown_user_fails_alike(passwords: Passwords) -> None:
    with pytest.raises(BadBasicCredentials):
        await passwords.check("nobody", "password1", None)


async def test_remembered_password_costs_no_hash(passwords: Passwords) -> None:
    stored = await passwords.hash("password1")
    await passwords.check("joe", "password1", stored)
    began_s = time.perf_counter()
    for _ in range(100):
        await passwords.check("joe", "password1", stored)
    assert time.perf_counter() - began_s < 0.1


async def test_changed_password_ends_what_is_remembered(passwords: Passwords) -> None:
    await passwords.check("joe", "password1", await passwords.hash("password1"))
    with pytest.raises(BadBasicCredentials):
        await passwords.check("joe", "password1", await passwords.hash("password2"))


async def test_wrong_guesses_wait_longer_and_longer(passwords: Passwords, clock: ManualClock) -> None:
    stored = await passwords.hash("password1")
    with pytest.raises(BadBasicCredentials):
        await passwords.check("joe", "guess-one", stored)
    began_s = time.perf_counter()
    with pytest.raises(BadBasicCredentials):
        await passwords.check("joe", "guess-two", stored)
    assert time.perf_counter() - began_s > 0.19
    clock.advance(10)
    await passwords.check("joe", "password1", stored)


async def test_flood_of_guesses_is_refused_at_once(passwords: Passwords) -> None:
    stored = await passwords.hash("password1")
    tries = [asyncio.create_task(passwords.check("joe", f"guess{n}", stored)) for n in range(40)]
    async with asyncio.timeout(5):  # the turns of all of them would take far longer
        while sum(task.done() for task in tries) <= 30:
            await asyncio.sleep(0.01)
    for task in tries:
        task.cancel()
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert all(isinstance(each, BadBasicCredentials | asyncio.CancelledError) for each in results)


async def test_requests_that_come_at_once_with_one_password_are_one_guess(passwords: Passwords) -> None:
    stored = await passwords.hash("password1")
    await asyncio.gather(*(passwords.check("joe", "password1", stored) for _ in range(40)))
    results = await asyncio.gather(
        *(passwords.check("joe", "guess", stored) for _ in range(40)), return_exceptions=True
    )
    assert all(isinstance(each, BadBasicCredentials) for each in results)


async def test_request_that_is_given_up_does_not_end_the_check_of_others(passwords: Passwords) -> None:
    stored = await passwords.hash("password1")
    first, second = (asyncio.create_task(passwords.check("joe", "password1", stored)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert first.cancelled()
