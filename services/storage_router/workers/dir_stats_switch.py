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

    async def request_dir_stats(self, space_id: str, *, enabled: bool) -> None:
        """Switches it for this provider. NotFound for a space that is not supported, InvalidArgument."""
        ...

    async def report_dir_stats(self, space_id: str, status: str) -> None:
        """Tells it how far it is. NotFound for a space that is not supported any more."""
        ...


class DirStatsSwitch:
    """Makes statistics of each space what the zone says, whoever told it: it alone decides.

    Each space is looked at whenever the zone tells of it, until it is as it is to be. So what was missed, in
    whatever way, is made good.
    """

    def __init__(self, records: DirStatsRecords, authority: DirStatsAuthority) -> None:
        self._records = records
        self._authority = authority
        #: What the zone said last of the spaces that have to be looked at.
        self._told: dict[str, SupportState] = {}

    def note(self, states: Iterable[SupportState], ended: Iterable[str] = ()) -> None:
        """What the zone says of supports."""
        for state in states:
            self._told[state.support.space_id] = state
        for space_id in ended:
            self._told.pop(space_id, None)

    async def switch(self, space_id: str, *, enabled: bool) -> None:
        """Tells the zone what an operator wants; it tells us then. SpaceNotSupported, InvalidArgument,
        Unavailable."""
        try:
            await self._authority.request_dir_stats(space_id, enabled=enabled)
        except NotFound:
            raise SpaceNotSupported(space_id=space_id) from None

    async def run_once(self) -> int:
        """Does what is asked for and tells what is done. The zone answers by telling how it is then, so 0."""
        for space_id, state in list(self._told.items())[:MAX_AT_ONCE]:
            is_settled = False
            try:
                is_settled = await self._look_after(space_id, state)
            except NotFound:
                # Its support has just ended, or has just begun and is not known to metadata yet.
                log.info("dir_stats_not_switched", space_id=space_id)
            if self._told.get(space_id) is state:
                # Who is not there yet comes last in the next round, so that many of them hold up nobody.
                del self._told[space_id]
                if not is_settled:
                    self._told[space_id] = state
        return 0

    async def _look_after(self, space_id: str, state: SupportState) -> bool:
        """Whether all is as it is to be, and the zone knows."""
        wanted = state.dir_stats_enabled
        status = await self._records.dir_stats(space_id)
        if status == _final(wanted):
            if state.dir_stats_status != status:
                await self._authority.report_dir_stats(space_id, status)
            return True
        if status != ("initializing" if wanted else "stopping"):
            await self._records.switch_dir_stats(space_id, enabled=wanted)
            log.info("dir_stats_switched", space_id=space_id, enabled=wanted)
        return False


def _final(wanted: bool) -> str:
    return _ON if wanted else _OFF
