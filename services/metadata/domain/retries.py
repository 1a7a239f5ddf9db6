"""Trying again after a lost race: a few times, a little later each time."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator

MAX_ATTEMPTS = 12
_FIRST_PAUSE_S = 0.001
_LONGEST_PAUSE_S = 0.05


async def attempts() -> AsyncIterator[int]:
    """Numbers of attempts, with a growing, random pause before all but the first two."""
    for attempt in range(MAX_ATTEMPTS):
        if attempt > 1:
            pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**attempt)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1))
        yield attempt


#: For changes that take long enough for others to be at one whenever they are tried again.
PATIENCE_S = 8.0
_LONGEST_PATIENT_PAUSE_S = 0.1


async def patient_attempts() -> AsyncIterator[int]:
    """As `attempts`, for some seconds however many that are: for transactions, which refuse whoever comes
    while another one is under way, or was left by an instance that died (`runtime.mongo.abandoned`)."""
    until_s = time.monotonic() + PATIENCE_S
    attempt = 0
    while attempt < MAX_ATTEMPTS or time.monotonic() < until_s:
        if attempt:
            pause_s = min(_LONGEST_PATIENT_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(attempt, 10))
            await asyncio.sleep(pause_s * random.uniform(0.5, 1))
        yield attempt
        attempt += 1
