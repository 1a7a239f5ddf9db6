"""What directories are counted by."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DirSums:
    """Sums over files and directories. `files`: each name of a regular file, and symbolic links."""

    files: int = 0
    dirs: int = 0
    logical: int = 0
    virtual: int = 0
    physical: Mapping[str, int] = field(default_factory=dict)

    def plus(self, other: DirSums, sign: int = 1) -> DirSums:
        """Together, or with `sign` -1 the difference."""
        physical = dict(self.physical)
        for storage_id, size in other.physical.items():
            physical[storage_id] = physical.get(storage_id, 0) + sign * size
        return DirSums(
            self.files + sign * other.files,
            self.dirs + sign * other.dirs,
            self.logical + sign * other.logical,
            self.virtual + sign * other.virtual,
            {storage_id: size for storage_id, size in physical.items() if size},
        )


#: A directory, to those above it.
ONE_DIRECTORY = DirSums(dirs=1)


@dataclass(frozen=True, slots=True)
class CountedFile:
    """A name as it is counted in the directory `parent_id` and all above it."""

    file_id: str
    parent_id: str
    sums: DirSums


@dataclass(frozen=True, slots=True)
class CountedDirectory:
    """A directory with the sums of what is counted below it.

    `parent_id`: where it is counted itself; empty for the directory of the space. `listed_to`: the last name
    that was looked at while what was there before is counted; None once all of it was.
    """

    directory_id: str
    parent_id: str
    sums: DirSums = field(default_factory=DirSums)
    listed_to: str | None = None


class StatsState(enum.Enum):
    """How far collecting in a space is."""

    DISABLED = "disabled"
    INITIALIZING = "initializing"
    ENABLED = "enabled"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class SpaceStats:
    """How far a space is counted.

    `position`: the sequence of the log up to which it is. `ready`: all that was there before is counted.
    `era` grows with each new count, and `revision` with each change of this.
    """

    space_id: str
    position: int
    ready: bool = False
    dropping: bool = False
    era: int = 1
    revision: int = 0

    @property
    def state(self) -> StatsState:
        """What users are told of it."""
        if self.dropping:
            return StatsState.STOPPING
        return StatsState.ENABLED if self.ready else StatsState.INITIALIZING


@dataclass(frozen=True, slots=True)
class Window:
    """Sums as they were last within the step that began at `time_s`."""

    time_s: int
    sums: DirSums
    first_s: int
    last_s: int
