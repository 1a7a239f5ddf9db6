"""Logs, set up once: structlog for ours, the standard library's records through the same formatter.

`log = structlog.get_logger(__name__)`, then a constant event and fields: `log.info("upload_finished",
file_id=..., size_bytes=...)`. The request's id, caller and rpc are added by themselves.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from runtime.config import RuntimeSettings
from runtime.request import current_call

#: Libraries that tell more than anybody wants to know below warning.
_CHATTY = ("aiohttp", "asyncio", "grpc", "opentelemetry", "pymongo", "uvicorn", "urllib3")


def configure(settings: RuntimeSettings, stream: TextIO | None = None) -> None:
    """From here on everything goes to `stream` (stderr), one line an event."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_call,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _Constant(service=settings.service_name, instance_id=settings.instance_id),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(settings.log_format),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    logging.captureWarnings(True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


class Sparingly:
    """Keeps lines that many requests could write at once to so many a second: a process that is slow already
    must not be slowed down by telling so.
    """

    def __init__(self, lines_per_s: int = 10, now_s: Callable[[], float] = time.monotonic) -> None:
        self._lines_per_s = lines_per_s
        self._now_s = now_s
        self._second = 0
        self._lines = 0
        self._untold = 0

    def admits(self) -> bool:
        """Whether this line may be written; counts those that may not."""
        second = int(self._now_s())
        if second != self._second:
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines > self._lines_per_s:
            self._untold += 1
            return False
        return True

    def take_untold(self) -> int:
        """How many were left out since this was asked last."""
        untold, self._untold = self._untold, 0
        return untold


def _renderers(log_format: str) -> list[Processor]:
    if log_format == "console":
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]


def _add_call(_logger: Any, _method: str, event: EventDict) -> EventDict:
    call = current_call.get()
    if call.request_id:
        event.setdefault("request_id", call.request_id)
    if call.rpc:
        event.setdefault("rpc", call.rpc)
    if call.identity is not None:
        event.setdefault("caller", f"{call.identity.kind.name.lower()}:{call.identity.subject_id}")
    return event


class _Constant:
    """Adds what is the same on every line of a process."""

    def __init__(self, **fields: str) -> None:
        self._fields = fields

    def __call__(self, _logger: Any, _method: str, event: EventDict) -> EventDict:
        return {**self._fields, **event}
