"""`POST /changes/metadata/{sid}`: what changes in a space, a line each, for as long as the client listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from isthmus.metadata.v1 import changes_pb2

from runtime.auth import as_caller
from runtime.clock import Clock
from runtime.errors import DeadlineExceeded, IsthmusError, Unavailable
from runtime.http.declared import Param
from runtime.http.errors import ApiError
from runtime.http.file_ids import check_member, space_root
from runtime.http.params import Params, parse_value
from runtime.identity import Identity, SpacePrivilege
from services.gateway.api.gate import Gate
from services.gateway.api.http import JSON, Answer
from services.gateway.api.namespace import space_name
from services.gateway.api.ports import Changes, Heads
from services.gateway.api.rest.operations import PlainCall
from services.gateway.domain import changes
from services.gateway.domain.changes import (
    Changed,
    FileState,
    LocationState,
    MetadataState,
    Specification,
)
from services.gateway.domain.confined import refuse_confined

log = structlog.get_logger(__name__)

#: Entries of the log looked through at a time; at most so many lines wait for a slow reader.
_PAGE_SIZE = 100
#: How long a verdict on the reader's token holds; then he is asked for anew.
_TRUST_S = 30.0
#: How long the log may be away before the stream ends.
_PATIENCE_S = 30.0
_PAUSE_S = 1.0

_DOCUMENTS = {
    changes.FILE_META: changes_pb2.CHANGED_DOCUMENT_KIND_FILE_META,
    changes.FILE_LOCATION: changes_pb2.CHANGED_DOCUMENT_KIND_FILE_LOCATION,
    changes.TIMES: changes_pb2.CHANGED_DOCUMENT_KIND_TIMES,
    changes.CUSTOM_METADATA: changes_pb2.CHANGED_DOCUMENT_KIND_CUSTOM_METADATA,
}
_NAMES = {number: name for name, number in _DOCUMENTS.items()}


def _read_timeout(params: Params) -> int | None:
    if params.get("timeout") in (None, "infinity"):
        return None
    return params.integer("timeout", low=0)


def _read_last_seq(params: Params) -> int | None:
    if params.get("last_seq") in (None, "now"):
        return None
    return params.integer("last_seq", low=0)


TIMEOUT = Param(
    "timeout",
    "Milliseconds without a change after which the stream ends, or `infinity`.",
    {"anyOf": [{"type": "integer", "minimum": 0}, {"const": "infinity"}], "default": "infinity"},
    _read_timeout,
    errors=("badValueInteger", "badValueTooLow"),
)
LAST_SEQ = Param(
    "last_seq",
    "Begin after the change with this `seq`; 0 for all there is, `now` for what comes.",
    {"anyOf": [{"type": "integer", "minimum": 0}, {"const": "now"}], "default": "now"},
    _read_last_seq,
    errors=("badValueInteger", "badValueTooLow"),
)


def check_reader(identity: Identity, path: Mapping[str, str], provider_id: str) -> None:
    """Refuses who may not follow this space. Comes before the parameters."""
    space_id = path["sid"]
    refuse_confined(identity)
    rights = identity.rights_in(space_id)
    if rights is None or not rights.has(SpacePrivilege.VIEW_CHANGES_STREAM):
        raise ApiError("forbidden")
    check_member(identity, space_root(space_id), provider_id=provider_id)


@dataclass(slots=True)
class _Reader:
    """One stream: who listens, since when that is known, and where he is in the log."""

    call: PlainCall
    specification: Specification
    position: int
    timeout_s: float | None
    identity: Identity
    blob: bytes
    trusted_until_s: float

    @property
    def space_id(self) -> str:
        return self.call.path["sid"]


class ChangeRoutes:
    """Streams of changes, at most `max_streams` at a time. A part: on stop all of them end."""

    def __init__(
        self, log_: Changes, heads: Heads, gate: Gate, clock: Clock, *, max_streams: int = 256
    ) -> None:
        self._log = log_
        self._heads = heads
        self._gate = gate
        self._clock = clock
        self._max_streams = max_streams
        self._open = 0
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        """Nothing to open."""

    async def stop(self) -> None:
        """Ends all streams, in good order."""
        self._stopping.set()

    async def follow(self, call: PlainCall) -> Answer:
        """`POST /changes/metadata/{sid}`."""
        specification = changes.parse(_specification(call.value))
        timeout_ms, after = call[TIMEOUT], call[LAST_SEQ]
        if self._open >= self._max_streams:
            raise ApiError("temporaryFailure")
        position = await self._heads.head(call.path["sid"]) if after is None else after
        identity, blob = await self._gate.authenticate_user(call.request)
        reader = _Reader(
            call,
            specification,
            position,
            None if timeout_ms is None else timeout_ms / 1000,
            identity,
            blob,
            self._clock.monotonic_s() + _TRUST_S,
        )
        call.request.is_endless = True
        return Answer(200, headers=JSON, stream=self._lines(reader))

    async def _lines(self, reader: _Reader) -> AsyncIterator[bytes]:
        self._open += 1
        ends = [
            asyncio.create_task(reader.call.request.gone()),
            asyncio.create_task(self._stopping.wait()),
        ]
        try:
            while True:
                page = await self._read(reader)
                if page is None:
                    return
                for change in page.changes:
                    line = self._line(reader, change)
                    if line is not None:
                        yield line
                reader.position = page.position
                if any(end.done() for end in ends):
                    return
                if not page.more and not await self._wait(reader, ends):
                    return
        finally:
            self._open -= 1
            for end in ends:
                end.cancel()

    async def _wait(self, reader: _Reader, ends: list[asyncio.Task[Any]]) -> bool:
        """Whether there is more to read; else the stream is to end."""
        left_s = reader.timeout_s
        while True:
            growth = asyncio.create_task(self._heads.wait_past(reader.space_id, reader.position))
            slice_s = _TRUST_S if left_s is None else min(_TRUST_S, left_s)
            try:
                done, _ = await asyncio.wait(
                    {growth, *ends}, timeout=slice_s, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                growth.cancel()
            if growth in done:
                return True
            if done or not await self._is_trusted(reader):
                return False
            if left_s is not None:
                left_s -= slice_s
                if left_s <= 0:
                    return False

    async def _read(self, reader: _Reader) -> changes_pb2.ListChangedDocumentsResponse | None:
        """A page of the log; None when the stream is to end."""
        give_up_s = self._clock.monotonic_s() + _PATIENCE_S
        while await self._is_trusted(reader):
            try:
                with as_caller(reader.identity, reader.blob):
                    return await self._log.list_changed_documents(_request(reader))
            except (Unavailable, DeadlineExceeded):
                if self._clock.monotonic_s() >= give_up_s or self._stopping.is_set():
                    return None
                await asyncio.sleep(_PAUSE_S)
            except IsthmusError as error:
                log.info("changes_stream_ended", space_id=reader.space_id, reason=error.reason)
                return None
        return None

    async def _is_trusted(self, reader: _Reader) -> bool:
        """Whether the reader may still listen, asked anew now and then: tokens end, privileges go."""
        if self._clock.monotonic_s() < reader.trusted_until_s:
            return True
        try:
            reader.identity, reader.blob = await self._gate.authenticate_user(reader.call.request)
            check_reader(reader.identity, reader.call.path, reader.call.provider_id)
        except (Unavailable, DeadlineExceeded):
            return True  # the log says by itself when it is away
        except (ApiError, IsthmusError):
            return False
        reader.trusted_until_s = self._clock.monotonic_s() + _TRUST_S
        return True

    def _line(self, reader: _Reader, change: changes_pb2.ChangedDocument) -> bytes | None:
        told = _changed(change, reader.call.provider_id)
        return changes.line(reader.specification, told, space_name(reader.identity, reader.space_id))


def _specification(body: bytes) -> Any:
    return parse_value(body, "changesSpecification") if body.strip() else {}


def _request(reader: _Reader) -> changes_pb2.ListChangedDocumentsRequest:
    specification = reader.specification
    xattrs = specification.xattrs
    return changes_pb2.ListChangedDocumentsRequest(
        space_id=reader.space_id,
        after=reader.position,
        page_size=_PAGE_SIZE,
        documents=[
            _DOCUMENTS[name] for name in sorted(specification.triggers) if specification.tells_of(name)
        ],
        with_location=changes.FILE_LOCATION in specification.sections,
        with_custom_metadata=specification.with_custom_metadata,
        xattrs=sorted(xattrs or ()),
        all_xattrs=xattrs is None,
    )


def _changed(change: changes_pb2.ChangedDocument, provider_id: str) -> Changed:
    file = change.file
    location = None
    if change.HasField("location"):
        location = LocationState(
            provider_id=change.location.provider_id,
            storage_id=change.location.storage_id,
            size_bytes=change.location.size_bytes,
            storage_file_created=bool(change.location.storage_file_id),
            revision=change.location.revision,
            deleted=change.location_retired,
        )
    return Changed(
        number=change.number,
        document=_NAMES[change.kind],
        mutator=provider_id,
        file=FileState(
            space_id=file.space_id,
            file_id=file.file_id,
            name=change.name,
            type=file.type,
            mode=file.mode,
            owner_id=file.owner_id,
            provider_id=file.provider_id,
            share_ids=tuple(file.share_ids),
            deleted=change.deleted,
            atime_s=file.atime_ms // 1000,
            mtime_s=file.mtime_ms // 1000,
            ctime_s=file.ctime_ms // 1000,
            path=tuple(file.path) if change.reachable else None,
            meta_revision=change.meta_revision,
            times_revision=change.times_revision,
        ),
        location=location,
        metadata=MetadataState(dict(change.xattrs), change.custom_metadata_revision),
    )
