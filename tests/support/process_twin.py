"""A service of two parts that do nothing but tell: for tests of how processes live and die.

`python -m tests.support.process_twin [FAULT]`, where FAULT says what goes wrong.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Sequence

from runtime.auth import ClusterKey
from runtime.config import RuntimeSettings
from runtime.process import Part, main

FAULT = sys.argv[1] if len(sys.argv) > 1 else ""


def tell(what: str) -> None:
    """One line for the test."""
    sys.stdout.write(what + "\n")
    sys.stdout.flush()


class Settings(RuntimeSettings):
    """One more field, without a default."""

    colour: str


class Talker:
    """Tells when it starts and stops."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def start(self) -> None:
        tell(f"start {self._name}")
        if f"start-{self._name}" == FAULT:
            raise RuntimeError("broken part")
        if f"hang-{self._name}" == FAULT:
            await asyncio.sleep(60)

    async def stop(self) -> None:
        tell(f"stop {self._name}")
        if f"stop-{self._name}" == FAULT:
            raise RuntimeError("broken end")


async def build(settings: Settings) -> Sequence[Part]:
    ClusterKey.load(settings.cluster_key_file)
    return [Talker("a"), Talker("b"), Ready()]


class Ready:
    """Tells that all is up."""

    async def start(self) -> None:
        tell("ready")

    async def stop(self) -> None:
        if FAULT == "garbage":
            tell("searched in vain" if not gc.get_freeze_count() else "spared")


if __name__ == "__main__":
    main("twin", Settings, build)
