"""What the rules need kept, and what each keeping promises.

Every method is one atomic step unless it says otherwise, and is durable when it returns. Two zones may work
on the same store. Methods raise Unavailable while the store is away.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from services.zone.domain.entities import (
    Group,
    Kind,
    Lane,
    LinkedAccount,
    Membership,
    NamedToken,
    Note,
    Provider,
    Ref,
    Share,
    Space,
    Storage,
    Support,
    TemporarySecret,
    User,
)
from services.zone.domain.identifiers import Subject


class Taken(Exception):
    """A unique value is in use; `key` names it. For the rules to put into the caller's words."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class Circle(Exception):
    """A group would come to be in itself."""


class UserStore(Protocol):
    """Users, and apart from them their password hashes."""

    async def create(self, user: User, password_hash: str | None) -> None:
        """Raises Taken("username") and Taken("account"). The user is seen only once his password is kept."""
        ...

    async def find(self, user_id: str) -> User | None: ...
    async def find_by_username(self, username: str) -> User | None: ...
    async def find_by_account(self, idp: str, subject_id: str) -> User | None: ...
    async def link_account(self, user_id: str, account: LinkedAccount) -> bool:
        """Adds the account, or puts it in the place of the same one. Raises Taken("account") when it is
        somebody else's; False when there is no such user."""
        ...

    async def list_ids(self) -> list[str]:
        """All users, in order of creation."""
        ...

    async def update(self, user_id: str, changes: Mapping[str, Any]) -> bool:
        """Sets fields of User. False when there is no such user; raises Taken("username")."""
        ...

    async def change_privileges(
        self, user_id: str, *, grant: Collection[str], revoke: Collection[str]
    ) -> bool:
        """Takes the revoked away, then adds the granted."""
        ...

    async def delete(self, user_id: str) -> bool:
        """Also forgets the password."""
        ...

    async def password_hash(self, user_id: str) -> str | None: ...
    async def set_password_hash(self, user_id: str, password_hash: str) -> None: ...
    async def is_set_up(self) -> bool:
        """Whether the zone ever had its first administrator."""
        ...

    async def mark_set_up(self, user_id: str) -> None:
        """Keeps that it had; the first one stays."""
        ...


class TokenStore(Protocol):
    """Named tokens with their secrets, and the secrets of temporary ones."""

    async def create(self, token: NamedToken, secret: str) -> None:
        """Raises Taken("name") when the subject has a token of that name."""
        ...

    async def find(self, token_id: str) -> tuple[NamedToken, str] | None:
        """The record and its secret."""
        ...

    async def find_by_name(self, subject: Subject, name: str) -> NamedToken | None: ...
    async def list_ids(self, subject: Subject | None) -> list[str]:
        """Tokens of a subject, or all."""
        ...

    async def update(self, token_id: str, changes: Mapping[str, Any]) -> bool:
        """Sets `name`, `custom`, `revoked`. Raises Taken("name")."""
        ...

    async def count_use(self, token_id: str) -> bool:
        """Counts one use if the limit allows one more."""
        ...

    async def uncount_use(self, token_id: str) -> None:
        """Takes one use back that came to nothing."""
        ...

    async def delete(self, token_id: str) -> bool: ...
    async def delete_all(self, subject: Subject) -> None:
        """All named tokens of a subject. Not one step: repeat it after a failure."""
        ...

    async def temporary_secret(self, subject: Subject, fresh: str) -> TemporarySecret:
        """The current one; the first call keeps `fresh` as generation 1."""
        ...

    async def find_temporary_secret(self, subject: Subject) -> TemporarySecret | None: ...
    async def renew_temporary_secret(self, subject: Subject, fresh: str) -> int:
        """Replaces the secret; gives the new generation."""
        ...


class MembershipStore(Protocol):
    """Who is a direct member of what: users and groups, in groups and spaces. Groups never form a circle."""

    async def add(self, membership: Membership) -> bool:
        """False when there is one of the two already; raises Circle for one that would close a circle."""
        ...

    async def find(self, target: Ref, member: Ref) -> Membership | None: ...
    async def of_target(self, target: Ref, kind: Kind) -> list[Membership]:
        """Direct members of one kind, in the order in which they joined."""
        ...

    async def above(self, member: Ref) -> list[Membership]:
        """Every membership of the member, and of the groups he is in, however far up: one round trip.

        May hold some of things that are just being deleted.
        """
        ...

    async def ids_below(self, targets: Collection[Ref], kind: Kind) -> list[str]:
        """Ids, sorted, of all of a kind that are members of a target, directly or through groups."""
        ...

    async def change_privileges(self, target: Ref, member: Ref, *, grant: int, revoke: int) -> bool:
        """Takes the revoked away, then adds the granted. False when there is no such membership."""
        ...

    async def remove(self, target: Ref, member: Ref) -> bool: ...


class GroupStore(Protocol):
    """Groups."""

    async def create(self, group: Group, memberships: Collection[Membership]) -> None:
        """The group with its first memberships, in it or its own in others."""
        ...

    async def find(self, group_id: str) -> Group | None: ...
    async def find_many(self, group_ids: Collection[str]) -> list[Group]: ...
    async def list_ids(self) -> list[str]: ...
    async def update(self, group_id: str, changes: Mapping[str, Any]) -> bool:
        """Sets `name` and `type`."""
        ...

    async def delete(self, group_id: str) -> bool:
        """From then on nobody sees it; all memberships in it, and its own, are removed after that."""
        ...


class SpaceStore(Protocol):
    """Spaces with owners and supports. Whatever providers are told of makes the revision grow; it begins with
    the time of creation, so it also grows when a space is deleted and made again under the same id."""

    async def create(self, space: Space, memberships: Collection[Membership]) -> None:
        """The space with its first members. Raises Taken("id")."""
        ...

    async def find(self, space_id: str) -> Space | None: ...
    async def find_many(self, space_ids: Collection[str]) -> list[Space]: ...
    async def list_ids(self) -> list[str]: ...
    async def update(self, space_id: str, changes: Mapping[str, Any]) -> bool:
        """Sets fields of Space that describe it."""
        ...

    async def delete(self, space_id: str) -> bool:
        """From then on nobody sees it; its memberships are removed after that."""
        ...

    async def add_owner(self, space_id: str, user_id: str) -> bool: ...
    async def remove_owner(self, space_id: str, user_id: str, *, keep_one: bool) -> bool:
        """False when he was none, or is the last and one has to stay."""
        ...

    async def add_support(self, space_id: str, support: Support) -> bool:
        """False when the provider supports the space already, when an imported storage does and this is
        another, or when there is no such space. Raises Taken("storage") for an imported storage that supports
        another space."""
        ...

    async def resize_support(self, space_id: str, provider_id: str, size_bytes: int) -> bool:
        """Makes this the size of the provider's first support of the space."""
        ...

    async def set_parameters(self, space_id: str, provider_id: str, changes: Mapping[str, Any]) -> bool:
        """Sets fields of SupportParameters. False when the provider does not support the space."""
        ...

    async def remove_support(self, space_id: str, provider_id: str) -> bool:
        """All storages of the provider, and its parameters."""
        ...

    async def uses_storage(self, storage_id: str) -> bool:
        """Whether it supports any space."""
        ...

    async def set_readonly(self, storage_id: str, *, readonly: bool) -> None:
        """In all supports by this storage. Not one step: repeat it after a failure."""
        ...

    async def supported_by(self, provider_id: str, *, after: str, limit: int) -> list[Space]:
        """One page in the order of ids, from behind `after`."""
        ...

    async def providers_of(self, space_ids: Collection[str]) -> set[str]:
        """Providers that support any of these."""
        ...


class ShareStore(Protocol):
    """Shares. They outlive their root files, but not their space."""

    async def create(self, share: Share) -> None:
        """Raises Taken("id")."""
        ...

    async def find(self, share_id: str) -> Share | None: ...
    async def list_ids(self, space_id: str) -> list[str]:
        """Shares of a space, in the order of their ids."""
        ...

    async def update(self, share_id: str, changes: Mapping[str, Any]) -> bool:
        """Sets `name`, `description`."""
        ...

    async def delete(self, share_id: str) -> bool: ...
    async def delete_all(self, space_id: str) -> None:
        """All shares of a space. Not one step: repeat it after a failure."""
        ...


class StorageStore(Protocol):
    """Storages of providers, as far as the zone knows them. Every change makes the revision grow, which
    begins with the time of creation."""

    async def create(self, storage: Storage) -> None:
        """Raises Taken("id")."""
        ...

    async def find(self, storage_id: str) -> Storage | None: ...
    async def find_many(self, storage_ids: Collection[str]) -> list[Storage]: ...
    async def of_provider(self, provider_id: str) -> list[Storage]:
        """In the order of their ids."""
        ...

    async def update(self, storage_id: str, changes: Mapping[str, Any]) -> bool:
        """Sets fields of Storage."""
        ...

    async def delete(self, storage_id: str) -> bool: ...
    async def delete_all(self, provider_id: str) -> None:
        """All storages of a provider. Not one step: repeat it after a failure."""
        ...


class ProviderStore(Protocol):
    """Providers."""

    async def create(self, provider: Provider) -> None:
        """Raises Taken("domain")."""
        ...

    async def find(self, provider_id: str) -> Provider | None: ...
    async def find_many(self, provider_ids: Collection[str]) -> list[Provider]: ...
    async def list_ids(self) -> list[str]: ...
    async def update(self, provider_id: str, changes: Mapping[str, Any]) -> bool:
        """Sets fields of Provider; the revision grows. Raises Taken("domain")."""
        ...

    async def touch(self, provider_id: str, last_seen_ms: int) -> None:
        """Notes when it was heard of; nothing that anybody is told of."""
        ...

    async def delete(self, provider_id: str) -> bool: ...


class AuditStore(Protocol):
    """Notes of changes. They are kept for a time the operator sets."""

    async def begin(self, note: Note) -> None: ...
    async def finish(self, note: Note) -> None:
        """Puts the note, now done, in the place of the one that was begun."""
        ...

    async def cancel(self, note_id: str) -> None: ...
    async def list(self, *, who: str | None, about: str | None, before: str | None, limit: int) -> list[Note]:
        """The latest first, from behind `before`."""
        ...


class GuessStore(Protocol):
    """Lanes in which guesses of passwords take turns. One may be forgotten once it has ended."""

    async def find(self, keys: Sequence[str]) -> dict[str, Lane]:
        """Those there are, by key."""
        ...

    async def replace(self, before: Lane, after: Lane) -> bool:
        """False when somebody took a turn since `before` was read."""
        ...

    async def put(self, lane: Lane) -> None:
        """Whatever there was."""
        ...


class Stores(Protocol):
    """All that a zone keeps."""

    @property
    def users(self) -> UserStore: ...
    @property
    def tokens(self) -> TokenStore: ...
    @property
    def memberships(self) -> MembershipStore: ...
    @property
    def groups(self) -> GroupStore: ...
    @property
    def spaces(self) -> SpaceStore: ...
    @property
    def shares(self) -> ShareStore: ...
    @property
    def storages(self) -> StorageStore: ...
    @property
    def providers(self) -> ProviderStore: ...
    @property
    def audit(self) -> AuditStore: ...
    @property
    def guesses(self) -> GuessStore: ...
