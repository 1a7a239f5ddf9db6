"""What every route needs: who asks, what he sent, and where things are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import Request, Response

from services.zone.api.rest.http import BASE_PATH, caller_of, created, json_body, request_id_of
from services.zone.api.services import ZoneInfo, ZoneServices
from services.zone.domain.access import Caller


class Door:
    """Handed to the functions that make routes."""

    def __init__(self, zone: ZoneServices, info: ZoneInfo) -> None:
        self.zone = zone
        self.info = info

    async def caller(self, request: Request) -> Caller:
        """Who asks. On a route that changes something, this begins the note of it."""
        caller = await caller_of(request, self.zone.authenticator)
        await self._note(request, caller, {})
        return caller

    async def caller_and_body(self, request: Request) -> tuple[Caller, dict[str, Any]]:
        """Who asks, then what he sent: bad credentials are told before a bad body."""
        caller = await caller_of(request, self.zone.authenticator)
        body = await json_body(request)
        await self._note(request, caller, body)
        return caller, body

    async def _note(self, request: Request, caller: Caller, body: Mapping[str, Any]) -> None:
        action = getattr(request.state, "action", None)
        # Nobody in particular may only register a provider, and is let in by the invitation.
        if action is None or (caller.is_guest and action != "register_provider"):
            return
        request.state.noting = await self.zone.audit.begin(
            caller,
            action,
            tuple(request.path_params.values()),
            body,
            request_id=request_id_of(request),
        )

    def created(self, path: str) -> Response:
        """201 with the place of the new thing; `path` is below the API's base."""
        return created(f"https://{self.info.domain}{BASE_PATH}{path}")


def ids(key: str, values: Iterable[str]) -> dict[str, list[str]]:
    """A list as REST has them, e.g. `{"spaces": [...]}`."""
    return {key: list(values)}
