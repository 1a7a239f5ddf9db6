"""Forms with a file, as pages and `curl -F` send them (RFC 7578)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from runtime.http.errors import ApiError
from runtime.http.media import split_parameters
from runtime.http.multipart import PartHead
from services.storage_router.api.data_port.parts import PartReader

FORM = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class FormFile:
    """The one file of a form, about to be read. `name`: as the client calls it; empty where it does not."""

    name: str
    head: PartHead
    reader: PartReader

    @classmethod
    async def find(cls, reader: PartReader) -> FormFile:
        """Passes over fields before it. Raises ApiError `badData`, key `file`, where there is none."""
        async for head in reader.heads():
            name = _file_name(head)
            if name is not None:
                return cls(name, head, reader)
            await reader.skip()
        raise ApiError("badData", {"key": "file"})

    async def heads(self) -> AsyncIterator[PartHead]:
        """Its head, and once all is read nothing more. Raises ApiError `badData`, key `file`, for another."""
        yield self.head
        async for head in self.reader.heads():
            if _file_name(head) is not None:
                raise ApiError("badData", {"key": "file"})
            await self.reader.skip()


def _file_name(head: PartHead) -> str | None:
    """The name of a part that is a file, without the folders it was in; None for other fields."""
    kind, parameters = split_parameters(head.headers.get("content-disposition", ""))
    name = parameters.get("filename")
    if kind != "form-data" or name is None:
        return None
    # Pages escape quotes so, and nothing else but line ends.
    name = name.replace("%22", '"').rpartition("/")[2]
    return "" if name in (".", "..") else name
