"""What a reader of the changes stream asks for, and the lines he is told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from runtime.http import file_ids
from runtime.http.errors import ApiError
from services.gateway.domain.files import TYPE_NAMES

FILE_META: Final = "fileMeta"
FILE_LOCATION: Final = "fileLocation"
TIMES: Final = "times"
CUSTOM_METADATA: Final = "customMetadata"
DOCUMENTS: Final = (FILE_META, FILE_LOCATION, TIMES, CUSTOM_METADATA)
_SPECIFICATION: Final = "changesSpecification"
_KEYVALUE: Final = "onedata_keyvalue"
_JSON: Final = "onedata_json"
_RDF: Final = "onedata_rdf"

#: Names of what custom metadata keeps beside plain extended attributes.
SPECIAL: Final = frozenset({_JSON, _RDF})

_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    FILE_META: ("name", "type", "mode", "owner", "provider_id", "shares", "deleted"),
    FILE_LOCATION: ("provider_id", "storage_id", "size", "space_id", "storage_file_created"),
    TIMES: ("atime", "mtime", "ctime"),
}


@dataclass(frozen=True, slots=True)
class Section:
    """What is told of one document. `always`: also when another document changed."""

    fields: tuple[str, ...] = ()
    always: bool = False
    exists: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Specification:
    """`triggers`: documents whose changes count."""

    sections: Mapping[str, Section]
    triggers: frozenset[str]

    @property
    def with_custom_metadata(self) -> bool:
        """Whether anything of custom metadata is told."""
        return CUSTOM_METADATA in self.sections

    @property
    def xattrs(self) -> frozenset[str] | None:
        """Names of custom metadata that are told, None for all."""
        section = self.sections.get(CUSTOM_METADATA, Section())
        names = frozenset((*section.fields, *section.exists))
        return None if _KEYVALUE in names else names

    def tells_of(self, document: str) -> bool:
        """Whether a change of this document gives a line at all."""
        return document in self.sections or any(section.always for section in self.sections.values())


def parse(value: Any) -> Specification:
    """A specification from the JSON of a request. Raises ApiError for each fault by its own id."""
    if not isinstance(value, dict):
        raise ApiError("badValueJSON", {"key": _SPECIFICATION})
    triggers = _triggers(value.get("triggers"))
    sections = {name: _section(name, told) for name, told in value.items() if name != "triggers"}
    if not sections:
        raise ApiError("badValueEmpty", {"key": _SPECIFICATION})
    return Specification(sections, triggers)


def _triggers(value: Any) -> frozenset[str]:
    if value is None:
        return frozenset(DOCUMENTS)
    names = _texts("triggers", value)
    if not set(names) <= set(DOCUMENTS):
        raise ApiError("badValueNotAllowed", {"key": "triggers", "allowed": list(DOCUMENTS)})
    return frozenset(names)


def _section(name: str, value: Any) -> Section:
    if name not in DOCUMENTS or not isinstance(value, dict):
        raise ApiError("badData", {"key": name})
    fields = _texts(f"{name}.fields", value.get("fields") or [])
    allowed = _FIELDS.get(name)
    if allowed is not None and not set(fields) <= set(allowed):
        raise ApiError("badValueNotAllowed", {"key": f"{name}.fields", "allowed": list(allowed)})
    always = value.get("always")
    if always is not None and not isinstance(always, bool):
        raise ApiError("badValueBoolean", {"key": f"{name}.always"})
    exists = () if allowed is not None else _texts(f"{name}.exists", value.get("exists") or [])
    return Section(fields, bool(always), exists)


def _texts(key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ApiError("badValueListOfStrings", {"key": key})
    return tuple(dict.fromkeys(value))


@dataclass(frozen=True, slots=True)
class FileState:
    """What a changed file is now. `path` None: it is gone, or in the trash."""

    space_id: str
    file_id: str
    name: str
    type: int
    mode: int
    owner_id: str
    provider_id: str
    share_ids: tuple[str, ...]
    deleted: bool
    atime_s: int
    mtime_s: int
    ctime_s: int
    path: tuple[str, ...] | None
    meta_revision: int
    times_revision: int


@dataclass(frozen=True, slots=True)
class LocationState:
    """Where its bytes are."""

    provider_id: str
    storage_id: str
    size_bytes: int
    storage_file_created: bool
    revision: int
    deleted: bool


@dataclass(frozen=True, slots=True)
class MetadataState:
    """JSON texts by name, those of the documents among them. Revision 0: nothing was ever set."""

    values: Mapping[str, bytes]
    revision: int


@dataclass(frozen=True, slots=True)
class Changed:
    """One change: which document, changed by which provider, and all that is told of the file."""

    number: int
    document: str
    mutator: str
    file: FileState
    location: LocationState | None
    metadata: MetadataState


def line(specification: Specification, changed: Changed, space_name: str) -> bytes | None:
    """The line of one change, with its end; None when it gives none."""
    file = changed.file
    sections: dict[str, Any] = {}
    for name, section in specification.sections.items():
        is_changed = name == changed.document
        if is_changed or section.always:
            told = _TELLERS[name](section, changed, space_name)
            if told is not None:
                sections[name] = {**told, "changed": is_changed}
    if not sections:
        return None
    path = None if file.path is None else "/".join(("", space_name, *file.path))
    record = {
        "fileId": file_ids.encode(file.space_id, file.file_id),
        "filePath": path or "",
        "seq": changed.number,
        **sections,
    }
    return orjson.dumps(record) + b"\r\n"


def _file_meta(section: Section, changed: Changed, space_name: str) -> dict[str, Any]:
    file = changed.file
    values = {
        "name": file.name if file.path != () else space_name,
        "type": TYPE_NAMES[file.type],
        "mode": file.mode,
        "owner": file.owner_id,
        "provider_id": file.provider_id,
        "shares": list(file.share_ids),
        "deleted": file.deleted,
    }
    return _told(changed, file.meta_revision, values, section, deleted=file.deleted)


def _times(section: Section, changed: Changed, _: str) -> dict[str, Any]:
    file = changed.file
    values = {"atime": file.atime_s, "mtime": file.mtime_s, "ctime": file.ctime_s}
    return _told(changed, file.times_revision, values, section, deleted=file.deleted)


def _file_location(section: Section, changed: Changed, _: str) -> dict[str, Any] | None:
    location = changed.location
    if location is None:
        return None
    values = {
        "provider_id": location.provider_id,
        "storage_id": location.storage_id,
        "size": location.size_bytes,
        "space_id": changed.file.space_id,
        "storage_file_created": location.storage_file_created,
    }
    return _told(changed, location.revision, values, section, deleted=location.deleted)


def _custom_metadata(section: Section, changed: Changed, _: str) -> dict[str, Any]:
    values = changed.metadata.values
    plain = {name: orjson.Fragment(value) for name, value in values.items() if name not in SPECIAL}
    found: dict[str, Any] = {
        name: orjson.Fragment(values[name]) if name in values else None for name in section.fields
    }
    if _KEYVALUE in found:
        found[_KEYVALUE] = plain or None
    exists = {name: name in values or (name == _KEYVALUE and bool(plain)) for name in section.exists}
    told = _told(changed, changed.metadata.revision, found, section, deleted=changed.file.deleted)
    return {**told, "exists": exists}


_Teller = Callable[[Section, Changed, str], dict[str, Any] | None]
_TELLERS: Mapping[str, _Teller] = {
    FILE_META: _file_meta,
    FILE_LOCATION: _file_location,
    TIMES: _times,
    CUSTOM_METADATA: _custom_metadata,
}


def _told(
    changed: Changed, revision: int, values: Mapping[str, Any], section: Section, *, deleted: bool
) -> dict[str, Any]:
    """`rev` grows with each change of the document: a counter, and digits that are its own."""
    own = hashlib.blake2b(f"{changed.file.file_id}:{revision}".encode(), digest_size=16).hexdigest()
    return {
        "rev": f"{revision}-{own}",
        "mutators": [changed.mutator],
        "deleted": deleted,
        "fields": {name: values[name] for name in section.fields},
    }
