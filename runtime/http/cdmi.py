"""CDMI 1.1.1 as both fronts read it: versions, media types, the query string, object ids, redirects.

Pure functions; whoever answers, a client sees one order of checks and one set of refusals.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from runtime.http import file_ids
from runtime.http.errors import ApiError, posix
from runtime.http.file_ids import FileId
from runtime.http.ranges import MAX_OFFSET, MAX_RANGES
from runtime.identity import Identity

VERSION: Final = "1.1.1"
_SUPPORTED: Final = ("1.1.1", "1.1")

VERSION_HEADER: Final = b"x-cdmi-specification-version"
#: What pages of other origins may read of our answers.
_EXPOSED: Final = (
    b"access-control-expose-headers",
    b"Content-Range, Location, X-CDMI-Specification-Version",
)

OBJECT: Final = "application/cdmi-object"
CONTAINER: Final = "application/cdmi-container"
CAPABILITY: Final = "application/cdmi-capability"
QUEUE: Final = "application/cdmi-queue"
#: Stands in `Accept` for the raw bytes of a data object.
BINARY: Final = "application/binary"
#: JSON and value in one body, each as a part.
MULTIPART: Final = "multipart/mixed"
#: Every media type of the standard begins so.
FAMILY: Final = "application/cdmi-"

#: First segment of the paths that begin at an object id.
BY_ID: Final = "cdmi_objectid"

#: Capability objects by their address below the root, and their fixed object ids.
CAPABILITY_IDS: Final = {
    "cdmi_capabilities/": file_ids.encode_data(b"%032d" % 1),
    "cdmi_capabilities/container/": file_ids.encode_data(b"%032d" % 2),
    "cdmi_capabilities/dataobject/": file_ids.encode_data(b"%032d" % 3),
    "cdmi_capabilities/queue/": file_ids.encode_data(b"%032d" % 4),
}
_CAPABILITIES_BY_ID: Final = {id: address for address, id in CAPABILITY_IDS.items()}

#: Between gateway and data port, beside a plain PUT: the object id whose content is to be copied to here, and
#: the mode of the file that is made.
COPY_OF: Final = b"isthmus-copy-of"
MODE: Final = b"isthmus-mode"
#: Likewise: the boundary between the parts of the value that the body consists of, and the ranges of these
#: parts, where they were told beside the body: `FIRST-LAST,…`.
PARTS: Final = b"isthmus-parts"
RANGES: Final = b"isthmus-ranges"
#: A copy that takes longer is answered 200 with lines of JSON: `{"copied": BYTES}` once a second, at last
#: `{"created": BOOLEAN}` or what the body of an error would have been.
PROGRESS: Final = b"isthmus-progress"

#: How long a client may remember a redirect.
_REDIRECT_SECONDS: Final = 3600
_HOST = re.compile(r"[A-Za-z0-9.\-:\[\]_]{1,255}", re.ASCII)

#: The longest URI of a reference; a symbolic link holds no more.
MAX_REFERENCE_BYTES: Final = 4095
_REFERENCE = re.compile(r"/cdmi/(?:[A-Za-z0-9\-._~:/?@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*", re.ASCII)

_MAX_FIELDS = 1024
_RANGE = re.compile(r"([0-9]{1,19})-([0-9]{1,19})", re.ASCII)

_WITHOUT_VERSION = (_EXPOSED,)
_WITH_VERSION = (_EXPOSED, (VERSION_HEADER, VERSION.encode()))

Range = tuple[int, int]


def speaks_cdmi(header: str | None) -> bool:
    """Whether the request speaks CDMI by its version header; without one it is plain HTTP.

    Raises ApiError `badVersion` when none of the versions listed is spoken here.
    """
    if header is None:
        return False
    if not any(entry.strip() in _SUPPORTED for entry in header.split(",")):
        raise bad_version()
    return True


def answer_headers(request_headers: Mapping[bytes, bytes]) -> tuple[tuple[bytes, bytes], ...]:
    """Headers of every answer: who names a version is told ours."""
    return _WITH_VERSION if VERSION_HEADER in request_headers else _WITHOUT_VERSION


def bad_version() -> ApiError:
    """None of the versions asked for is spoken here."""
    return ApiError("badVersion", {"supportedVersions": list(_SUPPORTED)})


def offered_types(*, container: bool, cdmi: bool) -> tuple[str, ...]:
    """What a resource can be told as, the first by default. `cdmi`: the request has the version header.

    Whether it is a data object or a queue shows only when it is found.
    """
    if container:
        return (CONTAINER,)
    return (OBJECT, BINARY, MULTIPART, QUEUE) if cdmi else (BINARY, OBJECT, QUEUE)


def body_type(media_type: str, *, container: bool, cdmi: bool) -> str | None:
    """The CDMI type of a PUT's body by its lower-case `Content-Type`; None where it is plain HTTP.

    `+json` changes nothing. Several parts are plain HTTP unless the request speaks CDMI.

    Raises ApiError `missingRequiredValue` for a CDMI type without the version header, `badValueIdentifier`
    for one that does not fit the path, `notSupported` for one whose objects are not kept here.
    """
    if media_type == MULTIPART and cdmi:
        if container:
            raise ApiError("badValueIdentifier", {"key": "path"})
        return MULTIPART
    if not media_type.startswith(FAMILY):
        return None
    if not cdmi:
        raise ApiError("missingRequiredValue", {"key": "version"})
    plain = media_type.removesuffix("+json")
    if plain not in (OBJECT, CONTAINER, QUEUE):
        raise ApiError("notSupported")
    if (plain == CONTAINER) != container:
        raise ApiError("badValueIdentifier", {"key": "path"})
    return plain


def is_partial(header: str | None) -> bool:
    """Whether `X-CDMI-Partial` says that more of the value is to come."""
    return header is not None and header.strip().lower() == "true"


def object_id(text: str, key: str) -> FileId:
    """The file of an object id. Raises ApiError `badValueIdentifier` with this key for a malformed one."""
    found = file_ids.decode(text)
    if found is None or text[:10] != "0" * 10:
        raise ApiError("badValueIdentifier", {"key": key})
    return found


def capability_of(object_id: str) -> str | None:
    """The address of the capability object with this id; None for other ids."""
    return _CAPABILITIES_BY_ID.get(object_id.upper())


def check_known(file: FileId, identity: Identity, *, provider_id: str) -> None:
    """Whether the caller can know the file by its id at all.

    Raises ApiError `posix`/`enoent` for files of shares and of strangers' spaces and for others' lists of
    spaces, `spaceNotSupportedBy` for a space that is not kept here.
    """
    if file.is_user_root:
        if file.uuid != f"userRoot_{identity.subject_id}":
            raise posix("enoent")
        return
    rights = identity.spaces.get(file.space_id)
    if file.share_id is not None or rights is None:
        raise posix("enoent")
    if not rights.supported:
        raise ApiError("spaceNotSupportedBy", {"spaceId": file.space_id, "providerId": provider_id})


def absolute(scheme: str | None, host: str | None, path: str, *, domain: str) -> str:
    """The URI of a percent-encoded path from the root of the server that was asked.

    `domain` stands in for a host that is none.
    """
    if host is None or not _HOST.fullmatch(host):
        host = domain
    return f"{'http' if scheme == 'http' else 'https'}://{host}{path}"


def redirect(location: str, query: bytes) -> dict[str, str]:
    """Headers of a 302 to the same object in the form that fits its type."""
    asked = "?" + query.decode("latin-1") if query else ""
    return {"location": location + asked, "cache-control": f"max-age={_REDIRECT_SECONDS}"}


def is_reference(symlink_target: str) -> bool:
    """Whether a symbolic link is a reference of CDMI: its target is a URI below `/cdmi/` on this server.

    Clients send their token again where a redirect leads them, so it leads to no other host and, since none
    of its segments is a dot, to nothing but CDMI.
    """
    if len(symlink_target) > MAX_REFERENCE_BYTES or _REFERENCE.fullmatch(symlink_target) is None:
        return False
    segments = symlink_target.partition("?")[0].split("/")
    return not any(unquote_to_bytes(segment) in (b".", b"..") for segment in segments)


def posted_name(request_id: str) -> str:
    """The name of what is posted to a container, the same on every try of a request."""
    return hashlib.blake2b(request_id.encode(), digest_size=16).hexdigest().upper()


def allowed(*, posts: bool) -> str:
    """Methods of a resource, as `Allow` tells them. `posts`: something can be added to it."""
    return "PUT, GET, DELETE, POST" if posts else "PUT, GET, DELETE"


@dataclass(frozen=True, slots=True)
class Query:
    """What a query asks for. `fields` are the names in order; empty asks for the default.

    `metadata` holds the arguments of `metadata:...`, prefixes on reading and names on writing. `values`: the
    ranges of `value:...`; only what has parts can have several.
    """

    fields: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()
    values: tuple[Range, ...] = ()
    children: Range | None = None

    @property
    def value(self) -> Range | None:
        """The one range of the value."""
        return self.values[0] if self.values else None

    def wants(self, field: str) -> bool:
        """Whether a field belongs into the answer."""
        return not self.fields or field in self.fields


def parse_query(query: bytes, *, in_parts: bool = False) -> Query:
    """Fields separated by `;`, each `name`, `name:argument` or `name:FROM-TO`, percent-decoded one by one.

    `in_parts`: the value comes or goes in parts, so there may be several ranges of it.

    Raises ApiError `badData`, key `query string`, for ranges that are none and for invalid UTF-8.
    """
    if not query:
        return Query()
    parts = query.split(b";", _MAX_FIELDS)
    if len(parts) > _MAX_FIELDS:
        raise _bad_query()
    fields: dict[str, None] = {}
    metadata: list[str] = []
    ranges: dict[str, list[Range]] = {"value": [], "children": []}
    for part in parts:
        name, colon, argument = _decode(part).partition(":")
        if not name:
            continue
        fields[name] = None
        if colon and name == "metadata":
            metadata.append(argument)
        elif colon and name in ranges:
            ranges[name].append(_range(argument))
    values, children = ranges["value"], ranges["children"]
    if len(values) > (MAX_RANGES if in_parts else 1) or len(children) > 1:
        raise _bad_query()
    if any(first > last for first, last in values):
        raise _bad_query()
    return Query(tuple(fields), tuple(metadata), tuple(values), children[0] if children else None)


def arguments_of(query: bytes, field: str) -> list[str]:
    """The arguments of a field, each time it has one. Raises as `parse_query`."""
    named = (_decode(part).partition(":") for part in query.split(b";", _MAX_FIELDS))
    return [argument for name, colon, argument in named if name == field and colon]


def _decode(part: bytes) -> str:
    try:
        return unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        raise _bad_query() from None


def _range(argument: str) -> Range:
    match = _RANGE.fullmatch(argument)
    if match is None or int(match[2]) > MAX_OFFSET:
        raise _bad_query()
    return int(match[1]), int(match[2])


def _bad_query() -> ApiError:
    return ApiError("badData", {"key": "query string"})
