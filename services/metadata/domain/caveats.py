"""What the data caveats of a token say of a place in the tree.

Each caveat is a list of places; a file is inside when it is at or below one of them, above when one of them
lies below it. All caveats must hold, so a file is inside only when it is inside for every one of them. What
lies above may be walked through and listed, with nothing in sight but the ways down.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from runtime.identity import DataCaveats, Identity

from .records import File


class Reached(enum.Enum):
    """How a file lies to what a token allows."""

    INSIDE = 0
    ABOVE = 1
    OUTSIDE = 2


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a file lies, and above allowed places the only names of its children that may be seen."""

    reached: Reached
    names: frozenset[str] | None = None


INSIDE = Reach(Reached.INSIDE)
OUTSIDE = Reach(Reached.OUTSIDE, frozenset())

#: A place a caveat names: the space id, then the names below it.
Place = tuple[str, ...]


def confines(identity: Identity) -> bool:
    """Whether the token is confined to places at all."""
    caveats = identity.caveats
    return caveats is not None and bool(caveats.paths or caveats.object_ids)


def path_places(paths: Sequence[str]) -> tuple[Place, ...]:
    """The places of one path caveat: canonical paths `/spaceId[/dir...]`."""
    return tuple(tuple(part for part in path.split("/") if part) for path in paths)


def object_uuid(object_id: str) -> str | None:
    """uuid inside a CDMI object id; None when it is none. The first 8 bytes are a header."""
    try:
        text = bytes.fromhex(object_id)[8:].decode()
    except ValueError:
        return None
    parts = text.split("#")
    return parts[1] if len(parts) == 3 and parts[0] == "guid" else None


def object_uuids(caveats: DataCaveats) -> frozenset[str]:
    """Every file that object id caveats name."""
    found = (object_uuid(item) for ids in caveats.object_ids for item in ids)
    return frozenset(uuid for uuid in found if uuid is not None)


def reach_of(chain: Sequence[File], caveats: DataCaveats, object_places: dict[str, Place | None]) -> Reach:
    """How the last file of `chain` lies to all caveats.

    `object_places`: where each file that an object id caveat names lies now; None when it is gone.
    """
    here = place_of(chain)
    reach = INSIDE
    for paths in caveats.paths:
        reach = _both(reach, _reach(here, path_places(paths)))
    for object_ids in caveats.object_ids:
        uuids = (object_uuid(item) for item in object_ids)
        places = (object_places.get(uuid) for uuid in uuids if uuid is not None)
        reach = _both(reach, _reach(here, tuple(place for place in places if place is not None)))
    return reach


def place_of(chain: Sequence[File]) -> Place:
    """The canonical path of the last file of `chain`."""
    return (chain[0].space_id, *(file.name for file in chain[1:]))


def _reach(here: Place, allowed: Sequence[Place]) -> Reach:
    names = set()
    for place in allowed:
        if here[: len(place)] == place:
            return INSIDE
        if place[: len(here)] == here:
            names.add(place[len(here)])
    return Reach(Reached.ABOVE, frozenset(names)) if names else OUTSIDE


def _both(one: Reach, other: Reach) -> Reach:
    if one.names is None:
        return other
    if other.names is None:
        return one
    names = one.names & other.names
    return Reach(Reached.ABOVE, names) if names else OUTSIDE
