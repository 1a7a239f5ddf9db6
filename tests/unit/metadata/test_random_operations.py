"""Random operations against a model of plain dictionaries."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from runtime.errors import IsthmusError
from services.metadata.domain.records import FileType
from services.metadata.domain.tree import Ownership, OwnsEverything, OwnsNothing
from services.metadata.store.memory import memory_stores
from tests.support.metadata import ALICE, SPACE, World, ref

NAMES = ("a", "b", "c")
Path = tuple[str, ...]


@dataclass
class Model:
    """Directories are dictionaries, files are dictionaries of written bytes wrapped in a list."""

    root: dict[str, object] = field(default_factory=dict)

    def find(self, path: Path) -> object:
        node: object = self.root
        for name in path:
            if not isinstance(node, dict):
                raise LookupError("ENOTDIR")
            if name not in node:
                raise LookupError("ENOENT")
            node = node[name]
        return node

    def directory(self, path: Path) -> dict[str, object]:
        node = self.find(path)
        if not isinstance(node, dict):
            raise LookupError("ENOTDIR")
        return node

    def make(self, path: Path, what: object) -> None:
        parent = self.directory(path[:-1])
        if path[-1] in parent:
            raise LookupError("EEXIST")
        parent[path[-1]] = what

    def put(self, path: Path, size: int, offset: int | None) -> None:
        parent = self.directory(path[:-1])
        there = parent.get(path[-1], [set(), 0])
        if isinstance(there, dict):
            raise LookupError("EISDIR")
        written, length = (set(), 0) if offset is None else (set(there[0]), there[1])  # type: ignore[index]
        start = offset or 0
        written |= set(range(start, start + size))
        parent[path[-1]] = [written, max(length, start + size) if size else length]

    def delete(self, path: Path, only_empty: bool) -> None:
        node = self.find(path)
        if only_empty and isinstance(node, dict) and node:
            raise LookupError("ENOTEMPTY")
        del self.directory(path[:-1])[path[-1]]

    def rename(self, source: Path, target: Path) -> None:
        parent = self.directory(target[:-1])
        there = parent.get(target[-1])
        node = self.find(source)
        if there is node:
            return
        if target[: len(source)] == source:
            raise LookupError("EINVAL")
        if there is not None:
            if isinstance(node, dict) and not isinstance(there, dict):
                raise LookupError("ENOTDIR")
            if isinstance(there, dict) and not isinstance(node, dict):
                raise LookupError("EISDIR")
            if isinstance(there, dict) and there:
                raise LookupError("ENOTEMPTY")
        del self.directory(source[:-1])[source[-1]]
        parent[target[-1]] = node


def a_path(chance: random.Random) -> Path:
    return tuple(chance.choice(NAMES) for _ in range(chance.choice((1, 1, 2, 2, 3))))


async def step(world: World, model: Model, chance: random.Random) -> tuple[str, str]:
    """One random operation on both; the outcome of each."""
    path, other = a_path(chance), a_path(chance)
    size, offset = chance.choice((0, 1, 5)), chance.choice((None, 0, 3, 9))
    only_empty = chance.random() < 0.3
    kind = chance.choice(("mkdir", "mkdir", "make", "put", "put", "publish", "delete", "rename", "rename"))
    *parent, name = other
    actions = {
        "mkdir": (lambda: world.mkdir(*path), lambda: model.make(path, {})),
        "make": (lambda: world.make(*path), lambda: model.make(path, [set(), 0])),
        "put": (
            lambda: world.put(*path, size_bytes=size, offset=offset),
            lambda: model.put(path, size, offset),
        ),
        "publish": (
            lambda: world.publish(*path, size_bytes=size),
            lambda: model.put(path, size, None),
        ),
        "delete": (
            lambda: world.rules.files.delete(ALICE, "", ref(*path), only_empty=only_empty),
            lambda: model.delete(path, only_empty),
        ),
        "rename": (
            lambda: world.rules.renames.rename(ALICE, "", ref(*path), ref(*parent), name),
            lambda: model.rename(path, other),
        ),
    }
    real, modelled = actions[kind]
    outcome = expected = "done"
    try:
        await real()
    except IsthmusError as error:
        outcome = error.reason
    try:
        modelled()
    except LookupError as error:
        expected = str(error)
    return f"{kind} {path} {other}: {outcome}", f"{kind} {path} {other}: {expected}"


async def snapshot(world: World, *path: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in await world.names(*path, page_size=2):
        file = await world.get(*path, name)
        if file.type is FileType.DIRECTORY:
            found[name] = await snapshot(world, *path, name)
        else:
            found[name] = (file.size_bytes, file.local_bytes)
    return found


def expected_snapshot(node: dict[str, object]) -> dict[str, object]:
    return {
        name: expected_snapshot(child) if isinstance(child, dict) else (child[1], len(child[0]))  # type: ignore[index]
        for name, child in node.items()
    }


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("ownership", [OwnsEverything(), OwnsNothing()], ids=["trusting", "asking"])
async def test_the_tree_is_as_the_model_says(seed: int, ownership: Ownership) -> None:
    chance = random.Random(seed)
    stores = memory_stores()
    world, model = await World(stores=stores, ownership=ownership).open(), Model()
    for number in range(120):
        outcome, expected = await step(world, model, chance)
        assert outcome == expected
        if number % 40 == 39:
            await world.clean_up()
            assert await snapshot(world) == expected_snapshot(model.root)
            assert await world.used_bytes() == await stores.locations.held_bytes(SPACE)
    # Another instance that comes later sees the same.
    assert await snapshot(World(stores=stores)) == expected_snapshot(model.root)
