"""How bodies of the REST API look, for its description."""

from __future__ import annotations

from typing import Any

from runtime.http import file_ids
from services.gateway.api.rest.described import (
    BINARY,
    OCTETS,
    Header,
    Reply,
    Schema,
    Shape,
    array_of,
    json_object,
    nullable,
    octets,
)
from services.gateway.domain import attributes

#: A file and a directory of the examples.
FILE_ID_EXAMPLE = file_ids.encode("space1", "9f1b6a")
PARENT_ID_EXAMPLE = file_ids.encode("space1", "space_space1")

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
SECONDS: Schema = {"type": "integer", "description": "Seconds since the epoch."}
FILE_ID: Schema = {"type": "string", "pattern": "^[0-9A-F]+$", "description": "A file's id (CDMI object id)."}
_DIGITS: Schema = {"type": "string", "pattern": "^[0-7]{3}$"}
FILE_TYPE: Schema = {"type": "string", "enum": ["REG", "DIR", "SYMLNK"]}
_FLAGS = array_of({"type": "string", "enum": ["data_protection", "metadata_protection"]})
_INHERITANCE = nullable({"type": "string", "enum": ["none", "direct", "ancestor", "directAndAncestor"]})

_ACE: Schema = {
    "type": "object",
    "required": ["aceType", "identifier", "aceFlags", "aceMask"],
    "properties": {"aceType": TEXT, "identifier": TEXT, "aceFlags": NUMBER, "aceMask": NUMBER},
}

#: Of each attribute by its current name. A test holds the keys against what can be asked for.
ATTRIBUTE_SCHEMAS: dict[str, Schema] = {
    "fileId": FILE_ID,
    "index": {"type": "string", "description": "Position in a listing of its directory."},
    "type": FILE_TYPE,
    "activePermissionsType": {"type": "string", "enum": ["posix", "acl"]},
    "posixPermissions": _DIGITS,
    "acl": array_of(_ACE),
    "name": TEXT,
    "conflictingName": nullable(TEXT),
    "path": TEXT,
    "parentFileId": nullable(FILE_ID),
    "displayGid": NUMBER,
    "displayUid": NUMBER,
    "creationTime": SECONDS,
    "atime": SECONDS,
    "mtime": SECONDS,
    "ctime": SECONDS,
    "size": nullable(NUMBER),
    "isFullyReplicatedLocally": nullable(FLAG),
    "localReplicationRate": nullable({"type": "number", "minimum": 0, "maximum": 1}),
    "originProviderId": TEXT,
    "directShareIds": array_of(TEXT),
    "ownerUserId": TEXT,
    "hardlinkCount": NUMBER,
    "symlinkValue": nullable(TEXT),
    "hasCustomMetadata": FLAG,
    "effProtectionFlags": _FLAGS,
    "effDatasetProtectionFlags": _FLAGS,
    "effDatasetInheritancePath": _INHERITANCE,
    "effQosInheritancePath": _INHERITANCE,
    "aggregateQosStatus": nullable({"type": "string", "enum": ["fulfilled", "pending", "impossible"]}),
    "archiveRecallRootFileId": nullable(FILE_ID),
}

_ATTRIBUTES_EXAMPLE = {
    "fileId": FILE_ID_EXAMPLE, "parentFileId": PARENT_ID_EXAMPLE, "name": "a.txt", "posixPermissions": "664",
    "atime": 1733000000, "mtime": 1733000000, "ctime": 1733000000, "type": "REG", "size": 12,
    "directShareIds": [], "index": "a.txt", "displayUid": 1000, "displayGid": 1000, "ownerUserId": "user1",
    "originProviderId": "provider1", "hardlinkCount": 1,
}  # fmt: skip


def _attributes() -> Shape:
    by_any_name = dict(ATTRIBUTE_SCHEMAS)
    for current, deprecated in attributes.deprecated_names():
        by_any_name.setdefault(deprecated, {**ATTRIBUTE_SCHEMAS[current], "deprecated": True})
    optional = tuple(by_any_name)
    return json_object(by_any_name, _ATTRIBUTES_EXAMPLE, name="Attributes", optional=optional)


ATTRIBUTES = _attributes()
_ENTRY_EXAMPLE = {"fileId": FILE_ID_EXAMPLE, "file_id": FILE_ID_EXAMPLE, "name": "a.txt"}
CHILDREN = json_object(
    {
        "children": array_of({"$ref": "#/components/schemas/Attributes"}),
        "isLast": {"type": "boolean", "description": "Whether this was the last page; it alone ends a loop."},
        "nextPageToken": {"type": "string", "description": "For the next page, also when there is none."},
    },
    {"children": [_ENTRY_EXAMPLE], "isLast": True, "nextPageToken": "YS50eHQ"},
    name="Children",
)
BULK = json_object(
    {
        "done": {"type": "boolean", "description": "False only when `atomic` operations were not done."},
        "results": {
            **array_of(
                nullable(
                    {
                        "anyOf": [
                            {"$ref": "#/components/schemas/Attributes"},
                            {"$ref": "#/components/schemas/Error"},
                        ]
                    }
                )
            ),
            "description": "In the order of the operations: `fileId` of what was made or renamed, what a "
            "stat asked for, `{}` for what was deleted, an error; null for what was not done.",
        },
    },
    {"done": True, "results": [{"fileId": FILE_ID_EXAMPLE}]},
    name="BulkResults",
)
SUBTREE = json_object(
    {
        "files": array_of({"$ref": "#/components/schemas/Attributes"}),
        "inaccessiblePaths": {
            **array_of(TEXT),
            "description": "Relative paths of directories the caller may not list; `.` is the one asked for.",
        },
        "nextPageToken": {"type": ["string", "null"], "description": "For the next page; null at the end."},
    },
    {
        "files": [{"fileId": FILE_ID_EXAMPLE, "file_id": FILE_ID_EXAMPLE, "path": "dir/a.txt"}],
        "inaccessiblePaths": ["dir/secret"],
        "nextPageToken": None,
    },
    name="Subtree",
)
TRASH = json_object(
    {
        "directories": array_of(
            {
                "type": "object",
                "properties": {
                    "fileId": FILE_ID,
                    "name": {"type": "string", "description": "The name it had."},
                    "parentFileId": {**FILE_ID, "description": "The directory it was in."},
                    "ownerUserId": TEXT,
                    "deletedBy": TEXT,
                    "deletedAt": SECONDS,
                    "expiresAt": {
                        **SECONDS,
                        "description": "When its removal begins; sooner in a full space.",
                    },
                },
            }
        ),
        "nextPageToken": {"type": ["string", "null"], "description": "For the next page; null at the end."},
    },
    {
        "directories": [
            {
                "fileId": FILE_ID_EXAMPLE,
                "name": "trip",
                "parentFileId": FILE_ID_EXAMPLE,
                "ownerUserId": "u1",
                "deletedBy": "u1",
                "deletedAt": 1733000000,
                "expiresAt": 1733003600,
            }
        ],
        "nextPageToken": None,
    },
    name="Trash",
)
CREATED = json_object({"fileId": FILE_ID}, {"fileId": FILE_ID_EXAMPLE}, name="FileId")
FILE_IDS = array_of(FILE_ID)
HARD_LINKS = (
    Shape(FILE_IDS, [FILE_ID_EXAMPLE], media=OCTETS),
    Shape(FILE_IDS, [FILE_ID_EXAMPLE]),
)
XATTRS = Shape(
    {"type": "object", "additionalProperties": True},
    {"license": "CC-BY-4.0", "run": 7},
    name="ExtendedAttributes",
)
JSON = Shape({"description": "Any JSON value."}, {"sample": {"ph": 7.4}})
RDF = Shape({**BINARY, "description": "Never looked into."}, "<rdf:RDF/>", media="application/rdf+xml")
TICKET = json_object(
    {"url": TEXT, "expiresAt": SECONDS},
    {"url": "https://provider.example.org/ticket/CiQ5ZjFi", "expiresAt": 1733000300},
    name="Ticket",
)
CONTENT = octets("The content.")
LINK_TEXT = octets("The text as it was given.")

LOCATION = {"location": "URL of what was made."}
RANGE = Header("Range", "One range or several, in bytes.", "bytes=0-99")
CONDITIONS = (
    Header("If-None-Match", "Nothing is sent again of a state with one of these tags.", '"9f2c-3"'),
    Header("If-Modified-Since", "As above, by `Last-Modified`; less exact.", "Wed, 21 Oct 2015 07:28:00 GMT"),
    Header("If-Range", "The range only of this very state, else all: a tag or a date.", '"9f2c-3"'),
)
_PARTS: dict[str, Any] = {**BINARY, "description": "One part for each of several ranges."}
DOWNLOAD_REPLIES = (
    Reply(
        206,
        "The range that was asked for, or several as parts.",
        (CONTENT, Shape(_PARTS, media="multipart/byteranges")),
        {"content-range": "Which bytes of how many; several ranges have one in each part."},
    ),
    Reply(
        302,
        "A directory: where it is downloaded as a tar archive, once, without a token; resumed with a range.",
        headers={"location": "The address of the archive, good for a quarter of an hour."},
    ),
    Reply(304, "The client has this state already.", headers={"etag": "The tag of the state."}),
    Reply(416, "No such range.", headers={"content-range": "How many bytes there are, as `bytes */SIZE`."}),
)

SHARE_ID = json_object({"shareId": TEXT}, {"shareId": "6a7f0c"}, name="ShareId")
SHARE = json_object(
    {
        "shareId": TEXT,
        "spaceId": TEXT,
        "name": TEXT,
        "description": {"type": "string", "description": "Markdown."},
        "publicUrl": {"type": "string", "description": "The page for people, at the zone."},
        "publicRestUrl": TEXT,
        "rootFileId": {**FILE_ID, "description": "The root as everybody sees it, without a token."},
        "rootFileType": {"type": "string", "enum": ["REG", "DIR"]},
        "handleId": nullable(TEXT),
    },
    {
        "shareId": "6a7f0c",
        "spaceId": "space1",
        "name": "results",
        "description": "",
        "publicUrl": "https://zone.example.org/share/6a7f0c",
        "publicRestUrl": "https://zone.example.org/api/v3/onezone/shares/6a7f0c/public",
        "rootFileId": file_ids.encode("space1", "9f1b6a", "6a7f0c"),
        "rootFileType": "DIR",
        "handleId": None,
    },
    name="Share",
)
_SPACE_EXAMPLE = {
    "name": "home",
    "spaceId": "space1",
    "fileId": PARENT_ID_EXAMPLE,
    "dirId": PARENT_ID_EXAMPLE,
    "trashDirId": file_ids.encode("space1", "trash_space1"),
    "archivesDirId": file_ids.encode("space1", "archivesRoot_space1"),
    "providers": [{"providerId": "provider1", "providerName": "krakow"}],
}
SPACE = json_object(
    {
        "name": TEXT,
        "spaceId": TEXT,
        "fileId": {**FILE_ID, "deprecated": True},
        "dirId": FILE_ID,
        "trashDirId": FILE_ID,
        "archivesDirId": FILE_ID,
        "providers": array_of(json_object({"providerId": TEXT, "providerName": TEXT}).schema),
    },
    _SPACE_EXAMPLE,
    name="Space",
)
SPACES = Shape(array_of(SPACE.schema), [_SPACE_EXAMPLE])
