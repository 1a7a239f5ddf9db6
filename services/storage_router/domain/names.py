"""Names without content: empty files, directories and links."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol

from services.storage_router.domain.contents import FileRef


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

    async def make(self, new: NewName) -> str:
        """Its uuid. FileExists when the name is taken.

        With `update_existing` a directory gets the mode instead, and a link takes the place of whatever is
        not a directory, in one step.
        """
        ...
