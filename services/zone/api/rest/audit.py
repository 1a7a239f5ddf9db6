"""What is noted of every request that changes something, and the route that shows it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from services.zone.api.rest.door import Door
from services.zone.api.rest.http import reply
from services.zone.domain.entities import Note


class NotedRoute(APIRoute):
    """A route whose changes are noted: `Door` begins the note once it knows who asks, this completes it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_noted(request: Request) -> Response:
            request.state.action = self.name
            request.state.noting = None
            try:
                answer = await handle(request)
            except BaseException as error:
                if request.state.noting is not None:
                    await request.state.noting.fail(error)
                raise
            if request.state.noting is not None:
                await request.state.noting.finish(_new_ids(request, answer))
            return answer

        only_looks = self.methods == {"GET"} or self.name.startswith("verify_")
        return handle if only_looks else handle_noted


def _new_ids(request: Request, answer: Response) -> list[str]:
    """The id of what was made; only `location` says it."""
    new_id = answer.headers.get("location", "").rpartition("/")[2]
    return [new_id] if new_id and new_id not in request.path_params.values() else []


def audit_routes(door: Door) -> APIRouter:
    """The notes, for administrators."""
    router = APIRouter(prefix="/audit", tags=["audit"])

    @router.get("")
    async def list_audit(request: Request) -> Response:
        """The latest changes first; `who`, `about`, `before` and `limit` choose."""
        caller = await door.caller(request)
        notes = await door.zone.audit.list(caller, dict(request.query_params))
        return reply({"notes": [_view(note) for note in notes]})

    return router


def _view(note: Note) -> dict[str, Any]:
    return {
        "id": note.id,
        "time": note.at_ms / 1000,
        "who": note.who,
        "onBehalfOf": note.on_behalf_of or None,
        "from": note.peer_ip,
        "action": note.action,
        "about": list(note.about),
        "details": note.details,
        "requestId": note.request_id,
        "done": note.done,
    }
