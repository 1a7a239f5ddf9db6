"""`GET /data/{id}/files`: everything below a directory, in pages."""

from __future__ import annotations

from dataclasses import replace

from isthmus.metadata.v1 import subtrees_pb2

from runtime.errors import AccessDenied
from runtime.http.declared import flag, integer, path_text, text
from services.gateway.api.http import Answer, json_answer
from services.gateway.api.namespace import ref, view_of, wanted
from services.gateway.api.ports import Metadata
from services.gateway.api.rest.operations import Call
from services.gateway.api.rest.selection import selects
from services.gateway.domain import attributes

ATTRIBUTES = selects(attributes.SUBTREE_DEFAULT, also=("path",))
LIMIT = integer(
    "limit", "Most files and inaccessible paths of the page together.", default=1000, low=1, high=10_000
)
TOKEN = text("token", "`nextPageToken` of the last page; the other positions and filters are known by it.")
START_AFTER = path_text("start_after", "Only what comes after this relative path, which need not exist.")
PREFIX = path_text("prefix", "Only relative paths that begin with this text.")
INCLUDE_DIRECTORIES = flag("include_directories", "Tell of directories, too, each before its content.")
#: Entries of one call to the metadata service; longer pages are put together from several.
_PAGE_SIZE = 1000


class SubtreeRoutes:
    """Recursive listing."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    async def list_files(self, call: Call) -> Answer:
        """`GET /data/{id}/files`. `limit` counts files and inaccessible paths together."""
        selection = call[ATTRIBUTES]
        call.check_member()
        if call.file.is_user_root:
            raise AccessDenied("this directory only lists spaces")
        request = subtrees_pb2.ListSubtreeRequest(
            directory=ref(call.file),
            page_token=call[TOKEN] or "",
            start_after=call[START_AFTER],
            prefix=call[PREFIX],
            include_directories=call[INCLUDE_DIRECTORIES],
        )
        more = wanted(selection)
        if more is not None:
            request.wanted.CopyFrom(more)
        page = await self._gather(request, call[LIMIT])
        view = view_of(call.identity, call.file)
        told = {
            "files": [
                selection.encode(entry.file, replace(view, relative_path=entry.path))
                for entry in page.entries
            ],
            "inaccessiblePaths": list(page.inaccessible_paths),
            "nextPageToken": page.next_page_token or None,
        }
        return json_answer(told)

    async def _gather(
        self, request: subtrees_pb2.ListSubtreeRequest, limit: int
    ) -> subtrees_pb2.ListSubtreeResponse:
        """One page, from as many calls as bring a full one each."""
        request.page_size = min(limit, _PAGE_SIZE)
        gathered = await self._metadata.list_subtree(request)
        size = last = _size(gathered)
        while gathered.next_page_token and size < limit and last >= _PAGE_SIZE:
            following = subtrees_pb2.ListSubtreeRequest(
                directory=request.directory,
                page_size=min(limit - size, _PAGE_SIZE),
                page_token=gathered.next_page_token,
                wanted=request.wanted if request.HasField("wanted") else None,
            )
            page = await self._metadata.list_subtree(following)
            gathered.next_page_token = ""
            gathered.MergeFrom(page)
            last = _size(page)
            size += last
        return gathered


def _size(page: subtrees_pb2.ListSubtreeResponse) -> int:
    return len(page.entries) + len(page.inaccessible_paths)
