"""Lists of files in answers, encoded page by page as they come from the metadata service."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from isthmus.metadata.v1 import files_pb2

from clients.file_columns import columns_of
from services.gateway.api.http import JSON, Answer
from services.gateway.domain.attributes import Selection
from services.gateway.domain.views import View

#: Files encoded without a pause, during which nobody else is served.
_AT_ONCE = 1000


async def encoded(
    told: files_pb2.FileColumns, selection: Selection, view: View, *, paths: Sequence[str] = ()
) -> list[bytes]:
    """Objects of an answer, joined by commas in each piece.

    `paths`: of each file, for a view that tells relative ones.
    Others have the loop for a moment before each piece is made.
    """
    await asyncio.sleep(0)
    columns = columns_of(told, selection.needs)
    if view.is_relative:
        columns["path"] = paths
    pieces: list[bytes] = []
    for first in range(0, len(told.file_id), _AT_ONCE):
        if first:
            await asyncio.sleep(0)
        some = {field: column[first : first + _AT_ONCE] for field, column in columns.items()}
        pieces.append(orjson.dumps(selection.encode_all(some, view))[1:-1])
    return pieces


def list_answer(key: str, pieces: Iterable[bytes], rest: Mapping[str, Any]) -> Answer:
    """An object that begins with a list, whose items are encoded: some or none in each piece."""
    parts = [b'{"%b":[' % key.encode()]
    for piece in filter(None, pieces):
        parts += (piece, b",")
    if len(parts) > 1:
        parts.pop()
    parts += (b"],", orjson.dumps(rest)[1:])
    # All at once: it may be several MB, which are dear to copy.
    return Answer(200, b"".join(parts), JSON)
