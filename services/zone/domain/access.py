"""Who asks the zone for something, and what his token leaves him.

The order of checks is the same everywhere: the thing exists (404), the token's caveats allow the operation
(401), the caller is entitled (401 for a guest, else 403), then the parameters (400).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.zone.domain import caveat_forms
from services.zone.domain.caveats import (
    ApiCaveat,
    Caveat,
    ObjectIdCaveat,
    Operation,
    PathCaveat,
    ServiceCaveat,
    restricts_api,
)
from services.zone.domain.entities import User
from services.zone.domain.errors import Forbidden, Unauthorized
from services.zone.domain.identifiers import NOBODY, Subject, SubjectType
from services.zone.domain.token_errors import TokenCaveatUnverified

#: The space an object id lies in, or None for what is no object id.
SpaceOfObject = Callable[[str], str | None]

_FOR_PROVIDERS = frozenset(
    {"od_user", "od_group", "od_space", "od_provider", "od_share", "od_handle", "od_handle_service"}
)


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated subject of a request. `user` is set exactly for users."""

    subject: Subject = NOBODY
    user: User | None = None
    caveats: tuple[Caveat, ...] = ()
    peer_ip: str | None = None
    space_of_object: SpaceOfObject | None = None

    @property
    def is_guest(self) -> bool:
        """Whether nobody in particular asks."""
        return self.subject == NOBODY

    @property
    def provider_id(self) -> str | None:
        """The provider, when one asks."""
        return self.subject.id if self.subject.type is SubjectType.PROVIDER else None

    def as_user(self) -> User:
        """The user; 401 for a guest, 403 for a provider."""
        self.require(self.user is not None)
        assert self.user is not None  # noqa: S101 -- what `require` has just made sure
        return self.user

    def as_provider(self) -> str:
        """The id of the provider; 401 for a guest, 403 for a user."""
        provider_id = self.provider_id
        self.require(provider_id is not None)
        return provider_id or ""

    def require(self, entitled: bool) -> None:
        """Refuses who is not entitled."""
        if entitled:
            return
        raise Unauthorized if self.is_guest else Forbidden

    def is_admin(self, *privileges: str) -> bool:
        """Whether the user has these `oz_` privileges."""
        return self.user is not None and self.user.privileges.issuperset(privileges)

    def require_admin(self, *privileges: str) -> None:
        """Refuses who lacks one of these `oz_` privileges."""
        self.require(self.is_admin(*privileges))

    def allow(self, op: str, entity: str, id: str = "null", aspect: str = "instance") -> None:
        """Refuses (401) an operation that the caveats of the token leave out."""
        operation = Operation(op, entity, id or "null", aspect)
        for caveat in self.caveats:
            if not self._leaves(caveat, operation):
                raise Unauthorized.because(TokenCaveatUnverified.of(caveat=caveat.to_json()))

    def _leaves(self, caveat: Caveat, operation: Operation) -> bool:
        if isinstance(caveat, ApiCaveat):
            return caveat.covers("ozw", operation)
        if isinstance(caveat, ServiceCaveat) and caveat.only_providers:
            return operation.entity in _FOR_PROVIDERS and operation.op == "get"
        if restricts_api(caveat):
            return self._is_plain_read(operation) and (
                operation.entity != "od_space"
                or allows_space([caveat], operation.id, self.space_of_object or _no_space)
            )
        return True

    def _is_plain_read(self, operation: Operation) -> bool:
        """Whether it reads the own user, a share or a space, and nothing around them."""
        if operation.op != "get" or operation.aspect != "instance":
            return False
        if operation.entity == "od_user":
            return operation.id == self.subject.id
        return operation.entity in ("od_share", "od_space")


def _no_space(_object_id: str) -> None:
    return None


def allows_space(caveats: Sequence[Caveat], space_id: str, space_of_object: SpaceOfObject) -> bool:
    """Whether the data caveats leave anything of a space."""
    for caveat in caveats:
        if isinstance(caveat, PathCaveat):
            spaces = {caveat_forms.space_of_path(path) for path in caveat.whitelist}
        elif isinstance(caveat, ObjectIdCaveat):
            spaces = {found for item in caveat.whitelist if (found := space_of_object(item))}
        else:
            continue
        if space_id not in spaces:
            return False
    return True


GUEST = Caller()
