"""File attributes: the two generations of names, what a request selects, and their values.

`attributes` selects by current names, `attribute` by deprecated ones; with neither, the default set is told
under both. Attributes of features that are not here yet have the value they have where those are not used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import repeat
from typing import Any

from runtime.http import file_ids
from runtime.http.errors import ApiError
from runtime.http.file_id_columns import encode_column
from runtime.http.params import Params
from services.gateway.domain import acls, xattrs
from services.gateway.domain.files import (
    QUEUE,
    REGULAR,
    SYMLINK,
    TYPE_NAMES,
    FileRecord,
    display_id,
    is_root_of,
    root_of,
)
from services.gateway.domain.views import Attribute, Columns, View

_XATTR = "xattr."


@dataclass(frozen=True, slots=True)
class Selection:
    """What a request asked for. `fields` are keys of the answer with how to get them."""

    fields: tuple[tuple[str, Attribute], ...]
    #: Names of the extended attributes among them.
    xattr_names: tuple[str, ...] = ()
    with_path: bool = False
    with_acl: bool = False
    #: Answered from ids and names alone, without a file record.
    names_only: bool = False
    #: Fields of a record that it takes.
    needs: frozenset[str] = field(init=False, repr=False, compare=False)
    #: Many attributes are told under two names.
    _distinct: tuple[Attribute, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        distinct = {attribute: None for _, attribute in self.fields}
        object.__setattr__(self, "_distinct", tuple(distinct))
        object.__setattr__(
            self, "needs", frozenset(need for attribute in distinct for need in attribute.needs)
        )

    @property
    def wants_more(self) -> bool:
        """Whether it asks for what is told of a file only when wanted."""
        return self.with_acl or bool(self.xattr_names)

    def encode(self, file: FileRecord, view: View) -> dict[str, Any]:
        """The object of the answer. An extended attribute that is not set is null."""
        values = {attribute: attribute.of_file(file, view) for attribute in self._distinct}
        return {key: values[attribute] for key, attribute in self.fields}

    def encode_all(self, columns: Columns, view: View) -> list[dict[str, Any]]:
        """The same of many files of one directory, whose fields (`needs`) are given in columns."""
        values = {attribute: attribute.of_all(columns, view) for attribute in self._distinct}
        blank = dict.fromkeys(key for key, _ in self.fields)
        objects = list(map(dict, repeat(blank, max(map(len, values.values()), default=0))))
        # Filled column by column: a third of what making each of them from its values takes.
        for key, attribute in self.fields:
            for filled, value in zip(objects, values[attribute], strict=True):
                filled[key] = value
        return objects


def _file_id(view: View, space_id: str, file_id: str) -> str:
    return file_ids.encode(space_id, file_id, view.share_id)


def _file_ids(view: View, space_ids: Sequence[str], uuids: Sequence[str]) -> list[str]:
    return encode_column(space_ids[0], uuids, view.share_id) if uuids else []


def _parent_file_id(view: View, space_id: str, parent_id: str, share_ids: Sequence[str]) -> str | None:
    # The directory of a space has no parent to show: the user's root is hidden. Nor has the root of a share.
    if not parent_id or view.share_id in share_ids:
        return None
    return file_ids.encode(space_id, parent_id, view.share_id)


def _permissions(view: View, mode: int) -> str:
    return _OCTAL[mode & _shown_bits(view)]


def _many_permissions(view: View, modes: Sequence[int]) -> list[str]:
    bits = _shown_bits(view)
    return [_OCTAL[mode & bits] for mode in modes]


def _shown_bits(view: View) -> int:
    return 0o777 if view.share_id is None else 0o007


_OCTAL = tuple(f"{mode:03o}" for mode in range(0o1000))


def _share_ids(view: View, share_ids: Sequence[str]) -> list[str]:
    if view.share_id is not None:
        return [view.share_id] if view.share_id in share_ids else []
    return list(share_ids) if view.shows_shares else []


def _name(view: View, space_id: str, file_id: str, name: str) -> str:
    return view.space_name if is_root_of(space_id, file_id) else name


def _names(view: View, space_ids: Sequence[str], uuids: Sequence[str], names: Sequence[str]) -> Sequence[str]:
    # Almost no page has the directory of a space.
    if not names or root_of(space_ids[0]) not in uuids:
        return names
    return list(map(_name, repeat(view), space_ids, uuids, names))


def _path(view: View, space_id: str, file_id: str, name: str, path: Sequence[str]) -> str:
    if view.is_relative:
        return str(path)
    if space_id == file_ids.ROOT_SPACE_ID:
        return "/"
    if is_root_of(space_id, file_id):
        return f"/{view.space_name}"
    names = path if view.parent_path is None else (*view.parent_path, name)
    return "/".join(("", view.space_name, *names))


def _paths(
    view: View,
    space_ids: Sequence[str],
    uuids: Sequence[str],
    names: Sequence[str],
    paths: Sequence[Sequence[str]],
) -> Sequence[Any]:
    if view.is_relative:
        return paths
    return list(map(_path, repeat(view), space_ids, uuids, names, paths))


def _is_fully_local(_: View, type: int, size_bytes: int, local_bytes: int) -> bool | None:
    return local_bytes >= size_bytes if type == REGULAR else None


def _local_rate(_: View, type: int, size_bytes: int, local_bytes: int) -> float | None:
    if type != REGULAR:
        return None
    return min(1.0, local_bytes / size_bytes) if size_bytes else 1.0


def _inheritance(_: View, space_id: str) -> str | None:
    return None if space_id == file_ids.ROOT_SPACE_ID else "none"


def _size(_: View, type: int, size_bytes: int, has_sum: bool) -> int | None:
    # Directories have a size where statistics are collected.
    return size_bytes if type in _SIZED or has_sum else None


def _sizes(_: View, types: Sequence[int], sizes: Sequence[int], sums: Sequence[bool]) -> list[int | None]:
    return [
        size if type in _SIZED or has_sum else None
        for type, size, has_sum in zip(types, sizes, sums, strict=True)
    ]


_SIZED = (REGULAR, SYMLINK, QUEUE)


def _gid(_: View, space_id: str, gids: Sequence[int]) -> int:
    # All of a space are one group, whose number every file has that did not come with one of its own.
    return gids[0] if gids else display_id(space_id)


def _always(value: Callable[[], Any]) -> Attribute:
    """What is told of every file alike."""
    return Attribute(("file_id",), lambda *_: value())


def _seconds(field: str) -> Attribute:
    return Attribute(
        (field,),
        lambda _, time_ms: time_ms // 1000,
        lambda _, times_ms: [time_ms // 1000 for time_ms in times_ms],
    )


def _plain(field: str) -> Attribute:
    return Attribute((field,), lambda _, value: value, lambda _, values: values)


_ID = ("space_id", "file_id")
_SIZES = ("type", "size_bytes", "local_bytes")
_NAME = Attribute((*_ID, "name"), _name, _names)
_TYPE = Attribute(
    ("type",), lambda _, type: TYPE_NAMES[type], lambda _, types: list(map(TYPE_NAMES.__getitem__, types))
)

#: Current name, deprecated name, value; in the order in which refusals list them.
_TABLE: tuple[tuple[str, str | None, Attribute], ...] = (
    ("fileId", "file_id", Attribute(_ID, _file_id, _file_ids)),
    ("index", "index", _NAME),
    ("type", "type", _TYPE),
    (
        "activePermissionsType",
        None,
        Attribute(("has_acl",), lambda _, has_acl: "acl" if has_acl else "posix"),
    ),
    ("posixPermissions", "mode", Attribute(("mode",), _permissions, _many_permissions)),
    ("acl", None, Attribute(("acl",), lambda _, acl: acls.attribute_form(acl))),
    ("name", "name", _NAME),
    ("conflictingName", None, _always(lambda: None)),
    ("path", None, Attribute((*_ID, "name", "path"), _path, _paths)),
    ("parentFileId", "parent_id", Attribute(("space_id", "parent_id", "share_ids"), _parent_file_id)),
    ("displayGid", "storage_group_id", Attribute(("space_id", "gids"), _gid)),
    ("displayUid", "storage_user_id", Attribute(("owner_id",), lambda _, id: display_id(id))),
    ("creationTime", None, _seconds("creation_time_ms")),
    ("atime", "atime", _seconds("atime_ms")),
    ("mtime", "mtime", _seconds("mtime_ms")),
    ("ctime", "ctime", _seconds("ctime_ms")),
    ("size", "size", Attribute(("type", "size_bytes", "has_sum"), _size, _sizes)),
    ("isFullyReplicatedLocally", None, Attribute(_SIZES, _is_fully_local)),
    ("localReplicationRate", None, Attribute(_SIZES, _local_rate)),
    ("originProviderId", "provider_id", _plain("provider_id")),
    ("directShareIds", "shares", Attribute(("share_ids",), _share_ids)),
    ("ownerUserId", "owner_id", _plain("owner_id")),
    ("hardlinkCount", "hardlinks_count", Attribute(("hard_link_count",), lambda _, count: max(1, count))),
    (
        "symlinkValue",
        None,
        Attribute(("type", "symlink_target"), lambda _, type, target: target if type == SYMLINK else None),
    ),
    ("hasCustomMetadata", None, _plain("has_custom_metadata")),
    ("effProtectionFlags", None, _always(list)),
    ("effDatasetProtectionFlags", None, _always(list)),
    ("effDatasetInheritancePath", None, Attribute(("space_id",), _inheritance)),
    ("effQosInheritancePath", None, Attribute(("space_id",), _inheritance)),
    ("aggregateQosStatus", None, _always(lambda: None)),
    ("archiveRecallRootFileId", None, _always(lambda: None)),
)

#: What is told of a file that is seen through a share.
_PUBLIC = frozenset(
    {
        "fileId", "index", "type", "activePermissionsType", "posixPermissions", "name", "conflictingName",
        "parentFileId", "creationTime", "atime", "mtime", "ctime", "size", "directShareIds", "symlinkValue",
        "hasCustomMetadata",
    }
)  # fmt: skip

_CURRENT: dict[str, Attribute] = {current: of for current, _, of in _TABLE}
_DEPRECATED: dict[str, Attribute] = {old: of for _, old, of in _TABLE if old is not None}
_GENERATIONS = {"attributes": _CURRENT, "attribute": _DEPRECATED}
_PUBLIC_GENERATIONS: dict[str, dict[str, Attribute]] = {
    "attributes": {current: of for current, _, of in _TABLE if current in _PUBLIC},
    "attribute": {old: of for current, old, of in _TABLE if old is not None and current in _PUBLIC},
}

_DEFAULT_NAMES = (
    "fileId", "parentFileId", "name", "posixPermissions", "atime", "mtime", "ctime", "type", "size",
    "directShareIds", "index", "displayUid", "displayGid", "ownerUserId", "originProviderId", "hardlinkCount",
)  # fmt: skip


def _both_generations(names: Iterable[str]) -> tuple[tuple[str, Attribute], ...]:
    old_names = {current: old for current, old, _ in _TABLE if old is not None}
    fields: dict[str, Attribute] = {}
    for name in names:
        fields[name] = fields[old_names.get(name, name)] = _CURRENT[name]
    return tuple(fields.items())


def _chosen(*names: str) -> tuple[tuple[str, Attribute], ...]:
    return tuple((name, _CURRENT.get(name) or _DEPRECATED[name]) for name in names)


#: What `GET /data/{id}` tells when nothing is selected.
DEFAULT = Selection(_both_generations(_DEFAULT_NAMES))
#: The same of what is seen through a share.
PUBLIC_DEFAULT = Selection(_both_generations(name for name in _DEFAULT_NAMES if name in _PUBLIC))
#: What a listing tells of each entry when nothing is selected.
CHILDREN_DEFAULT = Selection(_chosen("fileId", "file_id", "name"), names_only=True)

#: What the listing of a subtree tells of each entry when nothing is selected.
SUBTREE_DEFAULT = Selection(_chosen("fileId", "file_id", "path"))


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
    fields: dict[str, Attribute] = {}
    named: dict[str, Attribute] = {}
    for name in names:
        if name in known:
            fields[name] = known[name]
        elif name.startswith(_XATTR) and len(name) > len(_XATTR):
            named[name] = xattrs.attribute(name[len(_XATTR) :])
        else:
            raise _not_allowed(key, public, also)
    return Selection(
        (*fields.items(), *named.items()),
        tuple(name[len(_XATTR) :] for name in named),
        with_path="path" in fields,
        with_acl="acl" in fields or f"{_XATTR}{xattrs.ACL}" in named,
        names_only=not named and fields.keys() <= {"fileId", "file_id", "name", "index", "type"},
    )


def _known(key: str, public: bool, also: tuple[str, ...]) -> dict[str, Attribute]:
    known = (_PUBLIC_GENERATIONS if public else _GENERATIONS)[key]
    return known | {name: _CURRENT[name] for name in also}


def _not_allowed(key: str, public: bool, also: tuple[str, ...]) -> ApiError:
    return ApiError("badValueNotAllowed", {"key": key, "allowed": [*_known(key, public, also), "xattr.*"]})
