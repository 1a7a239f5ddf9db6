"""Whether there is room on the disk of the database.

A MongoDB server that finds its disk full dies, and does not start again before somebody makes room; then
nothing can be read either. So writing is stopped while a reserve is left, and goes on when there is more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from pymongo import MongoClient

from runtime.errors import Unavailable

log = structlog.get_logger(__name__)

#: How often the disk is looked at, in seconds.
LOOK_INTERVAL_S = 5.0
#: So much more than the reserve has to be free before writing goes on: it must not flutter.
_AGAIN = 1.2


class DatabaseFull(Unavailable):
    """The disk of the database is full: nothing is written until there is room."""

    reason = "DATABASE_FULL"


class DiskWatch:
    """Looks at the disk of a database's server, and refuses writes while it is full.

    `reserve_bytes`: what has to be free; on a small disk a tenth of it at most. `tell`: called with the news
    whenever it fills up or has room again.
    """

    def __init__(
        self,
        client: MongoClient[dict[str, Any]],
        database: str,
        *,
        reserve_bytes: int,
        tell: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._database = database
        self._reserve_bytes = reserve_bytes
        self.tell = tell
        self.is_full = False

    def check(self) -> None:
        """Raises DatabaseFull."""
        if self.is_full:
            raise DatabaseFull

    def measure(self) -> tuple[int, int]:
        """Bytes that are free, and all there are. Asks the server: blocks, raises what the driver raises."""
        stats = self._client[self._database].command("dbStats")
        total_bytes = int(stats["fsTotalSize"])
        return total_bytes - int(stats["fsUsedSize"]), total_bytes

    def learn(self, free_bytes: int, total_bytes: int) -> None:
        """Judges what was found. Not in a thread: whoever is told is on the loop."""
        reserve_bytes = min(self._reserve_bytes, total_bytes // 10)
        is_full = free_bytes < (_AGAIN * reserve_bytes if self.is_full else reserve_bytes)
        if is_full == self.is_full:
            return
        self.is_full = is_full
        if is_full:
            log.error("database_full", free_bytes=free_bytes, reserve_bytes=reserve_bytes)
        else:
            log.info("database_has_room", free_bytes=free_bytes)
        self.tell(is_full)
