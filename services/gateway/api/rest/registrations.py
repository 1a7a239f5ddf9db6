"""`POST /data/register`: a file that lies on an imported storage becomes a file of a space."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import orjson
from isthmus.metadata.v1 import contents_pb2
from isthmus.storage_router.v1 import storages_pb2

from runtime.clock import Clock
from runtime.errors import Aborted
from runtime.http import file_ids
from runtime.http.declared import Param, flag, optional_integer, required_text
from runtime.http.errors import ApiError, posix
from runtime.http.file_ids import FileId, check_member
from runtime.http.params import Params
from runtime.http.paths import MAX_SEGMENTS
from runtime.identity import Identity, SpacePrivilege
from runtime.request import request_id
from services.gateway.api.http import JSON, Answer, json_answer, to_headers
from services.gateway.api.ports import Registrar, StorageFiles
from services.gateway.api.rest.operations import PlainCall
from services.gateway.domain.files import display_id

_DEFAULT_MODE = 0o664
_MODE_BITS = 0o1777
_MAX_ID = 2**32 - 2
_MAX_SIZE_BYTES = 2**62
#: The year 9999: what can be shown as a date, and in milliseconds fits anywhere.
_MAX_TIME_S = 253_402_300_799


def _read_path(name: str, params: Params) -> tuple[str, ...]:
    names = tuple(each for each in params.required_string(name).split("/") if each)
    if not names or len(names) > MAX_SEGMENTS or any(each in (".", "..") or "\0" in each for each in names):
        raise ApiError("badValueFilePath")
    return names


def _path(name: str, about: str) -> Param[tuple[str, ...]]:
    return Param(
        name,
        about,
        {"type": "string", "minLength": 1},
        lambda params: _read_path(name, params),
        errors=("badValueString", "badValueEmpty", "badValueFilePath"),
        required=True,
    )


def _number(name: str, about: str, limit: int) -> Param[int | None]:
    """Not negative; the limit is only told to who exceeds it."""

    def read(params: Params) -> int | None:
        params.integer(name, low=0)
        return params.integer(name, high=limit)

    errors = ("badValueInteger", "badValueTooLow", "badValueTooHigh")
    return Param(name, about, {"type": "integer", "minimum": 0}, read, errors=errors)


def _read_mode(params: Params) -> int | None:
    try:
        return params.mode()
    except ApiError as error:
        if error.id == "badValueNotInRange":
            raise
        raise ApiError("badValueOctal", {"key": "mode"}) from None


def _read_object(name: str, params: Params) -> dict[str, Any] | None:
    value = params.get(name)
    if value is not None and not isinstance(value, dict):
        raise ApiError("badValueJSON", {"key": name})
    return value


def _object(name: str, about: str) -> Param[dict[str, Any] | None]:
    return Param(
        name,
        about,
        {"type": "object"},
        lambda params: _read_object(name, params),
        errors=("badValueJSON",),
        in_body=True,
    )


def _read_rdf(params: Params) -> bytes | None:
    text = params.string("rdf")
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ApiError("badData", {"key": "rdf"}) from None


SPACE = required_text("spaceId", "The space.")
STORAGE = required_text("storageId", "The imported storage that supports it here.")
STORAGE_FILE = _path("storageFileId", "Path of the file on the storage.")
DESTINATION = _path("destinationPath", "Path below the directory of the space; missing parents are made.")
DETECT = flag("autoDetectAttributes", "Whether what is not given is taken from the storage.", default=True)
SIZE = _number("size", "Bytes; needed unless they are detected.", _MAX_SIZE_BYTES)
MODE = Param(
    "mode",
    "Permission bits in octal digits, 0 to 1777; 664 unless detected.",
    {"type": "string", "pattern": "^[01]?[0-7]{1,3}$", "examples": ["644"]},
    _read_mode,
    errors=("badValueOctal", "badValueNotInRange"),
)
ATIME = _number("atime", "Seconds; now unless detected.", _MAX_TIME_S)
MTIME = _number("mtime", "Seconds; now unless detected.", _MAX_TIME_S)
CTIME = _number("ctime", "Seconds; now unless detected.", _MAX_TIME_S)
UID = optional_integer(
    "uid",
    "Number of the owner on the storage. The file belongs to the user that an operator has said it means, or "
    "who registers if it is the number shown for him, else to the virtual owner of the space.",
    low=0,
    high=_MAX_ID,
)
GID = optional_integer(
    "gid",
    "Number of the group on the storage, shown as `displayGid`; unless given, the detected one. Nobody has a "
    "right by it: all of a space are one group.",
    low=0,
    high=_MAX_ID,
)
XATTRS = _object("xattrs", "Extended attributes to merge.")
JSON_METADATA = _object("json", "The JSON document.")
RDF = Param(
    "rdf",
    "The RDF document in base64.",
    {"type": "string", "contentEncoding": "base64"},
    _read_rdf,
    errors=("badValueString", "badData"),
)

PARAMS: tuple[Param[Any], ...] = (
    SPACE, STORAGE, STORAGE_FILE, DESTINATION, DETECT, SIZE, MODE, ATIME, MTIME, CTIME, UID, GID, XATTRS,
    JSON_METADATA, RDF,
)  # fmt: skip


class RegistrationRoutes:
    """Registering files. `domain` is ours."""

    def __init__(self, storages: StorageFiles, registrar: Registrar, clock: Clock, *, domain: str) -> None:
        self._storages = storages
        self._registrar = registrar
        self._clock = clock
        self._domain = domain

    async def register(self, call: PlainCall) -> Answer:
        """`POST /data/register`."""
        if call[SIZE] is None and not call[DETECT]:
            raise ApiError("missingRequiredValue", {"key": "size"})
        space_id = call[SPACE]
        check_member(call.identity, FileId(space_id, ""), provider_id=call.provider_id)
        if not call.identity.spaces[space_id].has(SpacePrivilege.REGISTER_FILES):
            raise ApiError("forbidden")
        storage_file = call[STORAGE_FILE]
        shown = await self._storages.inspect_storage_file(
            storages_pb2.InspectStorageFileRequest(
                space_id=space_id,
                storage_id=call[STORAGE],
                storage_file_id="/" + "/".join(storage_file),
                stat=call[DETECT],
                uid=call[UID],
            )
        )
        try:
            answer = await self._registrar.register_file(self._request(call, shown))
        except Aborted:
            raise posix("einprogress") from None
        file_id = file_ids.encode(space_id, answer.file.file_id)
        location = f"https://{self._domain}/api/v3/oneprovider/data/{file_id}"
        return json_answer({"fileId": file_id}, 201, (*JSON, *to_headers([("location", location)])))

    def _request(
        self, call: PlainCall, shown: storages_pb2.InspectStorageFileResponse
    ) -> contents_pb2.RegisterFileRequest:
        detected = call[DETECT]
        size, mode, xattrs = call[SIZE], call[MODE], call[XATTRS]
        destination, gid = call[DESTINATION], call[GID]
        found_gid = shown.gid if shown.HasField("gid") else None
        found_mode = shown.mode & _MODE_BITS if detected else _DEFAULT_MODE
        return contents_pb2.RegisterFileRequest(
            request_id=request_id(),
            space_id=call[SPACE],
            path=destination,
            storage_id=call[STORAGE],
            storage_file_id=shown.storage_file_id,
            owner_id=_owner(call.identity, shown),
            size_bytes=shown.size_bytes if size is None else size,
            mode=found_mode if mode is None else mode,
            atime_ms=self._time_ms(call[ATIME], shown.atime_ms, detected=detected),
            mtime_ms=self._time_ms(call[MTIME], shown.mtime_ms, detected=detected),
            ctime_ms=self._time_ms(call[CTIME], shown.ctime_ms, detected=detected),
            xattrs=_texts(xattrs or {}),
            json=None if call[JSON_METADATA] is None else orjson.dumps(call[JSON_METADATA]),
            rdf=call[RDF],
            gid=found_gid if gid is None else gid,
        )

    def _time_ms(self, given_s: int | None, shown_ms: int, *, detected: bool) -> int:
        if given_s is not None:
            return given_s * 1000
        # A storage may tell times before 1970, which nobody here can show.
        return max(0, shown_ms) if detected else self._clock.now_ms()


def _owner(identity: Identity, shown: storages_pb2.InspectStorageFileResponse) -> str:
    """Whose file it is; empty when nobody knows.

    Without the word of an operator a number is known to mean who registers, if it is the one shown for him.
    """
    if shown.owner_id or not shown.HasField("uid"):
        return shown.owner_id
    return identity.subject_id if shown.uid == display_id(identity.subject_id) else ""


def _texts(values: Mapping[str, Any]) -> dict[str, bytes]:
    return {name: orjson.dumps(value) for name, value in values.items()}
