"""Who changed what in the zone, when, and from where.

Every request that changes something is noted before it is done, and the note is completed after. One that was
refused leaves none, nor does one that found all as it asks for; one whose process died leaves a note that
says it may have been done. So nothing is done without a note.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from runtime.clock import Clock
from runtime.errors import IsthmusError, Unavailable
from services.zone.domain.access import Caller
from services.zone.domain.entities import Note
from services.zone.domain.identifiers import user_subject
from services.zone.domain.params import Params
from services.zone.domain.stores import AuditStore, Taken

#: Parameters that hold secrets; of these only that they were given is noted.
SECRET = frozenset({"password", "oldPassword", "newPassword", "token", "macaroon"})
MAX_DETAILS_BYTES = 4096
MAX_PAGE = 1000
DEFAULT_PAGE = 100


@dataclass(frozen=True, slots=True)
class OnBehalfOf:
    """The user for whom a provider acts, as it says. `peer_ip`: where his request came from, if known."""

    user_id: str
    peer_ip: str = ""


@dataclass(slots=True)
class Outcome:
    """What a change came to. `also_about`: ids that became known by it; `unchanged`: all was so already."""

    also_about: list[str] = field(default_factory=list)
    unchanged: bool = False


class Noting:
    """A note of a change under way."""

    def __init__(self, store: AuditStore, note: Note) -> None:
        self._store = store
        self._note = note

    async def finish(self, also_about: Iterable[str] = ()) -> None:
        """It is done. `also_about`: ids that were not known before."""
        done = replace(self._note, about=(*self._note.about, *also_about), done=True)
        await self._store.finish(done)

    async def forget(self) -> None:
        """Nothing was changed."""
        await self._store.cancel(self._note.id)

    async def fail(self, error: BaseException) -> None:
        """It came to an error: a refusal leaves no note, anything else may have been done."""
        if isinstance(error, (IsthmusError, Taken)) and not isinstance(error, Unavailable):
            await self.forget()


class AuditLog:
    """Writes notes, and shows them to administrators."""

    def __init__(self, store: AuditStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def begin(
        self,
        caller: Caller,
        action: str,
        about: Sequence[str],
        details: Mapping[str, Any],
        *,
        request_id: str,
        behalf: OnBehalfOf | None = None,
    ) -> Noting:
        """Before a change. Raises Unavailable when it can't be noted; then it must not be done."""
        now_ms = self._clock.now_ms()
        note = Note(
            id=f"{now_ms:012x}{secrets.token_hex(6)}",
            at_ms=now_ms,
            who=caller.subject.code,
            peer_ip=(behalf.peer_ip if behalf else caller.peer_ip) or "",
            action=action,
            about=tuple(about),
            details=_told(details),
            request_id=request_id,
            on_behalf_of=user_subject(behalf.user_id).code if behalf and behalf.user_id else "",
        )
        await self._store.begin(note)
        return Noting(self._store, note)

    @asynccontextmanager
    async def noted(
        self,
        caller: Caller,
        action: str,
        about: Sequence[str],
        details: Mapping[str, Any],
        *,
        request_id: str,
        behalf: OnBehalfOf | None = None,
    ) -> AsyncIterator[Outcome]:
        """Around a change, which tells what it comes to."""
        outcome = Outcome()
        noting = await self.begin(caller, action, about, details, request_id=request_id, behalf=behalf)
        try:
            yield outcome
        except BaseException as error:
            await noting.fail(error)
            raise
        if outcome.unchanged:
            await noting.forget()
        else:
            await noting.finish(outcome.also_about)

    async def list(self, caller: Caller, query: Mapping[str, object]) -> list[Note]:
        """The latest notes first. `who` (did it, or had a provider do it), `about`: only those; `before`: the
        last id of the page before."""
        caller.allow("get", "od_audit", aspect="list")
        caller.require_admin("oz_view_privileges")
        params = Params(query)
        limit = params.integer("limit", low=1) if "limit" in params else DEFAULT_PAGE
        return await self._store.list(
            who=params.find_text("who"),
            about=params.find_text("about"),
            before=params.find_text("before"),
            limit=min(limit, MAX_PAGE),
        )


def _told(details: Mapping[str, Any]) -> dict[str, Any]:
    told = {key: "..." if key in SECRET else value for key, value in details.items()}
    # What is too long to keep was still asked for: say which parameters.
    return told if len(orjson.dumps(told)) <= MAX_DETAILS_BYTES else dict.fromkeys(told, "...")
