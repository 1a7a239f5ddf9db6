"""Passwords: kept as argon2id hashes, checked off the event loop, guessed slowly.

A right password is remembered for a short while under a key only this process has, so that a script with
basic auth does not cost a hash for each request. The stored hash is part of what is remembered: a changed
password ends it at once, on every zone. Wrong guesses of one user name wait longer and longer, one at a time.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import argon2

from runtime.clock import Clock
from services.zone.domain.token_errors import BadBasicCredentials

_REMEMBER_S = 60.0
_MAX_REMEMBERED = 1000
_MAX_WATCHED = 10_000
_MAX_WAITING = 16
_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 5.0
_MEMORY_KIB = 19 * 1024
_ROUNDS = 2


@dataclass(slots=True)
class _Guesses:
    """Wrong guesses of one user name in a row."""

    count: int = 0
    next_at_s: float = 0.0
    waiting: int = 0
    one_by_one: asyncio.Lock = field(default_factory=asyncio.Lock)


class Passwords:
    """Makes and checks password hashes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._hasher = argon2.PasswordHasher(time_cost=_ROUNDS, memory_cost=_MEMORY_KIB, parallelism=1)
        # One thread: hashing must not take all the cores, nor the memory of many hashes at once.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        self._key = secrets.token_bytes(32)
        self._remembered: OrderedDict[bytes, float] = OrderedDict()
        self._guesses: OrderedDict[str, _Guesses] = OrderedDict()
        self._decoy = ""

    def close(self) -> None:
        """Ends the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """The hash to keep."""
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, self._hasher.hash, password.encode(errors="surrogatepass")
        )

    async def check(self, username: str, password: str, stored: str | None) -> None:
        """Raises BadBasicCredentials, as slowly for a user who does not exist (`stored` None)."""
        proof = self._proof(username, password, stored or "")
        if self._is_remembered(proof):
            return
        guesses = self._guesses_of(username)
        if guesses.waiting >= _MAX_WAITING:
            raise BadBasicCredentials
        guesses.waiting += 1
        try:
            async with guesses.one_by_one:
                # Whoever was first with the same password has paid for all who waited with him.
                if not self._is_remembered(proof):
                    await self._check_slowly(guesses, password, stored)
                    self._remember(proof)
                    self._guesses.pop(username, None)
        finally:
            guesses.waiting -= 1

    async def _check_slowly(self, guesses: _Guesses, password: str, stored: str | None) -> None:
        await asyncio.sleep(max(0.0, guesses.next_at_s - self._clock.monotonic_s()))
        self._decoy = self._decoy or await self.hash(secrets.token_hex(16))
        matches = await asyncio.get_running_loop().run_in_executor(
            self._thread, self._matches, stored or self._decoy, password.encode(errors="surrogatepass")
        )
        if matches and stored is not None:
            return
        guesses.count += 1
        delay_s = min(_FIRST_DELAY_S * 2 ** min(guesses.count, 10), _LONGEST_DELAY_S)
        guesses.next_at_s = self._clock.monotonic_s() + delay_s
        raise BadBasicCredentials

    def _matches(self, stored: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False

    def _proof(self, *parts: str) -> bytes:
        text = "\0".join(parts).encode(errors="surrogatepass")
        return hmac.digest(self._key, text, hashlib.sha256)

    def _is_remembered(self, proof: bytes) -> bool:
        until_s = self._remembered.get(proof)
        return until_s is not None and self._clock.monotonic_s() < until_s

    def _remember(self, proof: bytes) -> None:
        self._remembered[proof] = self._clock.monotonic_s() + _REMEMBER_S
        self._remembered.move_to_end(proof)
        if len(self._remembered) > _MAX_REMEMBERED:
            self._remembered.popitem(last=False)

    def _guesses_of(self, username: str) -> _Guesses:
        guesses = self._guesses.setdefault(username, _Guesses())
        self._guesses.move_to_end(username)
        if len(self._guesses) > _MAX_WATCHED:
            self._guesses.popitem(last=False)
        return guesses
