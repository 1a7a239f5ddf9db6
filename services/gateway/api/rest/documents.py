"""`/data/{id}/metadata/json` and `…/rdf`: the documents of a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from isthmus.metadata.v1 import files_pb2, xattrs_pb2

from runtime.errors import NoSuchFile
from runtime.http.declared import Param, flag, mentioned
from runtime.http.errors import ApiError
from runtime.http.params import Params
from runtime.request import request_id
from services.gateway.api.http import JSON, Answer, empty
from services.gateway.api.namespace import ref
from services.gateway.api.ports import Metadata
from services.gateway.api.rest.operations import Call
from services.gateway.api.rest.xattrs import RESOLVE_SYMLINK, check
from services.gateway.domain import xattrs

RDF_TYPE = "application/rdf+xml"
_RDF_HEADERS = ((b"content-type", RDF_TYPE.encode()),)
_FILTER_TYPES = ("keypath",)


def _keypath(params: Params) -> str:
    """The filter, empty for none; without a type it is ignored."""
    if params.get("filter_type") is None:
        return ""
    params.choice("filter_type", "", _FILTER_TYPES)
    return params.required_string("filter")


INHERITED = flag("inherited", "Whether the documents of all directories above are merged into it.")
FILTER = Param(
    "filter",
    "A place in the document: keys and, as `[0]`, positions in lists, joined by dots.",
    {"type": "string", "minLength": 1, "examples": ["a.b.[1].c"]},
    _keypath,
    errors=("badValueString", "badValueEmpty", "badValueNotAllowed", "missingRequiredValue"),
)
FILTER_TYPE = mentioned(
    "filter_type",
    "How `filter` is to be read; without it there is no filter.",
    {"type": "string", "enum": list(_FILTER_TYPES)},
)


class DocumentRoutes:
    """Reading, writing and removing the JSON and the RDF document. A file that is gone is 404 here."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    async def get_json(self, call: Call) -> Answer:
        """`GET`: the document as it was stored, or what a filter finds in it."""
        request = xattrs_pb2.GetJsonRequest(file=_file(call), keypath=call[FILTER], inherited=call[INHERITED])
        with _gone_is_not_found(call):
            answer = await self._metadata.get_json(request)
        return Answer(200, answer.value_json, JSON)

    async def put_json(self, call: Call) -> Answer:
        """`PUT`: the whole document, or with a filter one place in it."""
        update = xattrs_pb2.JsonUpdate(value_json=call.text, keypath=call[FILTER])
        return await self._update(call, xattrs_pb2.UpdateXattrsRequest(file=_file(call), json=update))

    async def delete_json(self, call: Call) -> Answer:
        """`DELETE`: fine also where there is none."""
        return await self._update(
            call, xattrs_pb2.UpdateXattrsRequest(file=_file(call), remove=[xattrs.JSON])
        )

    async def get_rdf(self, call: Call) -> Answer:
        """`GET`: the document byte for byte."""
        file = _file(call)
        with _gone_is_not_found(call):
            answer = await self._metadata.get_rdf(xattrs_pb2.GetRdfRequest(file=file))
        return Answer(200, answer.rdf, _RDF_HEADERS)

    async def put_rdf(self, call: Call) -> Answer:
        """`PUT`: the document, never looked into."""
        return await self._update(call, xattrs_pb2.UpdateXattrsRequest(file=_file(call), rdf=call.value))

    async def delete_rdf(self, call: Call) -> Answer:
        """`DELETE`: fine also where there is none."""
        return await self._update(call, xattrs_pb2.UpdateXattrsRequest(file=_file(call), remove=[xattrs.RDF]))

    async def _update(self, call: Call, request: xattrs_pb2.UpdateXattrsRequest) -> Answer:
        request.request_id = request_id()
        with _gone_is_not_found(call):
            await self._metadata.update_xattrs(request)
        return empty()


def _file(call: Call) -> files_pb2.FileRef:
    check(call)
    return ref(call.file, follow=call[RESOLVE_SYMLINK])


@contextmanager
def _gone_is_not_found(call: Call) -> Iterator[None]:
    """But what a share does not show is `enoent` on all routes alike."""
    try:
        yield
    except NoSuchFile:
        if call.is_public:
            raise
        raise ApiError("notFound") from None
