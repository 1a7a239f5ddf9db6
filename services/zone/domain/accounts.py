"""Which user has an account elsewhere; who comes with an account that nobody has becomes a new user."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace

import structlog

from runtime.clock import Clock
from services.zone.domain import names
from services.zone.domain.access import Caller
from services.zone.domain.audit import AuditLog, Outcome
from services.zone.domain.entities import LinkedAccount, User
from services.zone.domain.errors import NotFound
from services.zone.domain.identifiers import user_subject
from services.zone.domain.ids import new_id
from services.zone.domain.stores import Taken, UserStore
from services.zone.domain.value_errors import BadValueIdentifierOccupied

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Arrival:
    """An account that its identity provider has vouched for, and in what request."""

    account: LinkedAccount
    peer_ip: str | None
    request_id: str


class Accounts:
    """Finds, links and makes the users of accounts."""

    def __init__(self, users: UserStore, audit: AuditLog, clock: Clock) -> None:
        self._users = users
        self._audit = audit
        self._clock = clock

    async def user_of(self, arrival: Arrival) -> User:
        """Who has the account; a new user where nobody has it. What is known of the account is renewed."""
        account = arrival.account
        known = await self._users.find_by_account(account.idp, account.subject_id)
        if known is not None:
            return await self._linked(known.id, account)
        try:
            return await self._made(arrival)
        except Taken:
            # The same account came twice at a time.
            known = await self._users.find_by_account(account.idp, account.subject_id)
            if known is None:
                raise NotFound from None
            return known

    async def link(self, arrival: Arrival, user_id: str) -> User:
        """From now on this user has the account. BadValueIdentifierOccupied when another one has it."""
        async with self._noted(arrival, "link_account", user_id):
            return await self._linked(user_id, arrival.account)

    async def _linked(self, user_id: str, account: LinkedAccount) -> User:
        """Links the account, or renews what is known of it."""
        try:
            if not await self._users.link_account(user_id, account):
                raise NotFound
        except Taken:
            raise BadValueIdentifierOccupied.of(key="linkedAccount") from None
        user = await self._users.find(user_id)
        if user is None:
            raise NotFound
        return user

    async def _made(self, arrival: Arrival) -> User:
        account = arrival.account
        user = User(
            id=new_id(),
            full_name=names.DEFAULT_FULL_NAME,
            emails=account.emails,
            created_at_ms=self._clock.now_ms(),
            linked_accounts=(account,),
        )
        if names.is_full_name(account.full_name):
            user = replace(user, full_name=account.full_name)
        async with self._noted(arrival, "create_user_by_login", user.id):
            await self._users.create(user, None)
        log.info("user_created", user_id=user.id, idp=account.idp)
        return user

    def _noted(self, arrival: Arrival, action: str, user_id: str) -> AbstractAsyncContextManager[Outcome]:
        """Around what the user, known by his account, does to himself."""
        account = arrival.account
        himself = Caller(user_subject(user_id), peer_ip=arrival.peer_ip)
        details = {"idp": account.idp, "subjectId": account.subject_id}
        return self._audit.noted(himself, action, (user_id,), details, request_id=arrival.request_id)
