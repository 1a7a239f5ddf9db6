"""Digests of values: which algorithms there are, and which items tell of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from runtime.http.errors import ApiError

#: The item by which users say which digest they want, its counterpart of the system, and the digest.
VALUE_HASH: Final = "cdmi_value_hash"
PROVIDED: Final = "cdmi_value_hash_provided"
HASH: Final = "cdmi_hash"

#: By their names in the standard.
ALGORITHMS: Final[Mapping[str, Callable[[], Any]]] = {
    "SHA160": lambda: hashlib.sha1(usedforsecurity=False),
    "SHA256": hashlib.sha256,
    "SHA384": hashlib.sha384,
    "SHA512": hashlib.sha512,
}


def check_algorithm(value: Any) -> str:
    """What users want; an empty text for no digest. Raises ApiError `badData`."""
    if not isinstance(value, str) or (value and value not in ALGORITHMS):
        raise ApiError("badData", {"key": VALUE_HASH})
    return value


def asks_for(prefixes: Sequence[str]) -> bool:
    """Whether a query names the digest itself, so that it is worth waiting for."""
    return any(prefix.startswith(HASH) for prefix in prefixes)


def shows(prefixes: Sequence[str]) -> bool:
    """Whether the digest is among what a query asks for."""
    return not prefixes or HASH.startswith(tuple(prefixes))


def items(algorithm: str, digest: str) -> dict[str, str]:
    """The items of an object whose users want a digest; the digest itself once it is known."""
    if not algorithm:
        return {}
    told = {VALUE_HASH: algorithm, PROVIDED: algorithm}
    return {**told, HASH: digest} if digest else told
