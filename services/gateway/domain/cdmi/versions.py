"""Specification versions and media types."""

from __future__ import annotations

from typing import Final

from runtime.http.errors import ApiError

VERSION: Final = "1.1.1"
_SUPPORTED: Final = ("1.1.1", "1.1")

OBJECT: Final = "application/cdmi-object"
CONTAINER: Final = "application/cdmi-container"
CAPABILITY: Final = "application/cdmi-capability"
#: Stands in `Accept` for the raw bytes of a data object.
BINARY: Final = "application/binary"


def check_version(header: str | None) -> bool:
    """Whether the request speaks CDMI; without the header it is plain HTTP. Raises ApiError `badVersion`."""
    if header is None:
        return False
    if not any(entry.strip() in _SUPPORTED for entry in header.split(",")):
        raise bad_version()
    return True


def bad_version() -> ApiError:
    """None of the versions asked for is spoken here."""
    return ApiError("badVersion", {"supportedVersions": list(_SUPPORTED)})


def cdmi_type(media_type: str) -> str | None:
    """The CDMI type a lower-case `Content-Type` means, with or without `+json`; None for any other."""
    plain = media_type.removesuffix("+json")
    return plain if plain in (OBJECT, CONTAINER) else None
