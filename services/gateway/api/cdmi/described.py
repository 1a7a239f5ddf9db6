"""What the API's description tells of CDMI. Data objects and containers are told apart by the slash at the
end of a path, so they stand as paths of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runtime.http.cdmi import CAPABILITY, CONTAINER, MULTIPART, OBJECT, QUEUE
from services.gateway.api.openapi import Entry
from services.gateway.api.rest.described import (
    BINARY,
    Header,
    Reply,
    Schema,
    Shape,
    Told,
    json_object,
)
from services.gateway.api.rest.shapes import FILE_ID, FILE_ID_EXAMPLE, PARENT_ID_EXAMPLE, RANGE

_TEXT: Schema = {"type": "string"}
_ITEMS: Schema = {"type": "object", "description": "`cdmi_*` of the system, and what users set."}
_VERSION = Header(
    "X-CDMI-Specification-Version",
    "With it the CDMI form, without it plain HTTP.",
    "1.1.1",
    pattern="^1[.]1([.]1)?$",
)
_REQUIRED_VERSION = Header(
    _VERSION.name, "The version, or several.", "1.1.1", required=True, pattern=_VERSION.pattern
)
_PARTIAL = Header("X-CDMI-Partial", "`true`: more of the content will follow.", "true")
_CONTENT_RANGE = Header("Content-Range", "Plain HTTP: where in the file the body goes.", "bytes 0-99/*")
_QUERY = (
    "The query names the fields that are wanted, separated by `;`: `?objectID;metadata:prefix;value:0-99` or "
    "`?children:0-99;childrenrange`."
)

_COMMON: dict[str, Schema] = {
    "objectType": _TEXT,
    "objectID": FILE_ID,
    "objectName": _TEXT,
    "parentURI": _TEXT,
    "parentID": _TEXT,
    "capabilitiesURI": _TEXT,
    "completionStatus": {"type": "string", "pattern": "^(Complete|Processing|Error.*)$"},
    "percentComplete": {"type": "string", "description": "Of a copy that goes on, as far as it is known."},
    "metadata": _ITEMS,
}
_EXAMPLE: dict[str, Any] = {
    "objectID": FILE_ID_EXAMPLE,
    "parentURI": "/demo/",
    "parentID": PARENT_ID_EXAMPLE,
    "completionStatus": "Complete",
    "metadata": {"cdmi_size": "5", "colour": "blue"},
}


def _object(name: str, media: str, properties: dict[str, Schema], example: Any) -> Shape:
    shape = json_object(properties, example, name=name, optional=tuple(properties))
    return Shape(shape.schema, shape.example, media, name)


_DATA_OBJECT = _object(
    "CdmiObject",
    OBJECT,
    {
        **_COMMON,
        "mimetype": _TEXT,
        "valuetransferencoding": {"enum": ["utf-8", "base64"]},
        "valuerange": _TEXT,
        "value": {"type": "string", "description": "The content, encoded as `valuetransferencoding` says."},
    },
    {
        **_EXAMPLE,
        "objectType": OBJECT,
        "objectName": "hello.txt",
        "mimetype": "text/plain",
        "valuetransferencoding": "utf-8",
        "valuerange": "0-4",
        "value": "hello",
    },
)
_DIRECTORY = _object(
    "CdmiContainer",
    CONTAINER,
    {**_COMMON, "childrenrange": _TEXT, "children": {"type": "array", "items": _TEXT}},
    {
        **_EXAMPLE,
        "objectType": CONTAINER,
        "objectName": "docs/",
        "childrenrange": "0-1",
        "children": ["hello.txt", "more/"],
    },
)
_CAPABILITIES = _object(
    "CdmiCapabilities",
    CAPABILITY,
    {
        **dict.fromkeys(("objectType", "objectID", "objectName", "parentURI", "parentID"), _TEXT),
        "capabilities": {"type": "object", "additionalProperties": _TEXT},
        "childrenrange": _TEXT,
        "children": {"type": "array", "items": _TEXT},
    },
    {"objectType": CAPABILITY, "objectName": "container/", "capabilities": {"cdmi_list_children": "true"}},
)
_SOURCE: Schema = {"type": "string", "description": "`space/path` or `cdmi_objectid/<id>[/path]`."}
_SERIALIZED: dict[str, Schema] = {
    "reference": {"type": "string", "description": "A URI `/cdmi/…`; nothing else may be in the body."},
    "deserialize": {"type": "string", "description": "As `copy`: an object whose value is a serialisation."},
    "deserializevalue": {"type": "string", "description": "A serialisation in base64."},
}
_NEW_OBJECT = _object(
    "CdmiObjectBody",
    OBJECT,
    {
        "value": _TEXT,
        "valuetransferencoding": {"enum": ["utf-8", "base64"]},
        "mimetype": _TEXT,
        "metadata": {"type": "object"},
        "copy": _SOURCE,
        "move": _SOURCE,
        "serialize": _SOURCE,
        **_SERIALIZED,
    },
    {"value": "hello", "metadata": {"colour": "blue"}},
)
_NEW_DIRECTORY = _object(
    "CdmiContainerBody",
    CONTAINER,
    {"metadata": {"type": "object"}, "copy": _SOURCE, "move": _SOURCE, **_SERIALIZED},
    {"metadata": {"colour": "blue"}},
)
_LIST: Schema = {"type": "array", "items": _TEXT}
_QUEUE = _object(
    "CdmiQueue",
    QUEUE,
    {
        **_COMMON,
        "queueValues": {"type": "string", "description": "Numbers of the values: `LOW-HIGH`, or empty."},
        **dict.fromkeys(("mimetype", "valuerange", "valuetransferencoding", "value"), _LIST),
    },
    {
        **_EXAMPLE,
        "objectType": QUEUE,
        "objectName": "jobs",
        "queueValues": "7-9",
        "mimetype": ["text/plain"],
        "valuerange": ["0-4"],
        "valuetransferencoding": ["utf-8"],
        "value": ["hello"],
    },
)
_NEW_QUEUE = _object(
    "CdmiQueueBody",
    QUEUE,
    {"metadata": {"type": "object"}, "copy": _SOURCE, "move": _SOURCE},
    {"metadata": {"colour": "blue"}},
)
_NEW_VALUES = _object(
    "CdmiQueueValues",
    QUEUE,
    {
        "value": {**_LIST, "minItems": 1, "maxItems": 1000},
        "mimetype": {**_LIST, "description": "`text/plain` where it is absent."},
        "valuetransferencoding": {"type": "array", "items": {"enum": ["utf-8", "base64"]}},
        "copy": _SOURCE,
        "move": {**_SOURCE, "description": "A data object, or `space/queue?values:N`."},
    },
    {"value": ["hello"]},
)
_ANY_CONTENT = Shape({**BINARY, "description": "The content, of the type it was stored with."}, media="*/*")

_IN_PARTS = Shape(
    {**BINARY, "description": "The JSON of the CDMI form without its value, then the value, or parts of it."},
    media=MULTIPART,
)
_FORM = Shape(
    {
        "type": "object",
        "properties": {"file": BINARY},
        "description": "One file, and fields that are ignored.",
    },
    media="multipart/form-data",
)

_NOT_THERE = Reply(404, "Nothing is there. No body.")
_OTHER_FORM = Reply(
    302, "The path is that of the other kind of object.", headers={"location": "The path with the right end."}
)
_ERRORS = (
    "badVersion",
    "badData",
    "badValueFilePath",
    "badValueIdentifier",
    "spaceNotSupportedBy",
    "forbidden",
)
_ON_FILES = (*_ERRORS, "posix/enoent", "posix/eacces", "posix/eperm", "missingRequiredValue")
_ON_WRITING = (
    *_ON_FILES, "posix/enospc", "posix/einval", "posix/eisdir", "posix/enotdir", "posix/enotempty",
    "posix/eexist", "posix/enametoolong", "posix/efbig", "posix/eagain", "posix/enotsup", "malformedData",
    "notSupported", "limitReached",
)  # fmt: skip


def cdmi_entries() -> Iterator[Entry]:
    """All operations below `/cdmi`."""
    for path in ("/cdmi/{path}", "/cdmi/cdmi_objectid/{id}"):
        yield from _data_objects(path)
        yield from _containers(f"{path}/")
    for address in ("", "container/", "dataobject/", "queue/"):
        yield Entry(
            f"/cdmi/cdmi_capabilities/{address}",
            "GET",
            "What this server can do",
            Told(
                (_CAPABILITIES,),
                ("badVersion", "badData"),
                _QUERY,
                replies=(Reply(406, "What `Accept` asks for is none of what there is. No body."),),
                request_headers=(_REQUIRED_VERSION,),
                tag="cdmi",
                public=True,
            ),
        )


def _data_objects(path: str) -> Iterator[Entry]:
    partial = Reply(
        206, "Plain HTTP: the range that was asked for.", (_ANY_CONTENT,), {"content-range": "Which bytes."}
    )
    no_range = Reply(
        416, "Plain HTTP: no such range. No body.", headers={"content-range": "How many bytes there are."}
    )
    yield Entry(
        path,
        "GET",
        "Read a file, or values of a queue",
        Told(
            (_DATA_OBJECT, _QUEUE, _IN_PARTS, _ANY_CONTENT),
            (*_ON_FILES, "badValueTooHigh", "limitReached", "posix/enotsup"),
            f"{_QUERY} Of a queue `?values:10` tells the 10 oldest values, and takes none.",
            replies=(partial, no_range, _OTHER_FORM, _NOT_THERE),
            request_headers=(_VERSION, RANGE),
            tag="cdmi",
        ),
    )
    made = Reply(201, "A new file or queue: made, copied or moved.", (_DATA_OBJECT, _QUEUE))
    accepted = _accepted(_DATA_OBJECT)
    replaced = Reply(200, "A move replaced a file.", (_DATA_OBJECT,))
    yield Entry(
        path,
        "PUT",
        "Write, copy or move a file or queue",
        Told(
            (),
            _ON_WRITING,
            "In the CDMI form the body says what to do; in plain HTTP it is the content.",
            body=(_NEW_OBJECT, _NEW_QUEUE, _IN_PARTS, _ANY_CONTENT),
            replies=(made, accepted, replaced, _OTHER_FORM, _NOT_THERE),
            request_headers=(_VERSION, _PARTIAL, _CONTENT_RANGE),
            tag="cdmi",
        ),
        status=204,
    )
    yield Entry(
        path,
        "POST",
        "Add values to a queue",
        Told(
            (),
            (*_ON_WRITING, "badValueTooHigh"),
            "All of them or none, behind all others. `value`, `mimetype` and `valuetransferencoding` are "
            "lists of one length.",
            body=(_NEW_VALUES,),
            replies=(
                Reply(405, "No queue is there. No body.", headers={"allow": "What can be done with it."}),
                _OTHER_FORM,
                _NOT_THERE,
            ),
            request_headers=(_REQUIRED_VERSION,),
            tag="cdmi",
        ),
        status=204,
    )
    yield _removal(
        path,
        "Remove a file or queue, or values of a queue",
        "Of a queue `?value` takes the oldest value, `?values:10` ten of them, `?values:7-9` these numbers.",
        ("badValueTooHigh",),
    )


def _containers(path: str) -> Iterator[Entry]:
    yield Entry(
        path,
        "GET",
        "List a directory",
        Told(
            (_DIRECTORY,),
            (*_ON_FILES, "badValueTooHigh"),
            f"{_QUERY} More than 1,000 children are listed in ranges.",
            replies=(_OTHER_FORM, _NOT_THERE),
            request_headers=(_VERSION,),
            tag="cdmi",
        ),
    )
    made = Reply(201, "A new directory: made, copied or moved.", (_DIRECTORY,))
    replaced = Reply(200, "A move replaced an empty directory.", (_DIRECTORY,))
    yield Entry(
        path,
        "PUT",
        "Create, copy or move a directory",
        Told(
            (),
            _ON_WRITING,
            body=(_NEW_DIRECTORY,),
            replies=(made, _accepted(_DIRECTORY), replaced, _OTHER_FORM, _NOT_THERE),
            request_headers=(_VERSION,),
            tag="cdmi",
        ),
        status=204,
    )
    posted = Reply(201, "A new file or queue.", (_DATA_OBJECT, _QUEUE), {"location": "Where it is."})
    yield Entry(
        path,
        "POST",
        "Create a file or queue under a name of the server's",
        Told(
            (),
            _ON_WRITING,
            "As a PUT of a file: in the CDMI form the body says what to do, in plain HTTP it is the content. "
            "The file of a form keeps its name.",
            body=(_NEW_OBJECT, _NEW_QUEUE, _IN_PARTS, _FORM, _ANY_CONTENT),
            replies=(posted, _accepted(_DATA_OBJECT), _OTHER_FORM, _NOT_THERE),
            request_headers=(_VERSION, _PARTIAL),
            tag="cdmi",
        ),
        status=201,
    )
    yield _removal(path, "Remove a directory with all in it")


def _accepted(shape: Shape) -> Reply:
    return Reply(
        202, "A copy that goes on: its place tells how far it is.", (shape,), {"location": "Its place."}
    )


def _removal(path: str, summary: str, description: str = "", errors: tuple[str, ...] = ()) -> Entry:
    told = Told(
        (),
        (*_ON_FILES, *errors),
        description,
        replies=(_OTHER_FORM, _NOT_THERE),
        request_headers=(_VERSION,),
        tag="cdmi",
    )
    return Entry(path, "DELETE", summary, told, status=204)
