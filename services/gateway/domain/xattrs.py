"""Extended attributes as REST tells and takes them, with the rules of reserved names.

The metadata service keeps the rights and the limits; here is what a value may look like. `cdmi_mimetype`,
`cdmi_valuetransferencoding` and `cdmi_completion_status` are fields of the file, `cdmi_acl` is its ACL, and
`onedata_json` and `onedata_rdf` are its documents.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from runtime.errors import InvalidName, NotPermitted
from services.gateway.domain.acls import cdmi_form
from services.gateway.domain.views import Attribute, View

MIMETYPE = "cdmi_mimetype"
ENCODING = "cdmi_valuetransferencoding"
COMPLETION = "cdmi_completion_status"
ACL = "cdmi_acl"
JSON = "onedata_json"
RDF = "onedata_rdf"

#: Those that are fields of the file.
_FIELDS = {
    MIMETYPE: "mimetype",
    ENCODING: "value_transfer_encoding",
    COMPLETION: "completion_status",
}
_ENCODINGS = ("utf-8", "base64")
#: The standard says Complete, the original Completed.
_COMPLETIONS = ("Complete", "Completed", "Processing", "Error")
_MAX_MIMETYPE_BYTES = 255


@dataclass(slots=True)
class Change:
    """What one request sets. `set` and `json`: JSON texts. None leaves what there is."""

    set: dict[str, bytes] = field(default_factory=dict)
    mimetype: str | None = None
    value_transfer_encoding: str | None = None
    completion_status: str | None = None
    acl: Any = None
    json: bytes | None = None
    rdf: bytes | None = None


def is_reserved(name: str) -> bool:
    """Whether the name belongs to the system."""
    return name.startswith(("cdmi_", "onedata_"))


def attribute(name: str) -> Attribute:
    """An extended attribute of a file that tells those it was wanted with; null when it is not set."""
    if name == ACL:
        return Attribute(("acl",), lambda _, acl: cdmi_form(acl, {}) or None)
    if name in _FIELDS:
        return Attribute((_FIELDS[name],), lambda _, value: value or None)

    def value(_: View, set_on_file: Mapping[str, bytes]) -> Any:
        text = set_on_file.get(name)
        return None if text is None else orjson.Fragment(text)

    return Attribute(("xattrs",), value)


def plan_set(body: bytes) -> Change:
    """What a merge of the attributes in a JSON object changes. Numbers keep every digit.

    Raises NotPermitted for reserved names that are nothing, InvalidName for values that a name cannot have.
    The ACL is left as it came: reading it takes the type of the file.
    """
    values: Mapping[str, Any] = json.loads(body)
    for name in values:
        if is_reserved(name) and name not in _SETTABLE:
            raise NotPermitted(f"{name} is reserved")
    return Change(
        set={name: _text(value) for name, value in values.items() if not is_reserved(name)},
        mimetype=check_mimetype(values[MIMETYPE]) if MIMETYPE in values else None,
        value_transfer_encoding=_one_of(values[ENCODING], _ENCODINGS) if ENCODING in values else None,
        completion_status=_one_of(values[COMPLETION], _COMPLETIONS) if COMPLETION in values else None,
        acl=_not_null(values[ACL]) if ACL in values else None,
        json=_text(values[JSON]) if JSON in values else None,
        rdf=_rdf(values[RDF]) if RDF in values else None,
    )


_SETTABLE = frozenset({MIMETYPE, ENCODING, COMPLETION, ACL, JSON, RDF})


def check_mimetype(value: Any) -> str:
    """A media type as it is stored: any printable ASCII. Raises InvalidName."""
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise InvalidName("not a media type")
    if not 0 < len(value) <= _MAX_MIMETYPE_BYTES:
        raise InvalidName("not a media type")
    return value


def _one_of(value: Any, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise InvalidName(f"not one of {', '.join(allowed)}")
    return str(value)


def _not_null(value: Any) -> Any:
    if value is None:
        raise InvalidName("an ACL is a list")
    return value


def _rdf(value: Any) -> bytes:
    if not isinstance(value, str):
        raise InvalidName("an RDF document is a text")
    return value.encode()


def _text(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
