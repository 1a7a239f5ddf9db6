"""What a token says about itself: kind of storage, subject, type, id.

2/nmd/usr-<userId>/act/<id>                 a named access token
2/tmp-<generation>/prv-<id>/idn/<id>        a temporary identity token
2/nmd/usr-<userId>/ujs:<spaceId>:/<id>      a named invitation to a space
<id>                                        version 1: a named access token
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runtime import macaroons
from runtime.macaroons import Macaroon
from services.zone.domain.token_errors import BadToken, TokenTooLarge
from services.zone.domain.value_errors import BadValueTokenType

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_GENERATION = re.compile(r"[0-9]{1,15}", re.ASCII)
#: Parameters a support token carries in its text, in the original a reserved constant.
_SUPPORT_PARAMETERS = "ge"


class SubjectType(enum.Enum):
    """Whom a token stands for. The value is the name in JSON."""

    USER = "user"
    PROVIDER = "oneprovider"
    NOBODY = "nobody"


_SUBJECT_CODES = {SubjectType.USER: "usr", SubjectType.PROVIDER: "prv"}


@dataclass(frozen=True, slots=True)
class Subject:
    """A user, a provider, or nobody."""

    type: SubjectType
    id: str = ""

    @property
    def code(self) -> str:
        """As it stands in identifiers and caveats, e.g. `usr-1234`."""
        return f"{_SUBJECT_CODES[self.type]}-{self.id}" if self.type in _SUBJECT_CODES else "nobody"

    def to_json(self) -> dict[str, str | None]:
        """As it stands in REST replies."""
        return {"type": self.type.value, "id": self.id or None}

    @classmethod
    def parse(cls, code: str) -> Subject:
        """From its code; raises BadToken."""
        if code == "nobody":
            return NOBODY
        prefix, dash, id = code.partition("-")
        for known, its_code in _SUBJECT_CODES.items():
            if prefix == its_code and dash and _ID.fullmatch(id):
                return cls(known, id)
        raise BadToken


NOBODY = Subject(SubjectType.NOBODY)


def user_subject(user_id: str) -> Subject:
    """A user as subject."""
    return Subject(SubjectType.USER, user_id)


def provider_subject(provider_id: str) -> Subject:
    """A provider as subject."""
    return Subject(SubjectType.PROVIDER, provider_id)


class InviteType(enum.Enum):
    """What an invitation is for: code in identifiers, name in JSON, key of its target in JSON."""

    USER_JOIN_GROUP = ("ujg", "userJoinGroup", "groupId")
    GROUP_JOIN_GROUP = ("gjg", "groupJoinGroup", "groupId")
    USER_JOIN_SPACE = ("ujs", "userJoinSpace", "spaceId")
    GROUP_JOIN_SPACE = ("gjs", "groupJoinSpace", "spaceId")
    SUPPORT_SPACE = ("ssp", "supportSpace", "spaceId")
    HARVESTER_JOIN_SPACE = ("hjs", "harvesterJoinSpace", "spaceId")
    REGISTER_ONEPROVIDER = ("rop", "registerOneprovider", "adminUserId")
    USER_JOIN_CLUSTER = ("ujc", "userJoinCluster", "clusterId")
    GROUP_JOIN_CLUSTER = ("gjc", "groupJoinCluster", "clusterId")
    USER_JOIN_HARVESTER = ("ujh", "userJoinHarvester", "harvesterId")
    GROUP_JOIN_HARVESTER = ("gjh", "groupJoinHarvester", "harvesterId")
    SPACE_JOIN_HARVESTER = ("sjh", "spaceJoinHarvester", "harvesterId")
    USER_JOIN_INVENTORY = ("uji", "userJoinAtmInventory", "atmInventoryId")
    GROUP_JOIN_INVENTORY = ("gji", "groupJoinAtmInventory", "atmInventoryId")

    def __init__(self, code: str, json_name: str, target_key: str) -> None:
        self.code = code
        self.json_name = json_name
        self.target_key = target_key

    @classmethod
    def find(cls, word: str) -> InviteType | None:
        """By code or by name in JSON."""
        return next((known for known in cls if word in (known.code, known.json_name)), None)


class TokenKind(enum.Enum):
    """What a token is good for. The value is the key in JSON."""

    ACCESS = "accessToken"
    IDENTITY = "identityToken"
    INVITE = "inviteToken"


@dataclass(frozen=True, slots=True)
class TokenType:
    """Kind of a token with what belongs to it."""

    kind: TokenKind
    session_id: str = ""
    invite: InviteType | None = None
    target_id: str = ""

    @property
    def code(self) -> str:
        """As it stands in an identifier."""
        if self.kind is TokenKind.IDENTITY:
            return "idn"
        if self.kind is TokenKind.ACCESS:
            return f"act:{self.session_id}" if self.session_id else "act"
        assert self.invite is not None  # noqa: S101 -- an invite token always has its type
        parameters = _SUPPORT_PARAMETERS if self.invite is InviteType.SUPPORT_SPACE else ""
        return f"{self.invite.code}:{self.target_id}:{parameters}"

    def to_json(self) -> dict[str, dict[str, Any]]:
        """As it stands in REST."""
        inner: dict[str, Any] = {}
        if self.session_id:
            inner = {"sessionId": self.session_id}
        if self.invite is not None:
            target = {self.invite.target_key: self.target_id}
            inner = {"inviteType": self.invite.json_name, **target, "parameters": {}}
        return {self.kind.value: inner}

    @classmethod
    def parse(cls, code: str) -> TokenType:
        """From an identifier; raises BadToken."""
        head, *rest = code.split(":", 2)
        if head == "act" and len(rest) <= 1 and all(rest):
            return cls(TokenKind.ACCESS, session_id=rest[0] if rest else "")
        if head == "idn" and not rest:
            return cls(TokenKind.IDENTITY)
        invite = InviteType.find(head)
        if invite is None or invite.code != head or len(rest) != 2 or not _ID.fullmatch(rest[0]):
            raise BadToken
        return cls(TokenKind.INVITE, invite=invite, target_id=rest[0])

    @classmethod
    def from_json(cls, value: object, *, key: str = "type") -> TokenType:
        """From a request; raises BadValueTokenType. Sessions are not for users to name."""
        error = BadValueTokenType.of(key=key)
        if not isinstance(value, Mapping) or len(value) != 1:
            raise error
        (name, inner), *_ = value.items()
        if not isinstance(inner, Mapping):
            raise error
        if name == TokenKind.ACCESS.value and not inner:
            return ACCESS
        if name == TokenKind.IDENTITY.value and not inner:
            return IDENTITY
        invite = InviteType.find(str(inner.get("inviteType"))) if name == TokenKind.INVITE.value else None
        target_id = inner.get(invite.target_key) if invite else None
        if invite is None or not isinstance(target_id, str) or not _ID.fullmatch(target_id):
            raise error
        return cls(TokenKind.INVITE, invite=invite, target_id=target_id)


ACCESS = TokenType(TokenKind.ACCESS)
IDENTITY = TokenType(TokenKind.IDENTITY)


def invitation(invite: InviteType, target_id: str) -> TokenType:
    """The type of an invite token."""
    return TokenType(TokenKind.INVITE, invite=invite, target_id=target_id)


@dataclass(frozen=True, slots=True)
class Identifier:
    """A parsed identifier. `generation` is None for a named token.

    `subject` is None in version 1, whose text does not say it.
    """

    id: str
    type: TokenType = ACCESS
    subject: Subject | None = None
    generation: int | None = None

    def __str__(self) -> str:
        if self.subject is None:
            return self.id
        persistence = "nmd" if self.generation is None else f"tmp-{self.generation}"
        return f"2/{persistence}/{self.subject.code}/{self.type.code}/{self.id}"

    @classmethod
    def parse(cls, text: str) -> Identifier:
        """Raises BadToken."""
        if "/" not in text:
            if not _ID.fullmatch(text):
                raise BadToken
            return cls(text)
        version, *parts = text.split("/", 4)
        if version != "2" or len(parts) != 4 or not _ID.fullmatch(parts[3]):
            raise BadToken
        generation = _parse_persistence(parts[0])
        return cls(parts[3], TokenType.parse(parts[2]), Subject.parse(parts[1]), generation)


def _parse_persistence(text: str) -> int | None:
    if text == "nmd":
        return None
    prefix, _, generation = text.partition("-")
    if prefix != "tmp" or not _GENERATION.fullmatch(generation):
        raise BadToken
    return int(generation)


@dataclass(frozen=True, slots=True)
class Token:
    """A decoded token; nothing about it is proved."""

    macaroon: Macaroon = field(repr=False)
    identifier: Identifier


def decode(text: str) -> Token:
    """The token of a text. Raises BadToken and TokenTooLarge."""
    try:
        macaroon = macaroons.deserialize(text)
    except macaroons.TokenTooLarge:
        raise TokenTooLarge.of(limit=macaroons.MAX_TOKEN_CHARS) from None
    except macaroons.BadToken:
        raise BadToken from None
    return Token(macaroon, Identifier.parse(macaroon.identifier))


def encode(location: str, identifier: Identifier, secret: str, caveats: tuple[str, ...] = ()) -> str:
    """The text of a token made with this secret."""
    return macaroons.serialize(Macaroon.create(location, str(identifier), secret).confined(*caveats))
