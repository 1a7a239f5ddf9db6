"""Which spaces this provider supports, asked of metadata and remembered for a short while.

Needed only where somebody names a space that is not his: to tell a stranger (403) from gibberish (400).
"""

from __future__ import annotations

from collections import OrderedDict

from isthmus.metadata.v1 import spaces_pb2

from clients.metadata import MetadataClient
from runtime.clock import Clock
from runtime.errors import InvalidArgument, NotFound

_REMEMBER_S = 5.0
_MAX_REMEMBERED = 4096
_MAX_ID_LENGTH = 128


class SupportedSpaces:
    """Answers are believed for a few seconds; the memory is bounded."""

    def __init__(self, metadata: MetadataClient, clock: Clock) -> None:
        self._metadata = metadata
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, bool]] = OrderedDict()

    async def is_supported(self, space_id: str) -> bool:
        """Whether this provider keeps the space. Raises Unavailable when metadata is away."""
        if not 0 < len(space_id) <= _MAX_ID_LENGTH or not space_id.isprintable():
            return False
        known = self._known.get(space_id)
        if known is not None and self._clock.monotonic_s() < known[0]:
            return known[1]
        supported = await self._ask(space_id)
        self._known[space_id] = (self._clock.monotonic_s() + _REMEMBER_S, supported)
        self._known.move_to_end(space_id)
        if len(self._known) > _MAX_REMEMBERED:
            self._known.popitem(last=False)
        return supported

    async def _ask(self, space_id: str) -> bool:
        try:
            await self._metadata.get_space_usage(spaces_pb2.GetSpaceUsageRequest(space_id=space_id))
        except (NotFound, InvalidArgument):
            return False
        return True
