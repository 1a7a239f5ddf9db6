"""Where in a listing the children with large numbers are, as far as earlier requests have found out.

Names are told by their number, and the store knows no numbers: to find the millionth a million are walked by.
So it is remembered on the way where pages began. A mark is good as long as the directory has not changed
since, which its modification time tells.
"""

from __future__ import annotations

import bisect
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from services.gateway.api.cdmi.nodes import Node

#: Directories whose marks are kept, and marks of one directory.
MAX_DIRECTORIES = 256
MAX_MARKS = 256
#: A directory that changed a moment ago may change again in the same millisecond, unseen.
_SETTLED_MS = 10_000


@dataclass(frozen=True, slots=True)
class Mark:
    """`token` leads to the page that begins with this number."""

    position: int = 0
    token: str = ""


@dataclass(slots=True)
class _Known:
    """What is known of a directory as it was at this modification time. `count`: of all children."""

    mtime_ms: int
    positions: list[int] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    count: int | None = None


class Positions:
    """Marks of many directories; those not asked for longest are forgotten first."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()

    def before(self, node: Node, position: int) -> Mark:
        """The last mark that is not behind a position."""
        known = self._find(node)
        index = bisect.bisect_right(known.positions, position) - 1 if known else -1
        if known is None or index < 0:
            return Mark()
        return Mark(known.positions[index], known.tokens[index])

    def count(self, node: Node) -> int | None:
        """How many children there are, if that is known."""
        known = self._find(node)
        return known.count if known else None

    def note(self, node: Node, mark: Mark) -> None:
        """Remembers a mark; of too many every second goes."""
        known = self._of(node)
        if known is None or not mark.token:
            return
        index = bisect.bisect_left(known.positions, mark.position)
        if index < len(known.positions) and known.positions[index] == mark.position:
            return
        known.positions.insert(index, mark.position)
        known.tokens.insert(index, mark.token)
        if len(known.positions) > MAX_MARKS:
            # The last one stays: whoever walks on begins there.
            del known.positions[-2::-2], known.tokens[-2::-2]

    def note_count(self, node: Node, count: int) -> None:
        """Remembers how many there are."""
        known = self._of(node)
        if known is not None:
            known.count = count

    def _find(self, node: Node) -> _Known | None:
        key = (node.file.space_id, node.file.file_id)
        known = self._known.get(key)
        if known is None or known.mtime_ms != node.file.mtime_ms or _is_confined(node):
            return None
        self._known.move_to_end(key)
        return known

    def _of(self, node: Node) -> _Known | None:
        """What is known, from now on; nothing of what is changing, or is not told in full."""
        if _is_confined(node) or time.time() * 1000 - node.file.mtime_ms < _SETTLED_MS:
            return None
        known = self._find(node)
        if known is None:
            known = self._known[node.file.space_id, node.file.file_id] = _Known(node.file.mtime_ms)
            if len(self._known) > MAX_DIRECTORIES:
                self._known.popitem(last=False)
        return known


def _is_confined(node: Node) -> bool:
    """Whether the token sees some of the names only."""
    caveats = node.identity.caveats
    return node.is_top or (caveats is not None and bool(caveats.paths or caveats.object_ids))
