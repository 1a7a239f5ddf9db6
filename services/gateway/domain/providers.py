"""Who supports which spaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SupportingProvider:
    """A provider of a space, and its storages that support the space."""

    provider_id: str
    name: str
    storage_ids: tuple[str, ...]


class SpaceProviders(Protocol):
    """Who supports which spaces, as the zone knows it."""

    async def of_spaces(self, space_ids: Sequence[str]) -> Mapping[str, Sequence[SupportingProvider]]:
        """By space, its providers by id; spaces that are gone are left out.

        Raises `NoConnectionToOnezone` for what is not known while the zone is away.
        """
        ...
