"""Moving: a rename inside a space; between spaces, where nothing can be renamed, a copy and a removal."""

from __future__ import annotations

from typing import Any

from isthmus.metadata.v1 import files_pb2

from runtime.errors import NotADirectory
from runtime.http.errors import posix
from runtime.request import request_id
from services.gateway.api.cdmi.copies import Copies
from services.gateway.api.cdmi.nodes import Node, Tree
from services.gateway.api.cdmi.repeats import MOVED, REPLACED, has_done, is_ours
from services.gateway.api.cdmi.updates import Update, Updates, planned_for
from services.gateway.api.namespace import ref
from services.gateway.api.ports import Metadata
from services.gateway.domain.cdmi import addresses
from services.gateway.domain.cdmi.bodies import Body


class Moves:
    """`{"move": source}` in a PUT to the destination."""

    def __init__(self, tree: Tree, metadata: Metadata, updates: Updates, copies: Copies) -> None:
        self._tree = tree
        self._metadata = metadata
        self._updates = updates
        self._copies = copies

    async def move(self, node: Node, body: Body) -> tuple[Node, bool]:
        """The moved node, and whether it replaced a file. The id stays the same inside a space.

        Raises Unfinished for a move to another space that takes longer.
        """
        source = await self._tree.find(node.identity, addresses.parse_source(body.move, "move"))
        if source.record is None:
            update = planned_for(node, body)
            replaced = await self._repeat(source, node)
        else:
            update = planned_for(source, body)
            await self._updates.check(source, update)
            if source.space_id and source.space_id != node.space_id:
                await self._across(source, node, update)
                return await self._tree.refresh(node), False
            replaced = await self._move(source, node)
        await self._updates.apply(node, update, REPLACED if replaced else MOVED)
        return await self._tree.refresh(node), replaced

    async def _move(self, source: Node, node: Node) -> bool:
        self._check(source, node)
        return await self._rename(ref(source.id), node.parent_ref(), node) or node.record is not None

    def _check(self, source: Node, node: Node) -> None:
        check_form(source, node)
        node.parent_ref()
        if len(source.names) < 2:
            raise posix("eperm")
        if node.container and node.record is not None and node.id != source.id and not is_ours(node.record):
            raise posix("eexist")

    async def _repeat(self, source: Node, node: Node) -> bool:
        """Nothing is at the source: metadata knows whether an earlier try of this very request moved it."""
        if has_done(node.record, MOVED, REPLACED):
            return has_done(node.record, REPLACED)
        if source.space_id != node.space_id and is_ours(node.record):
            return False
        if node.record is None or not source.space_id or source.space_id != node.space_id:
            raise posix("enoent")
        gone = files_pb2.FileRef(space_id=source.space_id, path=source.names[1:])
        try:
            return await self._rename(gone, node.parent_ref(), node)
        except NotADirectory:
            raise posix("enoent") from None

    async def _rename(self, source: files_pb2.FileRef, parent: files_pb2.FileRef, node: Node) -> bool:
        answer = await self._metadata.rename_file(
            files_pb2.RenameFileRequest(
                request_id=request_id(),
                source=source,
                target_parent=parent,
                target_name=node.names[-1],
            )
        )
        return answer.replaced

    async def _across(self, source: Node, node: Node, update: Update | None) -> None:
        self._check(source, node)
        if source.is_queue:
            # What was added between copy and removal would be lost.
            raise posix("exdev")
        await self._copies.move_across(source, node, update)


async def find_source(tree: Tree, node: Node, text: Any, key: str) -> Node:
    """The node a copy or move is made of. Raises ENOENT where nothing is, and for a file's place in the form
    of a container ENOTDIR."""
    source = await tree.find(node.identity, addresses.parse_source(text, key))
    if source.record is None:
        raise posix("enoent")
    check_form(source, node)
    return source


def check_form(source: Node, node: Node) -> None:
    """Raises ENOTDIR for a file that is to stand at a container's place."""
    if node.container and not source.is_directory:
        raise posix("enotdir")
