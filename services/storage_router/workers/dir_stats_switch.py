"""Switches statistics of directories on and off as the zone says, and tells it how far they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import structlog

from runtime.errors import NotFound, SpaceNotSupported
from services.storage_router.domain.zone_news import SupportState

log = structlog.get_logger(__name__)

#: Spaces looked at in one round.
MAX_AT_ONCE = 100
_ON, _OFF = "enabled", "disabled"


class DirStatsRecords(Protocol):
    """Metadata, which counts."""

    async def dir_stats(self, space_id: str) -> str:
        """How far it is: `initializing`, `enabled`, `stopping`, `disabled`. SpaceNotSupported."""
        ...

    async def switch_dir_stats(self, space_id: str, *, enabled: bool) -> None:
        """Begins to count, or forgets all that was counted. Idempotent."""
        ...


class DirStatsAuthority(Protocol):
    """The zone, where it is switched."""

    async def report_dir_stats(self, space_id: str, status: str) -> None:
        """Tells it how far it is. NotFound for a space that is not supported any more."""
        ...


class DirStatsSwitch:
    """Looks after the spaces where the zone waits for a switch to be done.

    What an operator of the provider switches himself is left as it is: the zone did not ask for it.
    """

    def __init__(self, records: DirStatsRecords, authority: DirStatsAuthority) -> None:
        self._records = records
        self._authority = authority
        #: Whether it is wanted, by space.
        self._wanted: dict[str, bool] = {}

    def note(self, states: Iterable[SupportState], ended: Iterable[str] = ()) -> None:
        """What the zone says of supports."""
        for state in states:
            space_id, wanted = state.support.space_id, state.dir_stats_enabled
            self._wanted.pop(space_id, None)
            if state.dir_stats_status != _final(wanted):
                self._wanted[space_id] = wanted
        for space_id in ended:
            self._wanted.pop(space_id, None)

    async def run_once(self) -> int:
        """Does what is asked for and tells what is done. The zone answers by telling how it is then, so 0."""
        for space_id, wanted in list(self._wanted.items())[:MAX_AT_ONCE]:
            try:
                await self._look_after(space_id, wanted=wanted)
            except (NotFound, SpaceNotSupported):
                # Its support has just ended, or has just begun and is not known to metadata yet.
                log.info("dir_stats_not_switched", space_id=space_id)
        return 0

    async def _look_after(self, space_id: str, *, wanted: bool) -> None:
        status = await self._records.dir_stats(space_id)
        if status == _final(wanted):
            await self._authority.report_dir_stats(space_id, status)
        elif status != ("initializing" if wanted else "stopping"):
            await self._records.switch_dir_stats(space_id, enabled=wanted)
            log.info("dir_stats_switched", space_id=space_id, enabled=wanted)


def _final(wanted: bool) -> str:
    return _ON if wanted else _OFF
