"""What the API's description tells of an operation beside its parameters: bodies, answers, errors.

Nothing here is used to serve a request; a test holds it against the answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

JSON_TYPE = "application/json"
OCTETS = "application/octet-stream"

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """How a body looks. A shape with a `name` stands among the description's components under it."""

    schema: Schema
    example: Any = None
    media: str = JSON_TYPE
    name: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """One more answer than the usual one. `headers`: name and meaning."""

    status: int
    about: str
    shapes: tuple[Shape, ...] = ()
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """A request header that the operation heeds."""

    name: str
    about: str
    example: str = ""
    required: bool = False
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of one operation.

    `answers`: how the body of the usual answer looks, in each media type. `errors`: ids of the catalogue
    beside those that every private route, and the declared parameters, can answer with; those of POSIX errors
    as `posix/enoent`. `body`: what a body looks like that is taken as it is.
    """

    answers: tuple[Shape, ...] = ()
    errors: tuple[str, ...] = ()
    notes: str = ""
    body: tuple[Shape, ...] = ()
    replies: tuple[Reply, ...] = ()
    request_headers: tuple[Header, ...] = ()
    answer_headers: Mapping[str, str] | None = None
    tag: str = "files"
    public: bool = False


#: What a route about a file can answer with, whatever it does.
GONE = ("posix/enoent", "posix/eacces")
BINARY: Schema = {"type": "string", "format": "binary"}


def octets(about: str = "") -> Shape:
    """Any bytes."""
    return Shape({**BINARY, "description": about} if about else BINARY, media=OCTETS)


def json_object(
    properties: Mapping[str, Schema], example: Any = None, *, name: str = "", optional: tuple[str, ...] = ()
) -> Shape:
    """An object that always has these keys but for the optional ones."""
    required = [key for key in properties if key not in optional]
    schema: dict[str, Any] = {"type": "object", "properties": dict(properties)}
    if required:
        schema["required"] = required
    return Shape(schema, example, name=name)


def array_of(items: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": items}


def nullable(schema: Schema) -> Schema:
    """Or null."""
    return {"anyOf": [schema, {"type": "null"}]}
