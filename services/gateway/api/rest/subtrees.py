"""`GET /data/{id}/files`: everything below a directory, in pages."""

from __future__ import annotations

from dataclasses import replace

from isthmus.metadata.v1 import subtrees_pb2

from clients.file_columns import mask_of
from runtime.errors import AccessDenied
from runtime.http.declared import flag, integer, path_text, text
from services.gateway.api.http import Answer
from services.gateway.api.namespace import ref, view_of, wanted
from services.gateway.api.ports import Metadata
from services.gateway.api.rest.entries import encoded, list_answer
from services.gateway.api.rest.operations import Call
from services.gateway.api.rest.selection import selects
from services.gateway.domain import attributes
from services.gateway.domain.attributes import Selection
from services.gateway.domain.views import View

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
#: Calls for one page, each of which reads a thousand directories at most: as many as fit into the time that
#: clients wait for a first byte.
MAX_CALLS = 20
#: Calls that bring much are not followed by another one beyond this.
MAX_GATHERED_BYTES = 8 << 20


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
        request.read_mask.CopyFrom(mask_of(selection.needs))
        more = wanted(selection)
        if more is not None:
            request.wanted.CopyFrom(more)
        view = replace(view_of(call.identity, call.file), is_relative=True)
        return await self._gather(request, call[LIMIT], selection, view)

    async def _gather(
        self, request: subtrees_pb2.ListSubtreeRequest, limit: int, selection: Selection, view: View
    ) -> Answer:
        """One page, from as many calls as it takes to fill it, within bounds: a tree of nothing but empty
        directories has pages without a file, however many are looked through."""
        files: list[bytes] = []
        inaccessible: list[str] = []
        for _ in range(MAX_CALLS):
            request.page_size = min(limit, _PAGE_SIZE)
            page = await self._metadata.list_subtree(request)
            files += await encoded(page.columns, selection, view, paths=page.paths)
            inaccessible += page.inaccessible_paths
            limit -= len(page.paths) + len(page.inaccessible_paths)
            request.page_token = page.next_page_token
            if not page.next_page_token or limit <= 0 or sum(map(len, files)) >= MAX_GATHERED_BYTES:
                break
        rest = {"inaccessiblePaths": inaccessible, "nextPageToken": request.page_token or None}
        return list_answer("files", files, rest)
