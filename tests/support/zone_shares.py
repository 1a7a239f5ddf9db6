"""The zone's shares in a dictionary, which may be away, or refuse."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from runtime.errors import IsthmusError
from services.metadata.domain.shares import NoSuchShare, Requester, Share


@dataclass
class ZoneSharesTwin:
    """`ZoneShares`. `fails`: what every call raises; `lost`: creations happen, but their answers are lost."""

    shares: dict[str, Share] = field(default_factory=dict)
    fails: IsthmusError | None = None
    lost: IsthmusError | None = None
    #: For whom something was done last.
    by: Requester | None = None

    async def create(self, share: Share, by: Requester) -> None:
        self._answer()
        self.by = by
        self.shares[share.share_id] = share
        if self.lost is not None:
            raise self.lost

    async def find(self, share_id: str) -> Share | None:
        self._answer()
        return self.shares.get(share_id)

    async def update(
        self, share_id: str, by: Requester, *, name: str | None, description: str | None
    ) -> None:
        self._answer()
        self.by = by
        share = self.shares.get(share_id)
        if share is None:
            raise NoSuchShare
        changes = {"name": name, "description": description}
        given = {key: value for key, value in changes.items() if value is not None}
        self.shares[share_id] = replace(share, **given)

    async def delete(self, share_id: str, by: Requester) -> None:
        self._answer()
        self.by = by
        self.shares.pop(share_id, None)

    def _answer(self) -> None:
        if self.fails is not None:
            raise self.fails
