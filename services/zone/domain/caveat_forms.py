"""Caveats out of macaroons and out of requests."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from services.zone.domain import caveats as kinds
from services.zone.domain.caveats import Caveat
from services.zone.domain.token_errors import TokenCaveatUnknown
from services.zone.domain.value_errors import BadData, BadValueCaveat

#: Most elements in one caveat, and most caveats one may ask for at once.
MAX_ELEMENTS = 1000
MAX_CAVEATS_PER_REQUEST = 100

_COUNTRY = re.compile(r"[A-Z]{2}")
_SERVICE = re.compile(r"(?:ozw|ozp|opw|opp)-(?:\*|[A-Za-z0-9_-]{1,128})")
_CONSUMER = re.compile(r"(?:usr|grp|prv)-(?:\*|[A-Za-z0-9_-]{1,128})")
_OBJECT = re.compile(r"(?:[0-9A-Fa-f]{2}){9,400}")
_API = re.compile(
    r"(?:all|ozw|ozp|opw|opp)/(?:all|create|get|update|delete)/"
    r"(?:\*|[a-z_]{1,40})\.(?:\*|[A-Za-z0-9_-]{1,128})\.(?:\*|[a-z_]{1,60}(?:,(?:\*|[^|,:/.]{1,128}))?)"
    r"(?::(?:\*|private|protected|shared|public|auto))?"
)
_SECONDS = re.compile(r"[0-9]{1,15}", re.ASCII)


def parse(text: str) -> Caveat:
    """The caveat of a text in a macaroon. Raises TokenCaveatUnknown for what nobody here can check."""
    if text == "data.readonly":
        return kinds.ReadonlyCaveat()
    if text == "authorization = none":
        return kinds.NoAuthorization()
    name, operator, value = [*text.split(" ", 2), "", ""][:3]
    reader = _READERS.get((name, operator))
    try:
        if reader is not None:
            return reader(name, operator, value)
    except ValueError:
        pass
    raise TokenCaveatUnknown.of(caveat=text)


def parse_all(texts: Sequence[str]) -> list[Caveat]:
    """The caveats of a macaroon in their order."""
    return [parse(text) for text in texts]


def from_json(value: object) -> Caveat:
    """The caveat of a JSON value; raises BadValueCaveat."""
    if isinstance(value, Mapping):
        maker = _MAKERS.get(str(value.get("type")))
        try:
            if maker is not None:
                return maker(value)
        except ValueError:
            pass
    raise BadValueCaveat.of(caveat=value)


def list_from_json(value: object) -> list[Caveat]:
    """A list of caveats; nothing counts as none. Raises BadValueCaveat, and BadData for what is no list."""
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > MAX_CAVEATS_PER_REQUEST:
        raise BadData.of(key="caveats")
    return [from_json(item) for item in value]


def space_of_path(encoded: str) -> str:
    """The space a path of a `data.path` caveat lies in."""
    return _path(encoded).split("/", 2)[1]


def path_text(encoded: str) -> str:
    """The path itself, `/spaceId[/directory...]`."""
    return _path(encoded)


def _elements(value: str, check: Callable[[str], object]) -> tuple[str, ...]:
    elements = tuple(value.split("|"))
    return _checked(elements, check)


def _checked(elements: tuple[str, ...], check: Callable[[str], object]) -> tuple[str, ...]:
    if not 0 < len(elements) <= MAX_ELEMENTS or not all(check(element) for element in elements):
        raise ValueError
    return elements


def _mask(element: str) -> object:
    # A mask written out with its dots is understood by Python, but not part of the format.
    address, slash, bits = element.partition("/")
    return (not slash or bits.isdecimal()) and ipaddress.IPv4Network(element, strict=False) and address


def _number(element: str) -> object:
    return _SECONDS.fullmatch(element)


def _interface(value: str) -> str:
    if value not in kinds.INTERFACES:
        raise ValueError
    return value


def _path(encoded: str) -> str:
    try:
        path = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeError):
        raise ValueError(encoded) from None
    parts = path.split("/")
    if (
        len(parts) < 2
        or parts[0]
        or not all(part not in ("", ".", "..") for part in parts[1:])
        or "\0" in path
    ):
        raise ValueError(encoded)
    return path


def _place_check(kind: str) -> Callable[[str], object]:
    return _COUNTRY.fullmatch if kind == "geo.country" else kinds.REGIONS.__contains__


def _seconds(value: str) -> int:
    if not _SECONDS.fullmatch(value):
        raise ValueError(value)
    return int(value)


def _geo(kind: str, operator: str, value: str) -> Caveat:
    return kinds.GeoCaveat(kind, operator == "=", _elements(value, _place_check(kind)))


_READERS: dict[tuple[str, str], Callable[[str, str, str], Caveat]] = {
    ("time", "<"): lambda _n, _o, value: kinds.TimeCaveat(_seconds(value)),
    ("ip", "="): lambda _n, _o, value: kinds.IpCaveat(_elements(value, _mask)),
    ("asn", "="): lambda _n, _o, value: kinds.AsnCaveat(tuple(map(int, _elements(value, _number)))),
    ("geo.country", "="): _geo,
    ("geo.country", "!="): _geo,
    ("geo.region", "="): _geo,
    ("geo.region", "!="): _geo,
    ("service", "="): lambda _n, _o, value: kinds.ServiceCaveat(_elements(value, _SERVICE.fullmatch)),
    ("consumer", "="): lambda _n, _o, value: kinds.ConsumerCaveat(_elements(value, _CONSUMER.fullmatch)),
    ("interface", "="): lambda _n, _o, value: kinds.InterfaceCaveat(_interface(value)),
    ("api", "="): lambda _n, _o, value: kinds.ApiCaveat(_elements(value, _API.fullmatch)),
    ("data.path", "="): lambda _n, _o, value: kinds.PathCaveat(_elements(value, _path)),
    ("data.objectid", "="): lambda _n, _o, value: kinds.ObjectIdCaveat(_elements(value, _OBJECT.fullmatch)),
}


def _texts(value: Mapping[str, Any], key: str, check: Callable[[str], object]) -> tuple[str, ...]:
    items = value.get(key)
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ValueError(key)
    return _checked(tuple(items), check)


def _time_from_json(value: Mapping[str, Any]) -> Caveat:
    until = value.get("validUntil")
    if not isinstance(until, int) or isinstance(until, bool) or not 0 <= until < 10**15:
        raise ValueError("validUntil")
    return kinds.TimeCaveat(until)


def _asn_from_json(value: Mapping[str, Any]) -> Caveat:
    items = value.get("whitelist")
    if not isinstance(items, list) or not 0 < len(items) <= MAX_ELEMENTS:
        raise ValueError("whitelist")
    if not all(isinstance(item, int) and not isinstance(item, bool) and 0 <= item < 2**32 for item in items):
        raise ValueError("whitelist")
    return kinds.AsnCaveat(tuple(items))


def _geo_from_json(value: Mapping[str, Any]) -> Caveat:
    if value.get("filter") not in ("whitelist", "blacklist"):
        raise ValueError("filter")
    places = _texts(value, "list", _place_check(value["type"]))
    return kinds.GeoCaveat(value["type"], value["filter"] == "whitelist", places)


_MAKERS: dict[str, Callable[[Mapping[str, Any]], Caveat]] = {
    "time": _time_from_json,
    "ip": lambda value: kinds.IpCaveat(_texts(value, "whitelist", _mask)),
    "asn": _asn_from_json,
    "geo.country": _geo_from_json,
    "geo.region": _geo_from_json,
    "service": lambda value: kinds.ServiceCaveat(_texts(value, "whitelist", _SERVICE.fullmatch)),
    "consumer": lambda value: kinds.ConsumerCaveat(_texts(value, "whitelist", _CONSUMER.fullmatch)),
    "interface": lambda value: kinds.InterfaceCaveat(_interface(value.get("interface", ""))),
    "api": lambda value: kinds.ApiCaveat(_texts(value, "whitelist", _API.fullmatch)),
    "data.readonly": lambda _value: kinds.ReadonlyCaveat(),
    "data.path": lambda value: kinds.PathCaveat(_texts(value, "whitelist", _path)),
    "data.objectid": lambda value: kinds.ObjectIdCaveat(_texts(value, "whitelist", _OBJECT.fullmatch)),
}
