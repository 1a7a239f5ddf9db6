"""The things a zone keeps. Values; what may be done with them is said by the modules named after them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.zone.domain.identifiers import NOBODY, Identifier, Subject, TokenType


@dataclass(frozen=True, slots=True)
class User:
    """A person. `privileges`: names of the `oz_` privileges over the whole zone."""

    id: str
    full_name: str
    username: str | None = None
    emails: tuple[str, ...] = ()
    basic_auth_enabled: bool = False
    blocked: bool = False
    privileges: frozenset[str] = frozenset()
    created_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class NamedToken:
    """The record of a named token; the secret is kept apart. `usage_limit` None means no limit."""

    id: str
    name: str
    subject: Subject
    type: TokenType
    caveats: tuple[str, ...] = ()
    custom: Mapping[str, Any] = field(default_factory=dict)
    revoked: bool = False
    created_at_ms: int = 0
    usage_limit: int | None = None
    usage_count: int = 0
    privileges: int | None = None

    @property
    def identifier(self) -> Identifier:
        """What its macaroon says."""
        return Identifier(self.id, self.type, self.subject)


@dataclass(frozen=True, slots=True)
class TemporarySecret:
    """What all temporary tokens of one subject are made with. A new generation ends the older ones."""

    generation: int
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Support:
    """A promise of one storage of a provider to a space."""

    provider_id: str
    storage_id: str
    size_bytes: int
    readonly: bool = False
    #: Of the provider; tells a repetition from a second support.
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Space:
    """A space with what changes with it at once: its owners and its supports."""

    id: str
    name: str
    description: str = ""
    organization_name: str = ""
    tags: tuple[str, ...] = ()
    advertised: bool = False
    contact_email: str = ""
    owners: tuple[str, ...] = ()
    supports: tuple[Support, ...] = ()
    creator: Subject = NOBODY
    created_at_ms: int = 0

    def sizes(self) -> dict[str, int]:
        """Bytes promised, by provider."""
        sizes: dict[str, int] = {}
        for support in self.supports:
            sizes[support.provider_id] = sizes.get(support.provider_id, 0) + support.size_bytes
        return sizes

    def readonly_at(self, provider_id: str) -> bool:
        """Whether every storage of the provider that supports the space is read-only."""
        return all(support.readonly for support in self.supports if support.provider_id == provider_id)


@dataclass(frozen=True, slots=True)
class Membership:
    """A user directly in a space. `privileges` is a mask of runtime.identity.SpacePrivilege."""

    space_id: str
    user_id: str
    privileges: int
    joined_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """A public, read-only pointer to a file or directory. `root_type` is `file` or `dir`."""

    id: str
    space_id: str
    name: str
    root_file_id: str
    root_type: str
    description: str = ""
    creator_id: str = ""
    created_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Provider:
    """A site. It counts as online for a while after each report."""

    id: str
    name: str
    domain: str
    admin_email: str = ""
    admin_user_id: str = ""
    latitude: float = 0.0
    longitude: float = 0.0
    version: str = ""
    last_seen_ms: int = 0
    root_token_id: str = ""
    created_at_ms: int = 0
