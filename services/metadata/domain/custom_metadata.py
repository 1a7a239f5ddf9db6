"""What one request changes of a file's custom metadata, and what becomes of it.

Users see the JSON and the RDF document, the ACL and three fields of the file as attributes with reserved
names; each kind has rights and limits of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from runtime.errors import InvalidName, NameTooLong, NotPermitted, TooMuchData

from . import json_documents, permissions
from .json_documents import MAX_DOCUMENT_BYTES, NOTHING
from .records import AclEntry
from .stores import CustomMetadata

JSON = "onedata_json"
RDF = "onedata_rdf"
ACL = "cdmi_acl"
DOCUMENTS = frozenset({JSON, RDF})
#: Fields of the file by the name they have as attributes.
FIELDS: Mapping[str, str] = {
    "cdmi_mimetype": "mimetype",
    "cdmi_valuetransferencoding": "value_transfer_encoding",
    "cdmi_completion_status": "completion_status",
    "cdmi_value_hash": "value_hash",
}
RESERVED_PREFIXES = ("onedata_", "cdmi_")

MAX_NAME_BYTES = 255
#: Names and values of the extended attributes of one file: they travel in one message.
MAX_TOTAL_BYTES = 2 * 1024 * 1024
#: As JSON text, as which it is told among attributes, it may be six times as long.
MAX_RDF_BYTES = 1024 * 1024


def is_reserved(name: str) -> bool:
    """Whether the name belongs to the system."""
    return name.startswith(RESERVED_PREFIXES)


def read_bits(names: Iterable[str]) -> int:
    """What reading attributes of these names needs. Raises `NotPermitted` for reserved ones nobody knows."""
    bits = 0
    for name in names:
        if name == ACL:
            bits |= permissions.READ_ACL
        elif name in FIELDS:
            bits |= permissions.READ_ATTRIBUTES
        elif name in DOCUMENTS or not is_reserved(name):
            bits |= permissions.READ_METADATA
        else:
            raise NotPermitted("the attribute name is reserved", name=name)
    return bits


def as_texts(values: Mapping[str, bytes]) -> dict[str, bytes]:
    """Everything as JSON texts. RDF is shown as text, as far as it is some."""
    texts = dict(values)
    if RDF in texts:
        texts[RDF] = json_documents.dump(texts[RDF].decode(errors="replace"))
    return texts


@dataclass(frozen=True, slots=True)
class JsonUpdate:
    """A JSON text to be put at a key path; an empty one is the whole document."""

    value: bytes
    keypath: str = ""


@dataclass(frozen=True, slots=True)
class Update:
    """Changes of one request. What is empty or None leaves what there is; an empty `acl` removes it.

    `set`: extended attributes. `remove`: names, those of the documents and of the ACL among them.
    `replace_all`: every extended attribute and document goes that is not set here. `fields`: CDMI fields of
    the file.
    """

    set: Mapping[str, bytes] = field(default_factory=dict)
    remove: Sequence[str] = ()
    replace_all: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)
    acl: Sequence[AclEntry] | None = None
    json: JsonUpdate | None = None
    rdf: bytes | None = None

    @property
    def new_acl(self) -> Sequence[AclEntry] | None:
        """The ACL to be set, an empty one to be removed, None for no change."""
        return () if self.acl is None and ACL in self.remove else self.acl

    @property
    def bits(self) -> int:
        """Rights it needs."""
        bits = permissions.WRITE_ATTRIBUTES if self.fields else 0
        if self.new_acl is not None:
            bits |= permissions.WRITE_ACL
        documents = self.json is not None or self.rdf is not None
        if self.set or self.replace_all or documents or any(name != ACL for name in self.remove):
            bits |= permissions.WRITE_METADATA
        return bits

    def check(self) -> None:
        """Raises what is wrong with it whatever the file has.

        `NotPermitted` for reserved names, `InvalidName`, `NameTooLong`, `TooMuchData`.
        """
        for name, value in self.set.items():
            _check_name(name)
            json_documents.parse(value)
        for name in self.remove:
            if is_reserved(name) and name != ACL and name not in DOCUMENTS:
                raise NotPermitted("the attribute name is reserved", name=name)
        if self.json is not None:
            json_documents.parse(self.json.value)
        if self.rdf is not None and len(self.rdf) > MAX_RDF_BYTES:
            raise TooMuchData("the RDF document is too large", limit=MAX_RDF_BYTES)

    def applied(self, before: CustomMetadata) -> CustomMetadata:
        """What is set on the file afterwards; `before` itself when nothing changes.

        Raises `TooMuchData`, and `NoData` for a key path into a value of another kind.
        """
        values = {} if self.replace_all else dict(before.xattrs)
        for name in self.remove:
            values.pop(name, None)
        values |= self.set
        if self.rdf is not None:
            values[RDF] = self.rdf
        if self.json is not None:
            values[JSON] = _json(values.get(JSON), self.json)
        if values == before.xattrs:
            return before
        _check_total(values)
        return replace(before, xattrs=values, revision=before.revision + 1)


def _json(document: bytes | None, update: JsonUpdate) -> bytes:
    if not update.keypath:
        return update.value
    parsed = NOTHING if document is None else json_documents.parse(document)
    value = json_documents.parse(update.value)
    return json_documents.dump(json_documents.with_value(parsed, json_documents.steps(update.keypath), value))


def _check_name(name: str) -> None:
    if not name or "\0" in name:
        raise InvalidName("not a possible attribute name")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise NameTooLong("the attribute name is too long")
    if is_reserved(name):
        raise NotPermitted("the attribute name is reserved", name=name)


def _check_total(values: Mapping[str, bytes]) -> None:
    if len(values.get(JSON, b"")) > MAX_DOCUMENT_BYTES:
        raise TooMuchData("the JSON document is too large", limit=MAX_DOCUMENT_BYTES)
    plain = (len(name.encode()) + len(value) for name, value in values.items() if name not in DOCUMENTS)
    if sum(plain) > MAX_TOTAL_BYTES:
        raise TooMuchData("too many extended attributes on one file", limit=MAX_TOTAL_BYTES)
