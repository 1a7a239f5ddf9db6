"""What a provider does for a space besides keeping its data: accounting, statistics of directories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.identity import SpacePrivilege as P
from services.zone.domain.access import Caller
from services.zone.domain.entities import Provider, Space, SupportParameters
from services.zone.domain.errors import NotFound
from services.zone.domain.params import Params
from services.zone.domain.providers import Providers
from services.zone.domain.rights import Rights
from services.zone.domain.spaces import Spaces
from services.zone.domain.stores import SpaceStore
from services.zone.domain.value_errors import BadData

STATUSES = ("initializing", "enabled", "stopping", "disabled")


class SupportParameterRules:
    """Who may switch what on and off. Accounting needs the statistics."""

    def __init__(self, spaces: Spaces, store: SpaceStore, providers: Providers, rights: Rights) -> None:
        self._spaces = spaces
        self._store = store
        self._providers = providers
        self._rights = rights

    async def update(
        self, caller: Caller, space_id: str, provider_id: str, body: Mapping[str, object]
    ) -> None:
        """Sets what is given of `accountingEnabled`, `dirStatsServiceEnabled`, `dirStatsServiceStatus`."""
        space = await self._spaces.require(space_id)
        if provider_id not in space.sizes():
            raise NotFound
        caller.allow("update", "od_space", space_id, f"support_parameters,{provider_id}")
        params = Params(body)
        await self._demand(caller, space, await self._providers.require(provider_id), params)
        params.at_least_one("accountingEnabled", "dirStatsServiceEnabled", "dirStatsServiceStatus")
        changes = _changes(params, space.parameters_at(provider_id))
        if not await self._store.set_parameters(space_id, provider_id, changes):
            raise NotFound

    async def _demand(self, caller: Caller, space: Space, provider: Provider, params: Params) -> None:
        is_own_admin = caller.user is not None and caller.user.id == provider.admin_user_id
        is_admin = is_own_admin or caller.is_admin("oz_spaces_update")
        is_provider = caller.provider_id == provider.id
        may = {
            "accountingEnabled": is_admin,
            "dirStatsServiceEnabled": is_admin or is_provider,
            # How far it is only the provider knows.
            "dirStatsServiceStatus": is_provider,
        }
        needed = [key for key in may if key in params]
        if needed == ["dirStatsServiceEnabled"] and not may["dirStatsServiceEnabled"]:
            may["dirStatsServiceEnabled"] = await self._rights.may(caller, space, P.UPDATE)
        known = is_admin or is_provider or await self._rights.of(space, caller.subject.id) is not None
        caller.require(all(may[key] for key in needed) if needed else known)


def _changes(params: Params, now: SupportParameters) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if "accountingEnabled" in params:
        changes["accounting_enabled"] = params.boolean("accountingEnabled")
    if "dirStatsServiceEnabled" in params:
        enabled = params.boolean("dirStatsServiceEnabled")
        changes["dir_stats_enabled"] = enabled
        if enabled != now.dir_stats_enabled:
            # Until the provider reports that it is there.
            changes["dir_stats_status"] = "initializing" if enabled else "stopping"
    if "dirStatsServiceStatus" in params:
        changes["dir_stats_status"] = params.choice("dirStatsServiceStatus", STATUSES)
    accounting = changes.get("accounting_enabled", now.accounting_enabled)
    if accounting and not changes.get("dir_stats_enabled", now.dir_stats_enabled):
        hint = "Accounting needs the statistics of directories: enable both, or disable accounting first."
        raise BadData.of(key="dirStatsServiceEnabled", hint=hint)
    return changes
