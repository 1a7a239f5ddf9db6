"""Extended attributes whose names are reserved, and what may be done with them.

`cdmi_mimetype`, `cdmi_valuetransferencoding` and `cdmi_completion_status` live on the file itself. ACLs and
the JSON and RDF documents are not kept yet: reading them finds nothing, removing them is done at once, and
setting them is refused aloud.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runtime.errors import InvalidName, NoData, NotPermitted
from runtime.http.errors import ApiError
from services.gateway.domain.files import FileRecord

MIMETYPE = "cdmi_mimetype"
ENCODING = "cdmi_valuetransferencoding"
COMPLETION = "cdmi_completion_status"
ACL = "cdmi_acl"

_ON_FILE = frozenset({MIMETYPE, ENCODING, COMPLETION})
_NOT_KEPT = frozenset({ACL, "onedata_json", "onedata_rdf"})
_ENCODINGS = ("utf-8", "base64")
_MAX_MIMETYPE_BYTES = 255


@dataclass(frozen=True, slots=True)
class Change:
    """What one request sets. None leaves the file's own field."""

    set: dict[str, Any] = field(default_factory=dict)
    mimetype: str | None = None
    value_transfer_encoding: str | None = None


def is_reserved(name: str) -> bool:
    """Whether the name belongs to the system."""
    return name.startswith(("cdmi_", "onedata_"))


def read_reserved(name: str, file: FileRecord) -> Any:
    """Value of a reserved attribute. Raises NoData when it is not set, NotPermitted for unknown ones."""
    if name in _NOT_KEPT:
        raise NoData(f"no attribute {name}")
    if name not in _ON_FILE:
        raise NotPermitted(f"{name} is reserved")
    shown = shown_reserved(file)
    if name not in shown:
        raise NoData(f"no attribute {name}")
    return shown[name]


def shown_reserved(file: FileRecord) -> dict[str, str]:
    """Reserved attributes that are set."""
    fields = {
        MIMETYPE: file.mimetype,
        ENCODING: file.value_transfer_encoding,
        COMPLETION: file.completion_status,
    }
    return {name: value for name, value in fields.items() if value}


def plan_set(values: Mapping[str, Any]) -> Change | None:
    """What a merge of these attributes changes; None when nothing.

    Raises NotPermitted for reserved names, InvalidName for values they cannot have, ApiError `notSupported`
    for what is not kept.
    """
    if not values:
        return None
    plain = {name: value for name, value in values.items() if not is_reserved(name)}
    for name in values:
        _refuse_unsettable(name)
    return Change(
        plain,
        mimetype=check_mimetype(values[MIMETYPE]) if MIMETYPE in values else None,
        value_transfer_encoding=_check_encoding(values[ENCODING]) if ENCODING in values else None,
    )


def _refuse_unsettable(name: str) -> None:
    if name in _NOT_KEPT or name == COMPLETION:
        raise ApiError("notSupported")
    if is_reserved(name) and name not in _ON_FILE:
        raise NotPermitted(f"{name} is reserved")


def plan_remove(names: Sequence[str]) -> list[str]:
    """Names to be removed. Raises NotPermitted for reserved ones, but for those that cannot be set anyway."""
    for name in names:
        if is_reserved(name) and name not in _NOT_KEPT:
            raise NotPermitted(f"{name} is reserved")
    return [name for name in names if name not in _NOT_KEPT]


def check_mimetype(value: Any) -> str:
    """A media type as it is stored: any printable ASCII. Raises InvalidName."""
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise InvalidName("not a media type")
    if not 0 < len(value) <= _MAX_MIMETYPE_BYTES:
        raise InvalidName("not a media type")
    return value


def _check_encoding(value: Any) -> str:
    if value not in _ENCODINGS:
        raise InvalidName("not a transfer encoding")
    return str(value)
