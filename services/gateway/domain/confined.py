"""What the data caveats of a token leave, beyond the permissions on files that metadata decides."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from runtime.http import file_ids
from runtime.http.errors import ApiError, unauthorized
from runtime.identity import DataCaveats, Identity


def refuse_confined(identity: Identity) -> None:
    """Refuses (401) a token with any data caveat, where such a token may not be used at all."""
    if identity.caveats is not None:
        for caveat in _told(identity.caveats):
            raise _unverified(caveat)


def require_space(identity: Identity, space_id: str) -> None:
    """Refuses (401) a token that is confined to other spaces."""
    if identity.caveats is not None:
        for caveat, spaces in _confinements(identity.caveats):
            if space_id not in spaces:
                raise _unverified(caveat)


def leaves_space(identity: Identity, space_id: str) -> bool:
    """Whether the token leaves anything of a space."""
    if identity.caveats is None:
        return True
    return all(space_id in spaces for _, spaces in _confinements(identity.caveats))


def _unverified(caveat: dict[str, Any]) -> ApiError:
    return unauthorized(ApiError("tokenCaveatUnverified", {"caveat": caveat}))


def _told(caveats: DataCaveats) -> Iterator[dict[str, Any]]:
    """Each caveat in the form that errors show."""
    if caveats.readonly:
        yield {"type": "data.readonly"}
    for caveat, _ in _confinements(caveats):
        yield caveat


def _confinements(caveats: DataCaveats) -> Iterator[tuple[dict[str, Any], set[str]]]:
    """Each caveat that names places, with the spaces these lie in."""
    for paths in caveats.paths:
        told = [base64.b64encode(path.encode()).decode() for path in paths]
        yield {"type": "data.path", "whitelist": told}, {path.split("/")[1] for path in paths if "/" in path}
    for object_ids in caveats.object_ids:
        files = (file_ids.decode(object_id) for object_id in object_ids)
        spaces = {file.space_id for file in files if file is not None}
        yield {"type": "data.objectid", "whitelist": list(object_ids)}, spaces
