"""Containers: reading and listing, creating, changing."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

from isthmus.metadata.v1 import files_pb2

from clients.file_columns import mask_of
from runtime.errors import DeadlineExceeded
from runtime.http.cdmi import CONTAINER, Query, Range, is_reference
from runtime.http.errors import ApiError, posix
from runtime.http.ranges import MAX_OFFSET
from runtime.request import request_id
from services.gateway.api.cdmi.items import items_of
from services.gateway.api.cdmi.nodes import Node, Tree, space_entries
from services.gateway.api.cdmi.positions import Mark, Positions
from services.gateway.api.cdmi.repeats import CREATED, has_done
from services.gateway.api.cdmi.updates import Updates, planned
from services.gateway.api.http import Answer, empty, json_answer
from services.gateway.api.namespace import ref
from services.gateway.api.ports import Metadata
from services.gateway.domain.acls import PrincipalNames
from services.gateway.domain.cdmi.bodies import Body
from services.gateway.domain.cdmi.fields import common_fields
from services.gateway.domain.files import DIRECTORY, SYMLINK

_PAGE_SIZE = 1000
#: Names that are walked by at a time on the way to those that are wanted.
_STEP_SIZE = 10_000
#: The front door asks again after 30 s.
_LONGEST_WALK_S = 20.0
_LISTED = mask_of(["type", "symlink_target"])

_HEADERS = ((b"content-type", CONTAINER.encode()),)


class Containers:
    """CDMI and plain HTTP on directories."""

    def __init__(
        self,
        tree: Tree,
        metadata: Metadata,
        updates: Updates,
        principals: PrincipalNames,
        *,
        max_children: int,
    ) -> None:
        self._principals = principals
        self._tree = tree
        self._metadata = metadata
        self._updates = updates
        self._max_children = max_children
        self._positions = Positions()

    async def get(self, node: Node, query: Query) -> Answer:
        """Fields and children of a directory."""
        fields = await self._fields(node, query)
        names: list[str] | None = None
        if query.wants("children"):
            names = await self._children(node, query.children)
        if query.wants("childrenrange"):
            fields["childrenrange"] = await self._range(node, query.children, names)
        if names is not None:
            fields["children"] = names
        return json_answer(fields, 200, _HEADERS)

    async def _fields(self, node: Node, query: Query) -> dict[str, Any]:
        items = await items_of(self._metadata, self._principals, node.file, query)
        return common_fields(node.file, node.names, query, items, node.identity.subject_id)

    async def _children(self, node: Node, asked: Range | None) -> list[str]:
        first, last = asked or (0, self._max_children)
        if first > last:
            raise _bad_range()
        if asked is not None and last - first >= self._max_children:
            raise self._too_many()
        names: list[str] = []
        end = 0
        async for position, page in self._pages(node, first, last):
            names += page[max(0, first - position) : max(0, last + 1 - position)]
            end = position + len(page)
            if end > last:
                break
        if asked is None and end > self._max_children:
            raise self._too_many()
        if asked is not None and last >= end:
            raise _bad_range()
        return names

    async def _range(self, node: Node, asked: Range | None, names: list[str] | None) -> str:
        if asked is not None:
            return f"{asked[0]}-{asked[1]}"
        count = len(names) if names is not None else await self._count(node)
        return f"0-{count - 1}" if count else ""

    async def _count(self, node: Node) -> int:
        count = self._positions.count(node)
        if count is not None:
            return count
        count = 0
        async for position, page in self._pages(node, MAX_OFFSET, MAX_OFFSET):
            count = position + len(page)
        self._positions.note_count(node, count)
        return count

    async def _pages(self, node: Node, first: int, last: int) -> AsyncIterator[tuple[int, list[str]]]:
        """Names in pages, each with the number of its first: directories marked with a slash and references
        with a question mark. They begin as near before `first` as is known, and in large steps.

        Raises DeadlineExceeded when the way is too long; who asks again goes on where that was.
        """
        if node.is_top:
            yield 0, space_entries(node.identity)
            return
        mark = self._positions.before(node, first)
        position, token = mark.position, mark.token
        give_up_s = time.monotonic() + _LONGEST_WALK_S
        while True:
            left = last + 1 - position
            page_size = _PAGE_SIZE if left <= _PAGE_SIZE else min(left, _STEP_SIZE)
            answer = await self._metadata.list_children(
                files_pb2.ListChildrenRequest(
                    directory=ref(node.id),
                    page_size=page_size,
                    page_token=token,
                    inclusive=True,
                    read_mask=_LISTED,
                )
            )
            told = answer.columns
            names = list(map(_listed, told.name, told.type, told.symlink_target))
            yield position, names
            if answer.is_last:
                return
            position, token = position + len(names), answer.next_page_token
            self._positions.note(node, Mark(position, token))
            if time.monotonic() > give_up_s:
                raise DeadlineExceeded("there are too many children before these")

    def _too_many(self) -> ApiError:
        return ApiError("badValueTooHigh", {"key": "childrenrange", "limit": self._max_children})

    async def create(self, node: Node, body: Body) -> Answer:
        """A new directory; what it is to be in is never made on the way."""
        update = planned(body.metadata, directory=True)
        # On an earlier try of this request it may have been made, and perhaps no more.
        if node.record is None:
            await self._make(node)
        await self._updates.apply(node, update, CREATED)
        return await self.described(await self._tree.refresh(node), 201)

    async def create_plain(self, node: Node) -> Answer:
        """The same without CDMI: no body either way."""
        if node.record is not None and not has_done(node.record, ""):
            raise posix("eexist" if not node.is_top else "eperm")
        await self._make(node)
        return empty(201)

    async def _make(self, node: Node) -> None:
        await self._metadata.create_file(
            files_pb2.CreateFileRequest(
                request_id=request_id(),
                parent=node.parent_ref(),
                name=node.names[-1],
                type=files_pb2.FILE_TYPE_DIRECTORY,
            )
        )

    async def update(self, node: Node, body: Body) -> Answer:
        """Changes the metadata of a directory."""
        if body.metadata is not None and node.is_top:
            raise posix("eperm")
        await self._updates.apply(node, planned(body.metadata, directory=True))
        return empty(204)

    async def described(self, node: Node, status: int) -> Answer:
        """The answer to a creation: all fields."""
        fields = await self._fields(node, Query())
        try:
            names = await self._children(node, None)
        except ApiError:
            # Copied or moved here, and too large to be listed at once; its fields are still true.
            return json_answer(fields, status, _HEADERS)
        fields["childrenrange"] = await self._range(node, None, names)
        fields["children"] = names
        return json_answer(fields, status, _HEADERS)


def _listed(name: str, type: int, symlink_target: str) -> str:
    """A name with the mark of what it is."""
    if type == DIRECTORY:
        return f"{name}/"
    return f"{name}?" if type == SYMLINK and is_reference(symlink_target) else name


def _bad_range() -> ApiError:
    return ApiError("badData", {"key": "childrenrange"})
