"""The life of a process: read settings, start the parts in order, wait for a signal, stop in reverse."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

import structlog
import uvloop

from runtime import logging, telemetry
from runtime.config import BadSettings, RuntimeSettings, read_settings

log = structlog.get_logger(__name__)

#: Longest a part may take to start, and to stop beyond the time it drains.
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 10.0

#: Exit status of a process that can't start as it is set up, and of one that failed otherwise.
EXIT_BAD_SETTINGS = 2
EXIT_FAILED = 1

#: How many more objects are made than freed before the youngest are searched for garbage that refers to
#: itself, and how many such searches it takes to look at older ones, too. Caches hold records by the hundred
#: thousand, all made to last: with the interpreter's own numbers the search took a quarter of what a service
#: did for a new file.
_GARBAGE_THRESHOLDS = (5_000, 20, 20)

S = TypeVar("S", bound=RuntimeSettings)


class Part(Protocol):
    """What has a beginning and an end within a process: a server, a watch, a worker."""

    async def start(self) -> None:
        """Returns when the part does its work; raises when it can't."""
        ...

    async def stop(self) -> None:
        """Returns when nothing of the part is left. Called only after `start` was."""
        ...


def main(service: str, settings_class: type[S], build: Callable[[S], Awaitable[Sequence[Part]]]) -> None:
    """Runs a service until SIGTERM or SIGINT, then exits.

    `build` makes the parts; they start in its order and stop in reverse. Wrong settings, from here or from
    `build` or a part (BadSettings), end with one clear line and exit status 2.
    """
    try:
        settings = read_settings(settings_class)
        logging.configure(settings)
        telemetry.configure(settings)
        status = uvloop.run(run(settings, build))
    except BadSettings as error:
        print(f"{service}: bad settings: {error}", file=sys.stderr)  # noqa: T201  # the log may not exist yet
        status = EXIT_BAD_SETTINGS
    finally:
        telemetry.shutdown()
    sys.exit(status)


async def run(settings: S, build: Callable[[S], Awaitable[Sequence[Part]]]) -> int:
    """One life of the process; the exit status. Raises BadSettings."""
    told_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, told_to_stop.set)
    begun_s = time.monotonic()
    started: list[Part] = []
    starting = asyncio.create_task(_start(settings, build, started))
    waiting = asyncio.create_task(told_to_stop.wait())
    try:
        await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            _expect_long_lives()
            log.info("process_started", pid=os.getpid(), took_ms=round((time.monotonic() - begun_s) * 1000))
            await waiting
        log.info("process_stopping")
        return 0
    except BadSettings:
        raise
    except Exception:
        log.exception("process_failed")
        return EXIT_FAILED
    finally:
        for task in (starting, waiting):
            task.cancel()
        await asyncio.gather(starting, waiting, return_exceptions=True)
        await _stop(started, STOP_TIMEOUT_S + settings.drain_s)
        log.info("process_stopped")


async def _start(settings: S, build: Callable[[S], Awaitable[Sequence[Part]]], started: list[Part]) -> None:
    for part in (telemetry.MetricsServer(settings), *await build(settings)):
        started.append(part)  # one that fails half-way has something to stop, too
        async with asyncio.timeout(START_TIMEOUT_S):
            await part.start()


def _expect_long_lives() -> None:
    """What is there after the start stays, so nobody has to look through it for garbage again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GARBAGE_THRESHOLDS)


async def _stop(started: Sequence[Part], timeout_s: float) -> None:
    for part in reversed(started):
        name = type(part).__name__
        try:
            async with asyncio.timeout(timeout_s):
                await part.stop()
        except TimeoutError:
            log.warning("part_stop_timed_out", part=name, timeout_s=timeout_s)
        except Exception:
            log.exception("part_stop_failed", part=name)
