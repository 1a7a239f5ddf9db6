"""The first start of a zone: its first administrator, made once however many zones start at once."""

from __future__ import annotations

import secrets
from typing import Protocol

import structlog

from runtime.clock import Clock
from services.zone.domain import names, privileges
from services.zone.domain.entities import User
from services.zone.domain.ids import new_id
from services.zone.domain.passwords import Passwords
from services.zone.domain.stores import Taken, UserStore
from services.zone.domain.token_errors import BadBasicCredentials

log = structlog.get_logger(__name__)

ADMIN_USERNAME = "admin"


class PasswordFile(Protocol):
    """Where the first password is handed over, readable by the operator only."""

    def read_or_create(self, fresh: str) -> tuple[str, bool]:
        """What is in the file, else `fresh`, written there. The flag: whether this call wrote it."""
        ...

    def remove(self) -> None:
        """Takes away a file that this start wrote."""
        ...


class FirstStart:
    """Makes the first administrator with all privileges over the zone, unless there ever was one."""

    def __init__(
        self, users: UserStore, passwords: Passwords, password_file: PasswordFile, clock: Clock
    ) -> None:
        self._users = users
        self._passwords = passwords
        self._file = password_file
        self._clock = clock

    async def run(self) -> None:
        """Safe to repeat, after a crash at any point too, and in several zones at the same time."""
        if await self._users.is_set_up():
            return
        password, written = self._file.read_or_create(secrets.token_urlsafe(18))
        names.check_password(password)
        admin = User(
            id=new_id(),
            full_name="Administrator",
            username=ADMIN_USERNAME,
            basic_auth_enabled=True,
            privileges=frozenset(privileges.ADMIN_ALL),
            created_at_ms=self._clock.now_ms(),
        )
        try:
            await self._users.create(admin, await self._passwords.hash(password))
        except Taken:
            await self._lost_the_race(password, written=written)
            return
        await self._users.mark_set_up(admin.id)
        log.info("first_admin_created", user_id=admin.id)

    async def _lost_the_race(self, password: str, *, written: bool) -> None:
        """Another zone made him. Its password counts, so a file that says something else has to go."""
        winner = await self._users.find_by_username(ADMIN_USERNAME)
        if winner is None:
            return
        await self._users.mark_set_up(winner.id)
        stored = await self._users.password_hash(winner.id)
        try:
            await self._passwords.check(ADMIN_USERNAME, password, stored)
        except BadBasicCredentials:
            if written:
                self._file.remove()
