"""Which names, passwords and addresses the zone takes."""

from __future__ import annotations

import re

from runtime.entity_names import is_entity_name
from services.zone.domain import value_errors as bad

MIN_PASSWORD_CHARS = 8
#: Hashing takes time by the length, too; nobody types more than this.
MAX_PASSWORD_CHARS = 1024
DEFAULT_FULL_NAME = "Unnamed User"

_FULL_NAME = re.compile(r"[^\W_](?:[^\W_]|[ ',.\-]){0,126}(?:[^\W_]|\.)")
_USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,30}[A-Za-z0-9]")
_EMAIL = re.compile(r"[A-Za-z0-9._%+'-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,180}[A-Za-z0-9])?")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*(?::(?P<port>[0-9]{{1,5}}))?")


def check_name(name: str, *, key: str = "name") -> str:
    """The name of a space, provider or token, unchanged."""
    if not is_entity_name(name):
        raise bad.BadValueName.of(key=key)
    return name


def check_full_name(name: str) -> str:
    """The full name of a user."""
    if not is_full_name(name):
        raise bad.BadValueFullName
    return name


def is_full_name(name: str) -> bool:
    """Whether it is a possible full name."""
    return bool(_FULL_NAME.fullmatch(name))


def check_username(name: str) -> str:
    """The name a user logs in with."""
    if not _USERNAME.fullmatch(name):
        raise bad.BadValueUsername
    return name


def check_password(password: str) -> str:
    """A new password."""
    if not MIN_PASSWORD_CHARS <= len(password) <= MAX_PASSWORD_CHARS:
        raise bad.BadValuePassword
    return password


def check_email(address: str) -> str:
    """An e-mail address by its shape."""
    if not _EMAIL.fullmatch(address):
        raise bad.BadValueEmail
    return address


def check_domain(domain: str) -> str:
    """A domain of lower-case labels; for a stack that is not on port 443 with the port."""
    match = _DOMAIN.fullmatch(domain)
    if match is None or len(domain.partition(":")[0]) > 253 or not 0 < int(match["port"] or 443) < 65536:
        raise bad.BadValueDomain
    return domain
