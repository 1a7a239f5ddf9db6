"""Looks for storages and supports that other instances added or removed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from services.storage_router.domain.catalog import Catalog


class CatalogRefresher:
    """Keeps the catalog as young as the interval it runs at. `prepare` readies the store, once."""

    def __init__(self, catalog: Catalog, prepare: Callable[[], Awaitable[None]]) -> None:
        self._catalog = catalog
        self._prepare = prepare
        self._is_prepared = False

    async def run_once(self) -> int:
        """One look; 0, for there is never more to see at once."""
        if not self._is_prepared:
            await self._prepare()
            self._is_prepared = True
        await self._catalog.refresh()
        return 0
