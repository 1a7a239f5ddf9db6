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


async def encoded(
    told: files_pb2.FileColumns, selection: Selection, view: View, *, paths: Sequence[str] = ()
) -> bytes:
    """Objects of an answer, joined by commas. `paths`: of each file, for a view that tells relative ones.

    Others have the loop for a moment before they are made.
    """
    await asyncio.sleep(0)
    columns = columns_of(told, selection.needs)
    if view.is_relative:
        columns["path"] = paths
    return orjson.dumps(selection.encode_all(columns, view))[1:-1]


def list_answer(key: str, pieces: Iterable[bytes], rest: Mapping[str, Any]) -> Answer:
    """An object that begins with a list, whose items are encoded: some or none in each piece."""
    items = b",".join(filter(None, pieces))
    return Answer(200, b'{"%b":[%b],%b' % (key.encode(), items, orjson.dumps(rest)[1:]), JSON)
