"""Caveats: what narrows a token, as text in the macaroon, as JSON in REST, and as a question.

Every kind is one frozen class with `text`, `to_json` and `holds`. What cannot be judged does not hold:
a token is narrowed by what its maker asked for, never widened by what we lack.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Any, Protocol

from services.zone.domain.identifiers import NOBODY, Subject, TokenKind
from services.zone.domain.whereabouts import Locator, NoLocator, Whereabouts

REGIONS = ("Africa", "Antarctica", "Asia", "Europe", "EU", "NorthAmerica", "Oceania", "SouthAmerica")
INTERFACES = ("rest", "oneclient", "graphsync")
#: How caveats begin that ask where a token is shown from.
BY_ADDRESS = ("ip ", "asn ", "geo.")
SERVICE_CODES = ("ozw", "ozp", "opw", "opp")
#: JSON of the legacy caveat that REST cannot make.
_ALL_KINDS = frozenset(TokenKind)
_ACCESS_ONLY = frozenset({TokenKind.ACCESS})
_NOT_INVITE = frozenset({TokenKind.ACCESS, TokenKind.IDENTITY})
_NOT_ACCESS = frozenset({TokenKind.IDENTITY, TokenKind.INVITE})


@dataclass(frozen=True, slots=True)
class Service:
    """A service that acts for a subject: code `ozw`, `ozp`, `opw` or `opp`, and the id of its cluster."""

    code: str
    id: str

    def to_json(self) -> dict[str, str]:
        """As in `tokenServiceForbidden`."""
        names = {"ozw": "oz_worker", "ozp": "oz_panel", "opw": "op_worker", "opp": "op_panel"}
        return {"type": names[self.code], "id": self.id}


ZONE_SERVICE = Service("ozw", "onezone")


@dataclass(frozen=True, slots=True)
class Context:
    """Under which circumstances a token is used. None means not known, and satisfies nothing.

    `locator` is asked only by caveats that ask where the address is.
    """

    now_s: int
    peer_ip: str | None = None
    interface: str | None = None
    service: Service | None = None
    consumer: Subject = NOBODY
    consumer_groups: frozenset[str] = frozenset()
    #: Kinds of caveats that are not enforced here.
    lenient: frozenset[str] = frozenset()
    locator: Locator = field(default_factory=NoLocator)

    @property
    def whereabouts(self) -> Whereabouts:
        """Of the address from which the token is shown."""
        return self.locator.find(self.peer_ip) if self.peer_ip else Whereabouts()


class Caveat(Protocol):
    """One caveat. `kind` is its JSON type; `tokens` are the kinds of tokens that may carry it."""

    @property
    def kind(self) -> str: ...
    @property
    def tokens(self) -> frozenset[TokenKind]: ...
    @property
    def text(self) -> str: ...
    def to_json(self) -> dict[str, Any]: ...
    def holds(self, context: Context) -> bool: ...


@dataclass(frozen=True, slots=True)
class TimeCaveat:
    """Good before a moment, in seconds since the epoch."""

    valid_until_s: int
    kind = "time"
    tokens = _ALL_KINDS

    @property
    def text(self) -> str:
        return f"time < {self.valid_until_s}"

    def to_json(self) -> dict[str, Any]:
        return {"type": self.kind, "validUntil": self.valid_until_s}

    def holds(self, context: Context) -> bool:
        return context.now_s < self.valid_until_s


@dataclass(frozen=True, slots=True)
class IpCaveat:
    """Good from some IPv4 addresses and networks."""

    whitelist: tuple[str, ...]
    kind = "ip"
    tokens = _ALL_KINDS

    @property
    def text(self) -> str:
        return f"ip = {'|'.join(self.whitelist)}"

    def to_json(self) -> dict[str, Any]:
        return {"type": self.kind, "whitelist": list(self.whitelist)}

    def holds(self, context: Context) -> bool:
        try:
            address = ipaddress.ip_address(context.peer_ip or "")
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address):
            if address.ipv4_mapped is None:
                return False
            address = address.ipv4_mapped
        return any(address in ipaddress.IPv4Network(mask, strict=False) for mask in self.whitelist)


@dataclass(frozen=True, slots=True)
class AsnCaveat:
    """Good from some autonomous systems. Without a database of them it never holds."""

    whitelist: tuple[int, ...]
    kind = "asn"
    tokens = _ALL_KINDS

    @property
    def text(self) -> str:
        return f"asn = {'|'.join(map(str, self.whitelist))}"

    def to_json(self) -> dict[str, Any]:
        return {"type": self.kind, "whitelist": list(self.whitelist)}

    def holds(self, context: Context) -> bool:
        return context.whereabouts.asn in self.whitelist


@dataclass(frozen=True, slots=True)
class GeoCaveat:
    """Good from, or from outside, some countries or regions.

    An address of which no country is known fails a whitelist and passes a blacklist. Without a database of
    countries, or an address, it never holds: to let all through is not what the maker of the token asked for.
    """

    kind: str
    whitelist: bool
    places: tuple[str, ...]
    tokens = _ALL_KINDS

    @property
    def text(self) -> str:
        return f"{self.kind} {'=' if self.whitelist else '!='} {'|'.join(self.places)}"

    def to_json(self) -> dict[str, Any]:
        word = "whitelist" if self.whitelist else "blacklist"
        return {"type": self.kind, "filter": word, "list": list(self.places)}

    def holds(self, context: Context) -> bool:
        found = context.whereabouts
        if not found.knows_countries:
            return False
        here = found.regions if self.kind == "geo.region" else {found.country}
        return here.isdisjoint(self.places) is not self.whitelist


@dataclass(frozen=True, slots=True)
class NoAuthorization:
    """Legacy: proves who one is, and opens nothing."""

    kind = "authorization"
    tokens = _NOT_ACCESS

    @property
    def text(self) -> str:
        return "authorization = none"

    def to_json(self) -> dict[str, Any]:
        return {"type": self.kind}

    def holds(self, context: Context) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class ServiceCaveat:
    """Good when some service acts. An element is `<code>-<id>`, where the id may be `*`."""

    whitelist: tuple[str, ...]
    kind = "service"
    tokens = _ACCESS_ONLY

    @property
    def text(self) -> str:
        return f"service = {'|'.join(self.whitelist)}"

    def to_json(self) -> dict[str, Any]:
        return {"type": self.kind, "whitelist": list(self.whitelist)}

    def holds(self, context: Context) -> bool:
        return context.service is not None and self.covers(context.service)

    def covers(self, service: Service) -> bool:
        """Whether the service is listed."""
        return not {f"{service.code}-{service.id}", f"{service.code}-*"}.isdisjoint(self.whitelist)

    @property
    def only_providers(self) -> bool:
        """Whether the zone's own service is not meant, while some provider's worker is."""
        codes = {element[:3] for element in self.whitelist}
        return "opw" in codes and "ozw" not in codes


@dataclass(frozen=True, slots=True)
class ConsumerCaveat:
    """Good when some subject presents it. An element is `usr-`, `grp-` or `prv-` and an id or `*`."""

    whitelist: tuple[str, ...]
    kind = "consumer"
    tokens = _ALL_KINDS

    @property
    def text(self) -> str:
        return f"consumer = {'|'.join(self.whitelist)}"

    def to_json(self) -> dict[str, Any]:
        return {"type": self.kind, "whitelist": list(self.whitelist)}

    def holds(self, context: Context) -> bool:
        if context.consumer == NOBODY:
            return False
        code = context.consumer.code
        accepted = {code, f"{code[:3]}-*"} | {f"grp-{group}" for group in context.consumer_groups}
        if context.consumer_groups:
            accepted.add("grp-*")
        return not accepted.isdisjoint(self.whitelist)

    @property
    def by_group(self) -> bool:
        """Whether groups are listed, so that those of the consumer matter."""
        return any(element.startswith("grp-") for element in self.whitelist)


@dataclass(frozen=True, slots=True)
class InterfaceCaveat:
    """Good over one interface."""

    interface: str
    kind = "interface"
    tokens = _NOT_INVITE

    @property
    def text(self) -> str:
        return f"interface = {self.interface}"

    def to_json(self) -> dict[str, Any]:
        return {"type": self.kind, "interface": self.interface}

    def holds(self, context: Context) -> bool:
        return context.interface == self.interface


@dataclass(frozen=True, slots=True)
class Operation:
    """What an API caveat is held against, e.g. op `get` of `od_space.<id>.instance:private`."""

    op: str
    entity: str
    id: str = "null"
    aspect: str = "instance"
    scope: str = "private"


@dataclass(frozen=True, slots=True)
class ApiCaveat:
    """Good for some operations, each `<service>/<operation>/<type>.<id>.<aspect>:<scope>`.

    Checked where an operation is about to be done, so the token itself always verifies.
    """

    whitelist: tuple[str, ...]
    kind = "api"
    tokens = _ACCESS_ONLY

    @property
    def text(self) -> str:
        return f"api = {'|'.join(self.whitelist)}"

    def to_json(self) -> dict[str, Any]:
        return {"type": self.kind, "whitelist": list(self.whitelist)}

    def holds(self, context: Context) -> bool:
        return True

    def covers(self, service: str, operation: Operation) -> bool:
        """Whether an element allows the operation of this service."""
        return any(_covers(element, service, operation) for element in self.whitelist)


def _covers(element: str, service: str, operation: Operation) -> bool:
    its_service, op, gri = element.split("/", 2)
    entity, id, rest = gri.split(".", 2)
    aspect, _, scope = rest.partition(":")
    name, comma, argument = operation.aspect.partition(",")
    aspects = {"*", operation.aspect, f"{name},*"} if comma and argument else {"*", operation.aspect}
    return (
        its_service in ("all", service)
        and op in ("all", operation.op)
        and entity in ("*", operation.entity)
        and id in ("*", operation.id)
        and aspect in aspects
        and (scope or "private") in ("*", operation.scope)
    )


class DataCaveat:
    """Restricts data access; holds only where the caller enforces it on the data himself."""

    __slots__ = ()
    tokens = _ACCESS_ONLY

    def holds(self, context: Context) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class ReadonlyCaveat(DataCaveat):
    """Data may only be read."""

    kind = "data.readonly"

    @property
    def text(self) -> str:
        return "data.readonly"

    def to_json(self) -> dict[str, Any]:
        return {"type": self.kind}


@dataclass(frozen=True, slots=True)
class PathCaveat(DataCaveat):
    """Only some files and directories, each as base64 of `/spaceId[/directory...]`."""

    whitelist: tuple[str, ...]
    kind = "data.path"

    @property
    def text(self) -> str:
        return f"data.path = {'|'.join(self.whitelist)}"

    def to_json(self) -> dict[str, Any]:
        return {"type": self.kind, "whitelist": list(self.whitelist)}


@dataclass(frozen=True, slots=True)
class ObjectIdCaveat(DataCaveat):
    """Only some files and directories, by CDMI object id."""

    whitelist: tuple[str, ...]
    kind = "data.objectid"

    @property
    def text(self) -> str:
        return f"data.objectid = {'|'.join(self.whitelist)}"

    def to_json(self) -> dict[str, Any]:
        return {"type": self.kind, "whitelist": list(self.whitelist)}


def restricts_api(caveat: Caveat) -> bool:
    """Whether such a token may do little more at the zone than tell whose it is."""
    return isinstance(caveat, DataCaveat) or caveat.to_json().get("interface") == "oneclient"
