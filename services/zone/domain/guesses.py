"""Guesses of passwords are counted where all instances of a zone see it.

A guess takes the next turn of its lane, and each turn of a lane is later than the one before: twice as far
for each wrong guess in a row, up to `LONGEST_DELAY_MS`. Who would have to wait too long is refused at once,
so a flood of guesses makes no queue.

A name has a lane for everybody, and one for each address from which its password was right: who guesses
elsewhere can make strangers wait, but not the user where he is known.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from runtime.clock import Clock
from services.zone.domain.entities import Lane
from services.zone.domain.stores import GuessStore
from services.zone.domain.token_errors import BadBasicCredentials

FIRST_DELAY_MS = 200
LONGEST_DELAY_MS = 5_000
LONGEST_WAIT_MS = 10_000
#: Without a guess for so long, a lane begins anew.
QUIET_MS = 15 * 60_000
#: How long an address stays known after the last right password from there.
KNOWN_MS = 90 * 86_400_000
_TRIES = 5


class Guesses:
    """Gives turns."""

    def __init__(self, store: GuessStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def take_turn(self, username: str, peer_ip: str) -> float:
        """Seconds to wait before this guess may be checked. Raises BadBasicCredentials for too many."""
        for _ in range(_TRIES):
            now_ms = self._clock.now_ms()
            before = await self._lane(username, peer_ip, now_ms)
            turn_ms = max(now_ms, before.next_at_ms)
            if turn_ms - now_ms > LONGEST_WAIT_MS:
                raise BadBasicCredentials
            if await self._store.replace(before, _after_turn(before, turn_ms)):
                return (turn_ms - now_ms) / 1000
        # Others take turns faster than we can: these are too many, too.
        raise BadBasicCredentials

    async def was_right(self, username: str, peer_ip: str) -> None:
        """From now on the user is known at this address, and his guesses are none."""
        ends_at_ms = self._clock.now_ms() + KNOWN_MS
        await self._store.put(Lane(_key(username, peer_ip), ends_at_ms=ends_at_ms))

    async def _lane(self, username: str, peer_ip: str, now_ms: int) -> Lane:
        """The lane of a guess, rested if it was quiet for long."""
        for_all, own = _key(username), _key(username, peer_ip)
        found = await self._store.find([for_all, own])
        lane = found.get(own) or found.get(for_all) or Lane(for_all)
        is_quiet = now_ms - lane.next_at_ms > QUIET_MS
        return replace(lane, count=0) if is_quiet else lane


def _after_turn(lane: Lane, turn_ms: int) -> Lane:
    """Counted as a wrong guess: a right one is put right afterwards."""
    delay_ms = min(FIRST_DELAY_MS * 2 ** min(lane.count, 10), LONGEST_DELAY_MS)
    next_at_ms = turn_ms + delay_ms
    return replace(
        lane,
        count=lane.count + 1,
        next_at_ms=next_at_ms,
        ends_at_ms=max(lane.ends_at_ms, next_at_ms + QUIET_MS),
        turns=lane.turns + 1,
    )


def _key(username: str, peer_ip: str | None = None) -> str:
    """Of one length whatever was typed, which may have been a password in the wrong field."""
    parts = [username] if peer_ip is None else [username, peer_ip]
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()
