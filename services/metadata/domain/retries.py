"""Trying again after a lost race: a few times, a little later each time."""

from __future__ import annotations

import asyncio
import random
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
