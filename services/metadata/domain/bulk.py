"""Many operations in one call: each for itself, or all of them or none.

New files of one directory are checked once and added by one command, which is what makes a bulk of them many
times cheaper than as many calls. All or none is one transaction over every record that changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace

from runtime.errors import FileExists, InvalidArgument, IsthmusError, NoSuchFile
from runtime.identity import Identity

from .errors import IdTaken, LostRace, NameTaken, OneRefused, RevisionConflict
from .files import Files, NewFile
from .paths import FileRef
from .records import File
from .renames import Renames
from .retries import patient_attempts
from .stores import TreeChange
from .tree import Tree

MAX_OPERATIONS = 1000
#: Operations of one call that are under way at a time.
MAX_AT_ONCE = 128


@dataclass(frozen=True, slots=True)
class Stat:
    """Tells of a file."""

    ref: FileRef
    with_path: bool = False

    @property
    def space_id(self) -> str:
        return self.ref.space_id


@dataclass(frozen=True, slots=True)
class Create:
    """Makes a file, directory or symbolic link; the name has to be free."""

    parent: FileRef
    new: NewFile

    @property
    def space_id(self) -> str:
        return self.parent.space_id


@dataclass(frozen=True, slots=True)
class Rename:
    """As `Renames.rename`."""

    source: FileRef
    parent: FileRef
    name: str
    no_replace: bool = False

    @property
    def space_id(self) -> str:
        return self.source.space_id

    @property
    def target(self) -> FileRef:
        """Where the file is afterwards."""
        return replace(self.parent, path=(*self.parent.path, self.name))


@dataclass(frozen=True, slots=True)
class Delete:
    """Takes a file, or a directory with all below it, out of sight."""

    ref: FileRef

    @property
    def space_id(self) -> str:
        return self.ref.space_id


Operation = Stat | Create | Rename | Delete


@dataclass(frozen=True, slots=True)
class Told:
    """A file as it is after its operation. `path` only when a Stat asked for it."""

    file: File
    path: tuple[str, ...] = ()


#: None: removed, or not done.
Outcome = Told | IsthmusError | None


@dataclass(frozen=True, slots=True)
class _Step:
    """What one operation of all will change. `done`: an earlier try of the call did it already."""

    change: TreeChange | None = None
    done: bool = False


class Bulk:
    """Carries out many operations of one caller."""

    def __init__(self, files: Files, renames: Renames, tree: Tree) -> None:
        self._files = files
        self._renames = renames
        self._tree = tree

    async def each(
        self, identity: Identity, request_id: str, operations: Sequence[Operation]
    ) -> Sequence[Outcome]:
        """What became of each operation, in their order; one that fails leaves the others alone."""
        _check_count(operations)
        outcomes: list[Outcome] = [None] * len(operations)
        creates: dict[FileRef, dict[int, NewFile]] = {}
        others: list[int] = []
        for index, operation in enumerate(operations):
            if isinstance(operation, Create):
                creates.setdefault(operation.parent, {})[index] = operation.new
            else:
                others.append(index)

        async def create(parent: FileRef, asked: dict[int, NewFile]) -> None:
            made = await self._create(
                identity, parent, [(_item_id(request_id, index), new) for index, new in asked.items()]
            )
            for index, outcome in zip(asked, made, strict=True):
                outcomes[index] = outcome

        async def run(index: int) -> None:
            try:
                outcomes[index] = await self._run(identity, _item_id(request_id, index), operations[index])
            except IsthmusError as error:
                outcomes[index] = error

        await _side_by_side([create(parent, asked) for parent, asked in creates.items()])
        await _side_by_side([run(index) for index in others])
        return outcomes

    async def all(
        self, identity: Identity, request_id: str, operations: Sequence[Operation]
    ) -> tuple[Sequence[Outcome], bool]:
        """All operations or none; what became of each, and whether they were done.

        When they were not, at least one of the outcomes is an error.
        """
        _check_count(operations)
        async for _ in patient_attempts():
            steps = await self._plan(identity, request_id, operations)
            if any(isinstance(step, IsthmusError) for step in steps):
                return [step if isinstance(step, IsthmusError) else None for step in steps], False
            planned = [step for step in steps if isinstance(step, _Step)]
            if not any(step.done for step in planned):
                try:
                    await self._apply(planned)
                except RevisionConflict:
                    continue
                except OneRefused as refused:
                    if isinstance(refused.cause, RevisionConflict):
                        continue
                    if not isinstance(refused.cause, IdTaken):
                        return await self._refusal(operations, planned, refused), False
            return await self._tell(identity, operations, planned), True
        raise LostRace(request_id=request_id)

    async def _create(
        self, identity: Identity, parent_ref: FileRef, asked: Sequence[tuple[str, NewFile]]
    ) -> Sequence[Outcome]:
        """Adds what is asked for to one directory."""
        try:
            parent = await self._files.directory(identity, "", parent_ref, create_parents=False)
        except IsthmusError as error:
            return [error] * len(asked)
        outcomes: list[Outcome] = [None] * len(asked)
        files: dict[int, File] = {}
        for place, (item_id, new) in enumerate(asked):
            try:
                files[place] = self._files.planned(identity, item_id, parent, new)
            except IsthmusError as error:
                outcomes[place] = error
        stored = await self._files.insert_many(identity, parent, list(files.values())) if files else []
        for place, file in zip(files, stored, strict=True):
            outcomes[place] = file if isinstance(file, IsthmusError) else Told(file)
        return outcomes

    async def _run(self, identity: Identity, item_id: str, operation: Operation) -> Told | None:
        match operation:
            case Stat(ref, with_path):
                found = await self._files.get(identity, ref)
                return Told(self._files.shown(found), found.path if with_path else ())
            case Rename(source, parent, name, no_replace):
                file, _ = await self._renames.rename(
                    identity, item_id, source, parent, name, no_replace=no_replace
                )
                return Told(self._files.with_times(file))
            case Delete(ref):
                await self._files.delete(identity, item_id, ref)
        return None

    async def _plan(
        self, identity: Identity, request_id: str, operations: Sequence[Operation]
    ) -> Sequence[_Step | IsthmusError]:
        """What each operation will change, by what is there now."""
        steps: list[_Step | IsthmusError] = [_Step()] * len(operations)

        async def plan(index: int) -> None:
            try:
                steps[index] = await self._plan_one(identity, _item_id(request_id, index), operations[index])
            except IsthmusError as error:
                steps[index] = error

        await _side_by_side([plan(index) for index in range(len(operations))])
        seen: set[str] = set()
        for index, step in enumerate(steps):
            if isinstance(step, _Step) and step.change is not None:
                if seen & step.change.ids:
                    steps[index] = InvalidArgument("another operation changes the same file")
                seen |= step.change.ids
        return steps

    async def _plan_one(self, identity: Identity, item_id: str, operation: Operation) -> _Step:
        match operation:
            case Create(parent_ref, new):
                parent = await self._files.directory(identity, "", parent_ref, create_parents=False)
                file = self._files.planned(identity, item_id, parent, new)
                return _Step(TreeChange(file, is_new=True, directories=(parent.file,)))
            case Rename(source, parent_ref, name, no_replace):
                move = await self._renames.plan(
                    identity, item_id, source, parent_ref, name, no_replace=no_replace
                )
                return _Step(done=True) if move is None else _Step(move)
            case Delete(ref):
                gone = await self._files.plan_delete(identity, item_id, ref)
                return _Step(done=True) if gone is None else _Step(gone)
        return _Step()

    async def _apply(self, steps: Sequence[_Step]) -> None:
        changes = [step.change for step in steps if step.change is not None]
        if changes:
            await self._tree.change_together(changes)
            await self._files.took_effect(changes)

    async def _refusal(
        self, operations: Sequence[Operation], steps: Sequence[_Step], refused: OneRefused
    ) -> Sequence[Outcome]:
        """The error of the one that was refused, as it would have been told had it been alone."""
        places = [place for place, step in enumerate(steps) if step.change is not None]
        place = places[refused.index]
        outcomes: list[Outcome] = [None] * len(operations)
        error = refused.cause
        change = steps[place].change
        if isinstance(error, NameTaken) and change is not None:
            error = FileExists(name=change.file.name)
        outcomes[place] = error
        return outcomes

    async def _tell(
        self, identity: Identity, operations: Sequence[Operation], steps: Sequence[_Step]
    ) -> Sequence[Outcome]:
        outcomes: list[Outcome] = [None] * len(operations)

        async def tell(index: int) -> None:
            operation, change = operations[index], steps[index].change
            try:
                if isinstance(operation, Stat):
                    outcomes[index] = await self._run(identity, "", operation)
                elif isinstance(operation, Rename):
                    outcomes[index] = await self._run(identity, "", Stat(operation.target))
                elif change is not None and not isinstance(operation, Delete):
                    outcomes[index] = Told(await self._stored(change.file))
            except IsthmusError as error:
                outcomes[index] = error

        await _side_by_side([tell(index) for index in range(len(operations))])
        return outcomes

    async def _stored(self, file: File) -> File:
        """The record as it is: of a call that is repeated, what its first try made."""
        stored = await self._tree.find(file.space_id, file.file_id)
        if stored is None or stored.deleted:
            raise NoSuchFile(file_id=file.file_id)
        return self._files.with_times(stored)


def _check_count(operations: Sequence[Operation]) -> None:
    if len(operations) > MAX_OPERATIONS:
        raise InvalidArgument("too many operations at once", count=len(operations))


def _item_id(request_id: str, index: int) -> str:
    """The request id of one operation: the same when the whole call is repeated."""
    return f"{request_id}:{index}" if request_id else ""


async def _side_by_side(work: Sequence[Awaitable[None]]) -> None:
    for first in range(0, len(work), MAX_AT_ONCE):
        await asyncio.gather(*work[first : first + MAX_AT_ONCE])
