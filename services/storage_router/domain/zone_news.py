"""What the zone tells this provider of its supports and storages."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from services.storage_router.domain.storages import PublicPart, Support


@dataclass(frozen=True, slots=True)
class SupportState:
    """A support as it is now, and whether directories are to be counted.

    `dir_stats_status`: as the zone knows it, `initializing`, `enabled`, `stopping` or `disabled`.
    """

    support: Support
    dir_stats_enabled: bool = False
    dir_stats_status: str = "disabled"


@dataclass(frozen=True, slots=True)
class ZoneNews:
    """What is told at once.

    `ended`: revisions as of which spaces are supported no more; `storages`: those that the zone
    knows, by id; `forgotten`: ids of those that it knows no more. `caught_up`: all that the zone knows was
    told.
    """

    supports: Sequence[SupportState] = ()
    ended: Mapping[str, int] = field(default_factory=dict)
    storages: Mapping[str, PublicPart] = field(default_factory=dict)
    forgotten: Collection[str] = ()
    caught_up: bool = False
