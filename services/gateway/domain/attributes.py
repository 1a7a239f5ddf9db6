"""File attributes: the two generations of names, what a request selects, and their values.

`attributes` selects by current names, `attribute` by deprecated ones; with neither, the default set is told
under both. Attributes of features that are not here yet have the value they have where those are not used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from runtime.http import file_ids
from runtime.http.errors import ApiError
from runtime.http.params import Params
from services.gateway.domain import acls, xattrs
from services.gateway.domain.files import (
    QUEUE,
    REGULAR,
    SYMLINK,
    TYPE_NAMES,
    FileRecord,
    display_id,
    is_space_root,
)

_XATTR = "xattr."


@dataclass(frozen=True, slots=True)
class View:
    """From where a file is looked at: the name its space has for the caller, and its parent's path.

    `parent_path`: names below the space's directory; None when the file's own `path` is filled in.
    `share_id`: the share through which everybody sees the file. `shows_shares`: whether the caller may know
    which shares a file has.
    `relative_path`: told as the path, when the file is listed as part of a subtree.
    """

    space_name: str
    parent_path: tuple[str, ...] | None = None
    share_id: str | None = None
    shows_shares: bool = True
    relative_path: str | None = None


Field = Callable[[FileRecord, View], Any]


@dataclass(frozen=True, slots=True)
class Selection:
    """What a request asked for. `fields` are keys of the answer with how to get them."""

    fields: tuple[tuple[str, Field], ...]
    xattrs: tuple[str, ...] = ()
    with_path: bool = False
    with_acl: bool = False
    #: Answered from ids and names alone, without a file record.
    names_only: bool = False

    @property
    def wants_more(self) -> bool:
        """Whether it asks for what is told of a file only when wanted."""
        return self.with_acl or bool(self.xattrs)

    @property
    def xattr_names(self) -> list[str]:
        """Names of the extended attributes it asks for."""
        return [key[len(_XATTR) :] for key in self.xattrs]

    def encode(self, file: FileRecord, view: View) -> dict[str, Any]:
        """The object of the answer. An extended attribute that is not set is null."""
        told = {key: of(file, view) for key, of in self.fields}
        for key in self.xattrs:
            told[key] = xattrs.value_of(key[len(_XATTR) :], file)
        return told


def _file_id(file: FileRecord, view: View) -> str:
    return file_ids.encode(file.space_id, file.file_id, view.share_id)


def _parent_file_id(file: FileRecord, view: View) -> str | None:
    # The directory of a space has no parent to show: the user's root is hidden. Nor has the root of a share.
    if not file.parent_id or view.share_id in file.share_ids:
        return None
    return file_ids.encode(file.space_id, file.parent_id, view.share_id)


def _permissions(file: FileRecord, view: View) -> str:
    return f"{file.mode & (0o777 if view.share_id is None else 0o007):03o}"


def _share_ids(file: FileRecord, view: View) -> list[str]:
    if view.share_id is not None:
        return [view.share_id] if view.share_id in file.share_ids else []
    return list(file.share_ids) if view.shows_shares else []


def _name(file: FileRecord, view: View) -> str:
    return view.space_name if is_space_root(file) else file.name


def _path(file: FileRecord, view: View) -> str:
    if view.relative_path is not None:
        return view.relative_path
    if file.space_id == file_ids.ROOT_SPACE_ID:
        return "/"
    if is_space_root(file):
        return f"/{view.space_name}"
    names = file.path if view.parent_path is None else (*view.parent_path, file.name)
    return "/".join(("", view.space_name, *names))


def _is_fully_local(file: FileRecord, _: View) -> bool | None:
    return file.local_bytes >= file.size_bytes if file.type == REGULAR else None


def _local_rate(file: FileRecord, _: View) -> float | None:
    if file.type != REGULAR:
        return None
    return min(1.0, file.local_bytes / file.size_bytes) if file.size_bytes else 1.0


def _inheritance(file: FileRecord, _: View) -> str | None:
    return None if file.space_id == file_ids.ROOT_SPACE_ID else "none"


def _size(file: FileRecord, _: View) -> int | None:
    # Directories have a size where statistics are collected.
    return file.size_bytes if file.type in (REGULAR, SYMLINK, QUEUE) or file.has_sum else None


#: Current name, deprecated name, value; in the order in which refusals list them.
_TABLE: tuple[tuple[str, str | None, Field], ...] = (
    ("fileId", "file_id", _file_id),
    ("index", "index", _name),
    ("type", "type", lambda file, _: TYPE_NAMES[file.type]),
    ("activePermissionsType", None, lambda file, _: "acl" if file.has_acl else "posix"),
    ("posixPermissions", "mode", _permissions),
    ("acl", None, lambda file, _: acls.attribute_form(file.acl)),
    ("name", "name", _name),
    ("conflictingName", None, lambda file, _: None),
    ("path", None, _path),
    ("parentFileId", "parent_id", _parent_file_id),
    ("displayGid", "storage_group_id", lambda file, _: display_id(file.space_id)),
    ("displayUid", "storage_user_id", lambda file, _: display_id(file.owner_id)),
    ("creationTime", None, lambda file, _: file.creation_time_ms // 1000),
    ("atime", "atime", lambda file, _: file.atime_ms // 1000),
    ("mtime", "mtime", lambda file, _: file.mtime_ms // 1000),
    ("ctime", "ctime", lambda file, _: file.ctime_ms // 1000),
    ("size", "size", _size),
    ("isFullyReplicatedLocally", None, _is_fully_local),
    ("localReplicationRate", None, _local_rate),
    ("originProviderId", "provider_id", lambda file, _: file.provider_id),
    ("directShareIds", "shares", _share_ids),
    ("ownerUserId", "owner_id", lambda file, _: file.owner_id),
    ("hardlinkCount", "hardlinks_count", lambda file, _: max(1, file.hard_link_count)),
    ("symlinkValue", None, lambda file, _: file.symlink_target if file.type == SYMLINK else None),
    ("hasCustomMetadata", None, lambda file, _: file.has_custom_metadata),
    ("effProtectionFlags", None, lambda file, _: []),
    ("effDatasetProtectionFlags", None, lambda file, _: []),
    ("effDatasetInheritancePath", None, _inheritance),
    ("effQosInheritancePath", None, _inheritance),
    ("aggregateQosStatus", None, lambda file, _: None),
    ("archiveRecallRootFileId", None, lambda file, _: None),
)

#: What is told of a file that is seen through a share.
_PUBLIC = frozenset(
    {
        "fileId", "index", "type", "activePermissionsType", "posixPermissions", "name", "conflictingName",
        "parentFileId", "creationTime", "atime", "mtime", "ctime", "size", "directShareIds", "symlinkValue",
        "hasCustomMetadata",
    }
)  # fmt: skip

_CURRENT: dict[str, Field] = {current: of for current, _, of in _TABLE}
_DEPRECATED: dict[str, Field] = {old: of for _, old, of in _TABLE if old is not None}
_GENERATIONS = {"attributes": _CURRENT, "attribute": _DEPRECATED}
_PUBLIC_GENERATIONS: dict[str, dict[str, Field]] = {
    "attributes": {current: of for current, _, of in _TABLE if current in _PUBLIC},
    "attribute": {old: of for current, old, of in _TABLE if old is not None and current in _PUBLIC},
}

_DEFAULT_NAMES = (
    "fileId", "parentFileId", "name", "posixPermissions", "atime", "mtime", "ctime", "type", "size",
    "directShareIds", "index", "displayUid", "displayGid", "ownerUserId", "originProviderId", "hardlinkCount",
)  # fmt: skip


def _both_generations(names: Iterable[str]) -> tuple[tuple[str, Field], ...]:
    old_names = {current: old for current, old, _ in _TABLE if old is not None}
    fields: dict[str, Field] = {}
    for name in names:
        fields[name] = fields[old_names.get(name, name)] = _CURRENT[name]
    return tuple(fields.items())


#: What `GET /data/{id}` tells when nothing is selected.
DEFAULT = Selection(_both_generations(_DEFAULT_NAMES))
#: The same of what is seen through a share.
PUBLIC_DEFAULT = Selection(_both_generations(name for name in _DEFAULT_NAMES if name in _PUBLIC))
#: What a listing tells of each entry when nothing is selected.
CHILDREN_DEFAULT = Selection((("fileId", _file_id), ("file_id", _file_id), ("name", _name)), names_only=True)

#: What the listing of a subtree tells of each entry when nothing is selected.
SUBTREE_DEFAULT = Selection((("fileId", _file_id), ("file_id", _file_id), ("path", _path)))


def names_of(key: str) -> tuple[str, ...]:
    """All names that `attributes` or `attribute` may have, in the order in which refusals list them."""
    return tuple(_GENERATIONS[key])


def deprecated_names() -> tuple[tuple[str, str], ...]:
    """Pairs of current and deprecated name, for attributes that have both."""
    return tuple((current, old) for current, old, _ in _TABLE if old is not None)


def select(
    params: Params, default: Selection, *, public: bool = False, also: tuple[str, ...] = ()
) -> Selection:
    """What the parameters `attributes` or `attribute` ask for, one name or a list; else the default.

    `public`: of what is seen through a share. `also`: current names that count as deprecated ones, too.
    Raises ApiError `badValueNotAllowed` with all names of that generation.
    """
    for key in ("attributes", "attribute"):
        asked = params.get(key)
        if asked is not None:
            names = (asked,) if isinstance(asked, str) else asked
            if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
                raise _not_allowed(key, public, also)
            return _selection(key, tuple(names), public, also)
    return default


@lru_cache(maxsize=256)
def _selection(key: str, names: tuple[str, ...], public: bool, also: tuple[str, ...]) -> Selection:
    known = _known(key, public, also)
    fields: dict[str, Field] = {}
    named: dict[str, None] = {}
    for name in names:
        if name in known:
            fields[name] = known[name]
        elif name.startswith(_XATTR) and len(name) > len(_XATTR):
            named[name] = None
        else:
            raise _not_allowed(key, public, also)
    return Selection(
        tuple(fields.items()),
        tuple(named),
        with_path="path" in fields,
        with_acl="acl" in fields or f"{_XATTR}{xattrs.ACL}" in named,
        names_only=not named and fields.keys() <= {"fileId", "file_id", "name", "index", "type"},
    )


def _known(key: str, public: bool, also: tuple[str, ...]) -> dict[str, Field]:
    known = (_PUBLIC_GENERATIONS if public else _GENERATIONS)[key]
    return known | {name: _CURRENT[name] for name in also}


def _not_allowed(key: str, public: bool, also: tuple[str, ...]) -> ApiError:
    return ApiError("badValueNotAllowed", {"key": key, "allowed": [*_known(key, public, also), "xattr.*"]})
