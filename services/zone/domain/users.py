"""Users: made by administrators, changed by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from runtime.clock import Clock
from services.zone.domain import names, privileges
from services.zone.domain.access import Caller
from services.zone.domain.entities import Kind, User, user_ref
from services.zone.domain.errors import NotFound, Unauthorized
from services.zone.domain.identifiers import user_subject
from services.zone.domain.ids import new_id
from services.zone.domain.owners import Owners
from services.zone.domain.params import Params
from services.zone.domain.passwords import Passwords
from services.zone.domain.reach import reach_of
from services.zone.domain.stores import MembershipStore, SpaceStore, Taken, TokenStore, UserStore
from services.zone.domain.token_errors import BadBasicCredentials
from services.zone.domain.value_errors import BadValueIdentifierOccupied, MissingRequiredValue

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class UserStores:
    """What goes when a user goes."""

    users: UserStore
    tokens: TokenStore
    spaces: SpaceStore
    memberships: MembershipStore


class Users:
    """The accounts of a zone."""

    def __init__(self, stores: UserStores, owners: Owners, passwords: Passwords, clock: Clock) -> None:
        self._stores = stores
        self._owners = owners
        self._users = stores.users
        self._passwords = passwords
        self._clock = clock

    async def create(self, caller: Caller, body: Mapping[str, object]) -> User:
        """A user with a name and password to log in with, or with neither."""
        caller.allow("create", "od_user")
        caller.require_admin("oz_users_create")
        params = Params(body)
        username = params.find_text("username", empty=True)
        password = params.find_text("password", empty=True)
        if (username is None) != (password is None):
            raise MissingRequiredValue.of(key="username" if username is None else "password")
        full_name = params.find_text("fullName", empty=True)
        user = User(
            id=new_id(),
            full_name=names.check_full_name(full_name) if full_name is not None else names.DEFAULT_FULL_NAME,
            username=names.check_username(username) if username is not None else None,
            basic_auth_enabled=username is not None,
            created_at_ms=self._clock.now_ms(),
        )
        return await self.add(user, names.check_password(password) if password is not None else None)

    async def add(self, user: User, password: str | None) -> User:
        """Keeps a user whose values are checked already. Raises BadValueIdentifierOccupied."""
        hashed = await self._passwords.hash(password) if password is not None else None
        try:
            await self._users.create(user, hashed)
        except Taken:
            raise BadValueIdentifierOccupied.of(key="username") from None
        log.info("user_created", user_id=user.id)
        return user

    async def list_ids(self, caller: Caller) -> list[str]:
        """All users."""
        caller.allow("get", "od_user", aspect="list")
        caller.require_admin("oz_users_list")
        return await self._users.list_ids()

    async def get(self, caller: Caller, user_id: str) -> User:
        """Any user, as administrators see him."""
        user = await self.require(user_id)
        caller.allow("get", "od_user", user_id)
        caller.require(caller.is_admin("oz_users_view") or caller.subject == user_subject(user_id))
        return user

    async def check_store(self) -> None:
        """Raises Unavailable while the store is away."""
        await self._users.is_set_up()

    async def require(self, user_id: str) -> User:
        """The user; raises NotFound."""
        user = await self._users.find(user_id)
        if user is None:
            raise NotFound
        return user

    def current(self, caller: Caller, op: str = "get", aspect: str = "instance") -> User:
        """The caller himself, as far as his token lets him do this with his account."""
        user = caller.as_user()
        caller.allow(op, "od_user", user.id, aspect)
        return user

    async def rename(self, caller: Caller, body: Mapping[str, object]) -> None:
        """Full name and user name of the caller."""
        user = self.current(caller, "update")
        params = Params(body)
        params.at_least_one("fullName", "username")
        changes: dict[str, Any] = {}
        if "fullName" in params:
            changes["full_name"] = names.check_full_name(params.text("fullName", empty=True))
        if "username" in params:
            changes["username"] = names.check_username(params.text("username", empty=True))
        try:
            await self._users.update(user.id, changes)
        except Taken:
            raise BadValueIdentifierOccupied.of(key="username") from None

    async def change_password(self, caller: Caller, body: Mapping[str, object]) -> None:
        """The caller's password, who has to know the old one."""
        user = self.current(caller, "update", "password")
        params = Params(body)
        old = params.text("oldPassword", empty=True)
        new = names.check_password(params.text("newPassword", empty=True))
        stored = await self._users.password_hash(user.id)
        try:
            await self._passwords.check(user.username or user.id, old, stored, peer_ip=caller.peer_ip or "")
        except BadBasicCredentials as error:
            raise Unauthorized.because(error) from error
        await self._users.set_password_hash(user.id, await self._passwords.hash(new))
        log.info("password_changed", user_id=user.id)

    async def set_basic_auth(self, caller: Caller, user_id: str, body: Mapping[str, object]) -> None:
        """Log-in by password, and a new password, for any user."""
        await self.require(user_id)
        caller.allow("update", "od_user", user_id, "basic_auth")
        caller.require_admin("oz_users_manage_passwords")
        params = Params(body)
        params.at_least_one("basicAuthEnabled", "newPassword")
        enabled = params.boolean("basicAuthEnabled") if "basicAuthEnabled" in params else None
        if "newPassword" in params:
            password = names.check_password(params.text("newPassword", empty=True))
            await self._users.set_password_hash(user_id, await self._passwords.hash(password))
        if enabled is not None:
            await self._users.update(user_id, {"basic_auth_enabled": enabled})
        log.info("basic_auth_changed", user_id=user_id)

    async def set_block(self, caller: Caller, user_id: str, body: Mapping[str, object]) -> None:
        """Blocks a user or lets him in again. His tokens fail from now on."""
        await self.require(user_id)
        caller.allow("update", "od_user", user_id, "access_block")
        caller.require_admin("oz_users_update")
        blocked = Params(body).boolean("blocked")
        await self._users.update(user_id, {"blocked": blocked})
        log.info("user_block_changed", user_id=user_id, blocked=blocked)

    async def delete(self, caller: Caller, user_id: str) -> None:
        """Any user, by an administrator."""
        await self.require(user_id)
        caller.allow("delete", "od_user", user_id)
        caller.require_admin("oz_users_delete")
        await self._remove(user_id)

    async def delete_current(self, caller: Caller) -> None:
        """The caller himself."""
        await self._remove(self.current(caller, "delete").id)

    async def _remove(self, user_id: str) -> None:
        # Blocked first: no token of his is good, whatever is still to be cleaned. The account last: deleting
        # can be repeated for as long as something is left.
        await self._users.update(user_id, {"blocked": True})
        await self._stores.tokens.delete_all(user_subject(user_id))
        member = user_ref(user_id)
        above = await self._stores.memberships.above(member)
        for space in await self._stores.spaces.find_many(reach_of(member, above).ids(Kind.SPACE)):
            await self._owners.succeed(space, user_id)
        for each in above:
            if each.member == member:
                await self._stores.memberships.remove(each.target, member)
        await self._users.delete(user_id)
        log.info("user_deleted", user_id=user_id)

    async def admin_privileges(self, caller: Caller, user_id: str) -> list[str]:
        """The `oz_` privileges of a user; one's own always."""
        user = await self.require(user_id)
        caller.allow("get", "od_user", user_id, "privileges")
        caller.require(caller.is_admin("oz_view_privileges") or caller.subject == user_subject(user_id))
        return sorted(user.privileges)

    async def change_admin_privileges(self, caller: Caller, user_id: str, body: Mapping[str, object]) -> None:
        """Gives and takes `oz_` privileges."""
        await self.require(user_id)
        caller.allow("update", "od_user", user_id, "privileges")
        caller.require_admin("oz_set_privileges")
        params = Params(body)
        params.at_least_one("grant", "revoke")
        grant = params.texts("grant", allowed=privileges.ADMIN_ALL)
        revoke = params.texts("revoke", allowed=privileges.ADMIN_ALL)
        await self._users.change_privileges(user_id, grant=grant, revoke=revoke)
        log.info("admin_privileges_changed", user_id=user_id, grant=grant, revoke=revoke)
