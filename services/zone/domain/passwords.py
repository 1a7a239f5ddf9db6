"""Passwords: kept as argon2id hashes, checked off the event loop, guessed slowly.

A right password is remembered for a short while under a key only this process has, so that a script with
basic auth does not cost a hash for each request. The stored hash is part of what is remembered: a changed
password ends it at once, on every zone. Guesses wait their turn, see `services.zone.domain.guesses`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import argon2

from runtime.clock import Clock
from services.zone.domain.guesses import Guesses
from services.zone.domain.token_errors import BadBasicCredentials

_REMEMBER_S = 60.0
_MAX_REMEMBERED = 1000
_MEMORY_KIB = 19 * 1024
_ROUNDS = 2


class Passwords:
    """Makes and checks password hashes."""

    def __init__(self, guesses: Guesses, clock: Clock) -> None:
        self._guesses = guesses
        self._clock = clock
        self._hasher = argon2.PasswordHasher(time_cost=_ROUNDS, memory_cost=_MEMORY_KIB, parallelism=1)
        # One thread: hashing must not take all the cores, nor the memory of many hashes at once.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        self._key = secrets.token_bytes(32)
        self._remembered: OrderedDict[bytes, float] = OrderedDict()
        self._under_way: dict[bytes, asyncio.Task[None]] = {}
        self._decoy = ""

    def close(self) -> None:
        """Ends the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """The hash to keep."""
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, self._hasher.hash, password.encode(errors="surrogatepass")
        )

    async def check(self, username: str, password: str, stored: str | None, *, peer_ip: str = "") -> None:
        """Raises BadBasicCredentials, as slowly for a user who does not exist (`stored` None)."""
        proof = self._proof(username, password, stored or "")
        if self._is_remembered(proof):
            return
        # All who come with the same password meanwhile share one check: a script is many requests at once.
        check = self._under_way.get(proof)
        if check is None:
            work = self._check_slowly(proof, username, password, stored, peer_ip)
            check = self._under_way[proof] = asyncio.create_task(work, name="password-check")
            check.add_done_callback(lambda done: self._forget(proof, done))
        await asyncio.shield(check)

    def _forget(self, proof: bytes, done: asyncio.Task[None]) -> None:
        self._under_way.pop(proof, None)
        if not done.cancelled():
            done.exception()  # Taken, as nobody may wait for it any more.

    async def _check_slowly(
        self, proof: bytes, username: str, password: str, stored: str | None, peer_ip: str
    ) -> None:
        await asyncio.sleep(await self._guesses.take_turn(username, peer_ip))
        self._decoy = self._decoy or await self.hash(secrets.token_hex(16))
        matches = await asyncio.get_running_loop().run_in_executor(
            self._thread, self._matches, stored or self._decoy, password.encode(errors="surrogatepass")
        )
        if not matches or stored is None:
            raise BadBasicCredentials
        await self._guesses.was_right(username, peer_ip)
        self._remember(proof)

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
