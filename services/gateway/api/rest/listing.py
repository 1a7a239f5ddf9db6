"""`GET /data/{id}/children`: a directory in pages, by the bytes of the names."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import orjson
from isthmus.metadata.v1 import files_pb2

from clients.file_columns import mask_of
from runtime.errors import InvalidName, NoSuchFile
from runtime.http.declared import flag, integer, text
from runtime.http.file_ids import space_root
from services.gateway import metrics
from services.gateway.api.http import JSON, Answer
from services.gateway.api.namespace import in_parallel, listed_spaces, ref, view_of, wanted
from services.gateway.api.ports import Metadata
from services.gateway.api.rest.entries import encoded, list_answer
from services.gateway.api.rest.operations import Call
from services.gateway.api.rest.selection import selects_shared
from services.gateway.domain import attributes
from services.gateway.domain.attributes import Selection
from services.gateway.domain.files import VirtualDirectory
from services.gateway.domain.listing_memory import KeptListing, ListingMemory
from services.gateway.domain.views import View

_MAX_OFFSET = 500
ATTRIBUTES = selects_shared(attributes.CHILDREN_DEFAULT, attributes.CHILDREN_DEFAULT)
LIMIT = integer("limit", "Most entries of the page.", default=1000, low=1, high=10_000)
TOKEN = text("token", "`nextPageToken` of the last page; the other positions are ignored then.", empty=False)
INDEX = text("index", "Begin at the entry with this `index`, or name.", empty=False)
OFFSET = integer(
    "offset",
    "Begin so many entries after the index; before it when negative, which needs an index.",
    default=0,
    low=-_MAX_OFFSET,
    high=_MAX_OFFSET,
)
INCLUSIVE = flag("inclusive", "Whether the entry at `index` itself is told.", default=True)
_TUNE = "A hint that the directory is listed to its end. It has no visible effect."
TUNE = flag("tuneForLargeContinuousListing", _TUNE)
TUNE_DEPRECATED = flag("tune_for_large_continuous_listing", _TUNE)
#: Entries of one call to the metadata service; longer pages are put together from several.
_PAGE_SIZE = 2500


class ListingRoutes:
    """Listing of directories and of the user's spaces."""

    def __init__(self, metadata: Metadata, memory: ListingMemory) -> None:
        self._metadata = metadata
        self._memory = memory

    async def list_children(self, call: Call) -> Answer:
        """`GET /data/{id}/children`. `nextPageToken` is told on the last page, too."""
        limit, selection = call[LIMIT], call[ATTRIBUTES].of(call)
        first = _first_page(call)
        call.check_member()
        if call.file.is_user_root:
            return await self._list_spaces(call, first, limit, selection)
        first.directory.CopyFrom(ref(call.file))
        first.read_mask.CopyFrom(mask_of(selection.needs))
        more = wanted(selection)
        if more is not None:
            first.wanted.CopyFrom(more)
        view = await self._view(call, selection)
        key = (first.SerializeToString(deterministic=True), limit, selection, view)
        kept = self._memory.get(key)
        first.known_version = kept.version if kept is not None else ""
        first.page_size = min(limit, _PAGE_SIZE)
        answer = await self._metadata.list_children(first)
        if kept is not None and answer.unchanged:
            metrics.LISTINGS.labels(outcome="kept").inc()
            return Answer(200, kept.body, JSON)
        metrics.LISTINGS.labels(outcome="made").inc()
        first.known_version = ""
        made, version = await self._gather(first, answer, limit, selection, view)
        if version:
            self._memory.put(key, KeptListing(version, made.body))
        else:
            self._memory.drop(key)
        return made

    async def _gather(
        self,
        request: files_pb2.ListChildrenRequest,
        answer: files_pb2.ListChildrenResponse,
        limit: int,
        selection: Selection,
        view: View,
    ) -> tuple[Answer, str]:
        """One page out of several of the metadata service: the next is on its way while one is encoded.

        `answer`: the first of them. Also the version of the directory at which all of them are true, if any.
        """
        told: list[bytes] = []
        version = answer.version
        left = limit - len(answer.columns.file_id)
        while left > 0 and not answer.is_last:
            request.page_size = min(left, _PAGE_SIZE)
            request.page_token = answer.next_page_token
            async with asyncio.TaskGroup() as group:
                following = group.create_task(self._metadata.list_children(request))
                told += await encoded(answer.columns, selection, view)
            answer = following.result()
            version = version if answer.version == version else ""
            left -= len(answer.columns.file_id)
        told += await encoded(answer.columns, selection, view)
        return _page(told, answer.is_last, answer.next_page_token), version

    async def _view(self, call: Call, selection: Selection) -> View:
        view = view_of(call.identity, call.file)
        if not selection.with_path:
            return view
        answer = await self._metadata.get_file(files_pb2.GetFileRequest(file=ref(call.file), with_path=True))
        path = tuple(answer.file.path)
        # A regular file lists as itself.
        is_directory = answer.file.type == files_pb2.FILE_TYPE_DIRECTORY
        return replace(view, parent_path=path if is_directory else path[:-1])

    async def _list_spaces(
        self, call: Call, first: files_pb2.ListChildrenRequest, limit: int, selection: Selection
    ) -> Answer:
        spaces = listed_spaces(call.identity)
        start = _start_in([name for name, _ in spaces], first)
        page = spaces[start : start + limit]
        is_last = start + limit >= len(spaces)
        children = await in_parallel(self._space(space, selection) for space in page)
        token = _to_token(page[-1][0]) if page else first.page_token
        told = orjson.dumps([child for child in children if child is not None])[1:-1]
        return _page([told], is_last, token)

    async def _space(self, space: tuple[str, str], selection: Selection) -> dict[str, Any] | None:
        name, space_id = space
        root = space_root(space_id)
        if selection.names_only:
            record = VirtualDirectory(root.uuid, space_id, name, owner_id="", provider_id="")
            return selection.encode(record, View(name))
        try:
            request = files_pb2.GetFileRequest(file=ref(root), wanted=wanted(selection))
            answer = await self._metadata.get_file(request)
        except NoSuchFile:
            return None  # supported a moment ago, and not made here yet
        return selection.encode(answer.file, View(name))


def _first_page(call: Call) -> files_pb2.ListChildrenRequest:
    token, index, offset = call[TOKEN], call[INDEX], call[OFFSET]
    if token is not None:
        return files_pb2.ListChildrenRequest(page_token=token)
    if offset < 0 and index is None:
        raise InvalidName("a negative offset needs an index")
    return files_pb2.ListChildrenRequest(start_name=index or "", offset=offset, inclusive=call[INCLUSIVE])


def _start_in(names: Sequence[str], request: files_pb2.ListChildrenRequest) -> int:
    """Position in a list of names held in memory that the request's position means."""
    if request.page_token:
        after = _from_token(request.page_token)
        return sum(1 for name in names if name.encode() <= after)
    at = request.start_name.encode()
    start = sum(1 for name in names if name.encode() < at)
    if request.start_name and not request.inclusive and request.start_name in names:
        start += 1
    return max(0, start + request.offset)


def _to_token(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


def _from_token(token: str) -> bytes:
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise InvalidName("not a page token") from None


def _page(children: Iterable[bytes], is_last: bool, token: str) -> Answer:
    return list_answer("children", children, {"isLast": is_last, "nextPageToken": token})
