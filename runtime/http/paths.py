"""URL paths to names: split first, decode each segment, then fold dots."""

from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes

from runtime.http.errors import ApiError, posix
from runtime.identity import Identity

#: Most segments a path may have; deeper trees cannot be addressed by path.
MAX_SEGMENTS = 1024


def split_path(raw_path: bytes, *, fold: bool = True) -> list[str]:
    """Names of a raw URL path, percent-decoded once each, so that `%2F` never makes a separator.

    Empty segments (doubled and trailing slashes) and `.` are dropped. With `fold`, `..` takes the name
    before it away and never climbs above the start; without, `..` stays for the caller to refuse. Raises
    ApiError `badValueFilePath` for NUL, for what is no UTF-8, and for more than 1024 names.
    """
    names: list[str] = []
    for segment in raw_path.split(b"/"):
        if segment in (b"", b"."):
            continue
        name = decode_segment(segment)
        if name == ".":
            continue
        if name == ".." and fold:
            if names:
                names.pop()
            continue
        names.append(name)
    if len(names) > MAX_SEGMENTS:
        raise ApiError("badValueFilePath")
    return names


def decode_segment(segment: bytes) -> str:
    """One path segment as text. Raises ApiError `badValueFilePath` for NUL and invalid UTF-8."""
    try:
        name = (unquote_to_bytes(segment) if b"%" in segment else segment).decode()
    except UnicodeDecodeError:
        raise ApiError("badValueFilePath") from None
    if "\0" in name:
        raise ApiError("badValueFilePath")
    return name


def decode_id(segment: bytes) -> str:
    """A segment that stands for an id; what is no text is no id of anything either."""
    try:
        return decode_segment(segment)
    except ApiError:
        return segment.decode("latin-1")


def quote_segment(name: str) -> str:
    """A name as a URL path segment."""
    return quote(name, safe="")


def resolve_space(identity: Identity, segment: str, *, provider_id: str) -> str:
    """Id of the space that the first name of a path means: `name`, or `name@spaceId`.

    Only spaces the caller is a member of are found. Raises ApiError `posix`/`enoent` for an unknown name
    or a name and id that do not belong together, and `spaceNotSupportedBy` for a space that exists for
    the caller but not at this provider. A name several spaces bear means the supported one with the
    lowest id.
    """
    found = _by_name(identity, segment) or _by_name_and_id(identity, segment)
    if found is None:
        raise posix("enoent")
    if not identity.spaces[found].supported:
        raise ApiError("spaceNotSupportedBy", {"spaceId": found, "providerId": provider_id})
    return found


def _by_name(identity: Identity, name: str) -> str | None:
    bearers = [
        (not rights.supported, space_id)
        for space_id, rights in identity.spaces.items()
        if rights.name == name
    ]
    return min(bearers)[1] if bearers else None


def _by_name_and_id(identity: Identity, segment: str) -> str | None:
    # A name may hold an `@` itself; then one of the splits fits.
    at = segment.find("@")
    while at >= 0:
        rights = identity.spaces.get(segment[at + 1 :])
        if rights is not None and rights.name == segment[:at]:
            return segment[at + 1 :]
        at = segment.find("@", at + 1)
    return None
