"""The things a zone keeps. Values; what may be done with them is said by the modules named after them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from services.zone.domain.identifiers import NOBODY, Identifier, Subject, TokenType


class Kind(enum.Enum):
    """What a membership joins. The value is its code in references."""

    USER = "usr"
    GROUP = "grp"
    SPACE = "spc"

    @property
    def entity(self) -> str:
        """As the API names it, e.g. `od_user`."""
        return f"od_{self.name.lower()}"


class Ref(NamedTuple):
    """A user, group or space by kind and id."""

    kind: Kind
    id: str

    @property
    def code(self) -> str:
        """As the store keeps it, e.g. `grp-1234`."""
        return f"{self.kind.value}-{self.id}"

    @classmethod
    def parse(cls, code: str) -> Ref:
        """From its code."""
        return cls(Kind(code[:3]), code[4:])


def user_ref(user_id: str) -> Ref:
    """A user."""
    return Ref(Kind.USER, user_id)


def group_ref(group_id: str) -> Ref:
    """A group."""
    return Ref(Kind.GROUP, group_id)


def space_ref(space_id: str) -> Ref:
    """A space."""
    return Ref(Kind.SPACE, space_id)


@dataclass(frozen=True, slots=True)
class LinkedAccount:
    """An account at an identity provider, as it was at the last log-in. `emails` are verified ones."""

    idp: str
    subject_id: str
    full_name: str = ""
    username: str | None = None
    emails: tuple[str, ...] = ()
    entitlements: tuple[str, ...] = ()


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
    linked_accounts: tuple[LinkedAccount, ...] = ()


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
class Lane:
    """In which guesses of a password take turns. `count`: guesses in a row; `turns`: all so far.

    `next_at_ms`: from when on the next guess may be checked. `ends_at_ms`: until when this has to be kept.
    """

    key: str
    turns: int = 0
    count: int = 0
    next_at_ms: int = 0
    ends_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class TemporarySecret:
    """What all temporary tokens of one subject are made with. A new generation ends the older ones."""

    generation: int
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Support:
    """A promise of one storage of a provider to a space. `readonly`, `imported`: as the storage is."""

    provider_id: str
    storage_id: str
    size_bytes: int
    readonly: bool = False
    imported: bool = False
    #: Of the provider; tells a repetition from a second support.
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class SupportParameters:
    """What a provider does for a space besides keeping its data."""

    accounting_enabled: bool = False
    dir_stats_enabled: bool = False
    dir_stats_status: str = "disabled"


@dataclass(frozen=True, slots=True)
class Space:
    """A space with what changes with it at once: its owners and its supports. `parameters`: by provider."""

    id: str
    name: str
    description: str = ""
    organization_name: str = ""
    tags: tuple[str, ...] = ()
    advertised: bool = False
    contact_email: str = ""
    owners: tuple[str, ...] = ()
    supports: tuple[Support, ...] = ()
    parameters: Mapping[str, SupportParameters] = field(default_factory=dict)
    creator: Subject = NOBODY
    created_at_ms: int = 0
    #: Grows with each change that a supporting provider is told of; the store's to count.
    revision: int = field(default=0, compare=False)

    @property
    def ref(self) -> Ref:
        """The space in memberships."""
        return space_ref(self.id)

    def sizes(self) -> dict[str, int]:
        """Bytes promised, by provider."""
        sizes: dict[str, int] = {}
        for support in self.supports:
            sizes[support.provider_id] = sizes.get(support.provider_id, 0) + support.size_bytes
        return sizes

    def parameters_at(self, provider_id: str) -> SupportParameters:
        """Those of one provider; all off until somebody switches something on."""
        return self.parameters.get(provider_id, SupportParameters())

    def readonly_at(self, provider_id: str) -> bool:
        """Whether every storage of the provider that supports the space is read-only."""
        return all(support.readonly for support in self.supports if support.provider_id == provider_id)


@dataclass(frozen=True, slots=True)
class Group:
    """Users and groups together. `type` is what people use it as; it changes nothing in its rules."""

    id: str
    name: str
    type: str = "team"
    creator: Subject = NOBODY
    created_at_ms: int = 0

    @property
    def owners(self) -> tuple[str, ...]:
        """Groups have none: their privileges say all."""
        return ()

    @property
    def ref(self) -> Ref:
        """The group in memberships."""
        return group_ref(self.id)


@dataclass(frozen=True, slots=True)
class Membership:
    """A user or group directly in a space or group.

    `privileges`: what every effective user of the member may do in the target, a mask of SpacePrivilege or
    GroupPrivilege.
    """

    target: Ref
    member: Ref
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
class Storage:
    """What the zone knows of a provider's storage. `qos_parameters`: what can be asked of it by QoS."""

    id: str
    provider_id: str
    name: str
    qos_parameters: Mapping[str, str | float] = field(default_factory=dict)
    imported: bool = False
    readonly: bool = False
    created_at_ms: int = 0
    #: Grows with each change; the store's to count.
    revision: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Provider:
    """A site. It counts as online for a while after each report. `version`, `build`: of its software."""

    id: str
    name: str
    domain: str
    admin_email: str = ""
    admin_user_id: str = ""
    latitude: float = 0.0
    longitude: float = 0.0
    version: str = ""
    last_seen_ms: int = 0
    created_at_ms: int = 0
    build: str = ""
    #: Grows with each change but reports of being up; the store's to count.
    revision: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Note:
    """One change. `done` False: it is under way, or nobody knows. `about`: ids of what it concerns.

    `on_behalf_of`: the user for whom a provider says it did it; `peer_ip` is his address then.
    """

    id: str
    at_ms: int
    who: str
    peer_ip: str
    action: str
    about: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    request_id: str = ""
    done: bool = False
    on_behalf_of: str = ""
