"""From what a request names to the file, with every check on the way.

Each directory on the way must be traversable before its names are told: what lies behind a closed directory
is refused, not denied to exist.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from runtime.errors import (
    AccessDenied,
    InvalidArgument,
    NoSuchFile,
    NotADirectory,
    SpaceNotSupported,
    TooManySymlinks,
)
from runtime.identity import Identity

from . import caveats, names, permissions
from .caveats import Place, Reach, Reached
from .records import File, FileType, shown_as
from .tree import Tree

MAX_SYMLINKS = 40


@dataclass(frozen=True, slots=True)
class FileRef:
    """How a request names a file: a uuid (empty is the directory of the space) and names below it.

    With `share_id` it is the file as the public sees it through that share.
    """

    space_id: str
    file_id: str = ""
    path: tuple[str, ...] = ()
    follow_last_symlink: bool = False
    share_id: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A file, the way to it from the directory of its space, and what the token's caveats say of it.

    As the public sees it, the way begins at the root of the share.

    `link`: the hard link by whose name it was found. The chain then goes by the link's directory and ends
    with the file itself, whose record holds all but name and directory.
    """

    chain: tuple[File, ...]
    reach: Reach
    link: File | None = None

    @property
    def file(self) -> File:
        return self.chain[-1]

    @property
    def entry(self) -> File:
        """The record that holds the name."""
        return self.link or self.file

    @property
    def path(self) -> tuple[str, ...]:
        """Names from the directory of the space down."""
        return tuple(file.name for file in (*self.chain[:-1], self.entry)[1:])

    def shown(self, file: File | None = None) -> File:
        """The file, or a newer state of it, as its users see it by this name."""
        file = file or self.file
        return shown_as(file, self.link) if self.link else file


#: Makes a missing directory with this name below the last of the chain.
MakeDirectory = Callable[[Found, str], Awaitable[File]]


class Paths:
    """Resolves references for a caller.

    `supports`: whether a space is supported here; asked for the public only, whose rights do not say it.
    """

    def __init__(self, tree: Tree, supports: Callable[[str], Awaitable[bool]]) -> None:
        self._tree = tree
        self._supports = supports

    async def resolve(self, identity: Identity, ref: FileRef, *, make: MakeDirectory | None = None) -> Found:
        """The file, if the caller may walk to it.

        Raises `NoSuchFile`, `NotADirectory`, `AccessDenied`, `TooManySymlinks` and what `enter_space` raises.
        `make`: called for names that are missing.
        """
        if ref.share_id:
            return await self._resolve_shared(identity, ref)
        permissions.enter_space(identity, ref.space_id)
        names.check_path(ref.path)
        chain = await self._tree.chain(ref.space_id, ref.file_id)
        start = await self.found(identity, chain)
        permissions.require_way(identity, chain, start.reach)
        if ref.path or (ref.follow_last_symlink and start.file.type is FileType.SYMLINK):
            walk = _Walk(self, self._tree, identity, list(chain), ref)
            return await walk.run(make)
        return start

    async def _resolve_shared(self, identity: Identity, ref: FileRef) -> Found:
        permissions.require_public(identity)
        if ref.path:
            raise InvalidArgument("through a share files are named by their ids")
        if not await self._supports(ref.space_id):
            raise SpaceNotSupported(space_id=ref.space_id)
        chain = await self._tree.chain(ref.space_id, ref.file_id)
        found = await self._joined(chain, caveats.INSIDE)
        visible = below_share(found.chain, ref.share_id)
        permissions.require_way(identity, visible, caveats.INSIDE)
        if ref.follow_last_symlink and visible[-1].type is FileType.SYMLINK:
            found = await _SharedWalk(self, self._tree, identity, list(chain), ref).run(None)
            visible = below_share(found.chain, ref.share_id)
            permissions.require_way(identity, visible, caveats.INSIDE)
        return Found(tuple(visible), caveats.INSIDE, found.link)

    async def found(self, identity: Identity, chain: list[File], *, fresh: bool = False) -> Found:
        """Joins what the caveats say to a chain, and the file to a hard link. Raises `NoSuchFile`."""
        return await self._joined(chain, await self.reach(identity, chain), fresh=fresh)

    async def _joined(self, chain: list[File], reach: Reach, *, fresh: bool = False) -> Found:
        if not chain[-1].is_link:
            return Found(tuple(chain), reach)
        inode = await self._tree.inode(chain[-1], fresh=fresh)
        return Found((*chain[:-1], inode), reach, chain[-1])

    async def child(self, identity: Identity, parent: Found, name: str) -> Found | None:
        """The file with this name in a directory the caller may look into."""
        self.require_lookup(identity, parent)
        child = await self._tree.find_child(parent.file, name)
        if child is None:
            return None
        found = await self.found(identity, [*parent.chain, child])
        permissions.require_way(identity, found.chain[-1:], found.reach)
        return found

    def knows_child(self, parent: File, name: str) -> bool | None:
        """Whether the name is known to be in the directory; None where only the store can tell."""
        return self._tree.knows_child(parent, name)

    def require_lookup(self, identity: Identity, parent: Found) -> None:
        """Raises unless the caller may ask for names in this directory."""
        if not parent.file.is_directory:
            raise NotADirectory(file_id=parent.file.file_id)
        if parent.reach.reached is Reached.OUTSIDE:
            raise AccessDenied("outside of what the token allows", file_id=parent.file.file_id)
        above = parent.chain[-2] if len(parent.chain) > 1 else None
        if not permissions.passes_all(identity, parent.file) and not permissions.granted(
            identity, parent.file, above, permissions.TRAVERSE
        ):
            raise AccessDenied(file_id=parent.file.file_id)

    async def reach(self, identity: Identity, chain: list[File]) -> Reach:
        """What the caveats of the caller's token say of the last file of a chain."""
        if identity.caveats is None or not caveats.confines(identity):
            return caveats.INSIDE
        places: dict[str, Place | None] = {}
        for uuid in caveats.object_uuids(identity.caveats):
            try:
                places[uuid] = caveats.place_of(await self._tree.chain(chain[0].space_id, uuid))
            except NoSuchFile:
                places[uuid] = None
        return caveats.reach_of(chain, identity.caveats, places)


def below_share(chain: Sequence[File], share_id: str) -> Sequence[File]:
    """The part of a chain from the root of the share on. Raises `NoSuchFile` when it is not below it."""
    for position, file in enumerate(chain):
        if share_id in file.share_ids:
            return chain[position:]
    raise NoSuchFile(file_id=chain[-1].file_id, share_id=share_id)


class _Walk:
    """One walk along names, following symbolic links."""

    def __init__(self, paths: Paths, tree: Tree, identity: Identity, chain: list[File], ref: FileRef) -> None:
        self._paths = paths
        self._tree = tree
        self._identity = identity
        self._chain = chain
        self._left = deque(ref.path)
        self._follow_last = ref.follow_last_symlink
        self._links = 0

    async def run(self, make: MakeDirectory | None) -> Found:
        if self._chain[-1].type is FileType.SYMLINK:
            self._follow(self._chain.pop())
        while self._left:
            await self._step(self._left.popleft(), make)
        found = await self._paths.found(self._identity, self._chain)
        permissions.require_way(self._identity, self._chain[-1:], found.reach)
        return found

    async def _step(self, name: str, make: MakeDirectory | None) -> None:
        if name in ("", "."):
            return
        if name == "..":
            if len(self._chain) == 1:
                raise NoSuchFile("the link leaves the space")
            self._chain.pop()
            return
        # Only a confined token has a reach to compute for each directory on the way.
        parent = await self._paths.found(self._identity, self._chain)
        self._require_lookup(parent)
        child = await self._tree.find_child(parent.file, name)
        if child is None:
            if make is None:
                raise NoSuchFile(name=name)
            child = await make(parent, name)
        if child.type is FileType.SYMLINK and (self._left or self._follow_last):
            self._follow(child)
        else:
            self._chain.append(child)

    def _require_lookup(self, parent: Found) -> None:
        self._paths.require_lookup(self._identity, parent)

    def _follow(self, link: File) -> None:
        """Puts the target in front of what is left; the chain ends with the directory of the link."""
        self._links += 1
        if self._links > MAX_SYMLINKS or len(self._left) > names.MAX_PATH_NAMES:
            raise TooManySymlinks(file_id=link.file_id)
        target = link.symlink_target
        anchor = f"<__onedata_space_id:{link.space_id}>"
        if target == anchor or target.startswith(f"{anchor}/"):
            del self._chain[1:]
            target = target[len(anchor) :]
        elif target.startswith(("/", "<__onedata_space_id:")):
            raise NoSuchFile("the link leaves the space", file_id=link.file_id)
        self._left.extendleft(reversed(target.split("/")))


class _SharedWalk(_Walk):
    """Follows a link for the public: the names outside of the share are the link's own, and tell nothing.

    Where it ends must be below the root of the share again; that is the caller's to check.
    """

    def __init__(self, paths: Paths, tree: Tree, identity: Identity, chain: list[File], ref: FileRef) -> None:
        super().__init__(paths, tree, identity, chain, ref)
        self._share_id = ref.share_id

    def _require_lookup(self, parent: Found) -> None:
        if any(self._share_id in file.share_ids for file in parent.chain):
            super()._require_lookup(parent)
        elif not parent.file.is_directory:
            raise NoSuchFile(file_id=parent.file.file_id)
