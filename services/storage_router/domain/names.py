"""Names without content: empty files, directories and links."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol

from runtime.errors import FileExists
from services.storage_router.domain.contents import Contents, File, FileKind, FileRef


@dataclass(frozen=True, slots=True)
class NewName:
    """An empty file (`REG`), directory (`DIR`), symbolic link (`SYMLNK`) or hard link (`LNK`) to be made."""

    request_id: str
    parent: FileRef
    name: str
    kind: Literal["REG", "DIR", "SYMLNK", "LNK"]
    mode: int | None = None
    symlink_target: str = ""
    hard_link_target_id: str = ""
    create_parents: bool = False
    update_existing: bool = False

    @property
    def ref(self) -> FileRef:
        """The name itself."""
        return replace(self.parent, path=(*self.parent.path, self.name))


class Names(Protocol):
    """Metadata, where names are made and removed."""

    async def make(self, new: NewName) -> File:
        """FileExists when the name is taken, unless it is a directory and `update_existing` is set."""
        ...

    async def remove(self, file: FileRef, *, request_id: str) -> None:
        """Removes a name. NoSuchFile."""
        ...


async def make(names: Names, contents: Contents, new: NewName) -> File:
    """Makes a name. With `update_existing` a directory gets the mode, and a link takes the place of a file.

    A directory is never replaced by a link: the request would remove a whole tree.
    """
    if new.kind == "DIR" or not new.update_existing:
        return await names.make(new)
    plain = replace(new, update_existing=False)
    try:
        return await names.make(plain)
    except FileExists:
        if (await contents.get_file(new.ref)).kind is FileKind.DIRECTORY:
            raise
        await names.remove(new.ref, request_id=f"{new.request_id}-replaced")
        return await names.make(plain)
