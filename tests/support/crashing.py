"""Metadata stores that stop working at a chosen write, as if the process had been killed there."""

from __future__ import annotations

import dataclasses
from typing import Any

from services.metadata.domain.stores import Stores

_WRITES = frozenset(
    {
        "insert",
        "insert_link",
        "replace",
        "replace_many",
        "insert_many",
        "change_together",
        "change",
        "move",
        "purge",
        "remove",
        "settle",
        "ensure",
        "lease",
        "lapse",
        "mend",
        "put",
        "remove_abandoned",
        "expire",
        "insert_space",
        "commit",
        "note",
        "drop",
        "remove_space",
    }
)


class Killed(Exception):
    """The end of the process. Whoever catches it can't write any more, so nothing gets mended by it."""


class Fuse:
    """Burns at the write with this number, before or after it; nothing can be written from then on."""

    def __init__(self, number: int, *, after: bool) -> None:
        self.number = number
        self.after = after
        self.burnt = False

    def before_write(self) -> None:
        """Raises when the process is dead, or dies before this write."""
        self.number -= 1
        if self.burnt or (self.number == 0 and not self.after):
            self.burnt = True
            raise Killed

    def after_write(self) -> None:
        """Raises when the process dies right after this write."""
        if self.number == 0:
            self.burnt = True
            raise Killed


class _Guarded:
    def __init__(self, store: Any, fuse: Fuse) -> None:
        self._store = store
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name not in _WRITES:
            return method

        async def guarded(*args: Any, **kwargs: Any) -> Any:
            self._fuse.before_write()
            result = await method(*args, **kwargs)
            self._fuse.after_write()
            return result

        return guarded


def crashing(stores: Stores, fuse: Fuse) -> Stores:
    """The same stores behind a fuse."""
    fields = dataclasses.fields(stores)
    return Stores(**{item.name: _Guarded(getattr(stores, item.name), fuse) for item in fields})
