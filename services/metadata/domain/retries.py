"""Trying again after a lost race: a few times, a little later each time."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Self

MAX_ATTEMPTS = 12
_FIRST_PAUSE_S = 0.001
_LONGEST_PAUSE_S = 0.05


#: For changes that take long enough for others to be at one whenever they are tried again.
PATIENCE_S = 8.0
_LONGEST_PATIENT_PAUSE_S = 0.1


class Attempts:
    """Numbers of attempts from 0, for `async for`; a growing, random pause comes before them.

    The first `unpaused` ones come at once. There are `MAX_ATTEMPTS`, and more within `patience_s`. Not an
    asynchronous generator: the event loop keeps account of each of those, which is dear where the first
    attempt does.
    """

    __slots__ = ("_longest_pause_s", "_next", "_unpaused", "_until_s")

    def __init__(self, *, unpaused: int, longest_pause_s: float, patience_s: float = 0.0) -> None:
        self._next = 0
        self._unpaused = unpaused
        self._longest_pause_s = longest_pause_s
        self._until_s = time.monotonic() + patience_s if patience_s else 0.0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> int:
        attempt = self._next
        if attempt >= MAX_ATTEMPTS and time.monotonic() >= self._until_s:
            raise StopAsyncIteration
        self._next += 1
        if attempt >= self._unpaused:
            pause_s = min(self._longest_pause_s, _FIRST_PAUSE_S * 2 ** min(attempt, MAX_ATTEMPTS))
            await asyncio.sleep(pause_s * random.uniform(0.5, 1))
        return attempt


def attempts() -> Attempts:
    """A few; the first two at once."""
    return Attempts(unpaused=2, longest_pause_s=_LONGEST_PAUSE_S)


def patient_attempts() -> Attempts:
    """As `attempts`, for some seconds however many that are: for transactions, which refuse whoever comes
    while another one is under way, or was left by an instance that died (`runtime.mongo.abandoned`)."""
    return Attempts(unpaused=1, longest_pause_s=_LONGEST_PATIENT_PAUSE_S, patience_s=PATIENCE_S)
