"""A driver that fails when it is told to."""

from __future__ import annotations

from typing import Any

from runtime.errors import IsthmusError
from services.storage_router.domain.drivers import Driver


class Faulty:
    """The driver inside, except that the methods named in `failures` raise, and `hangs` never return."""

    def __init__(self, inner: Driver) -> None:
        self.inner = inner
        self.failures: dict[str, IsthmusError] = {}
        self.waits: dict[str, Any] = {}
        self.calls: list[str] = []

    @property
    def capabilities(self) -> Any:
        """Those of the driver inside."""
        return self.inner.capabilities

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append(name)
            if name in self.waits:
                await self.waits[name].wait()
            if name in self.failures:
                raise self.failures[name]
            return await method(*args, **kwargs)

        return call
