"""Creating by REST: files, directories and links share one set of parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, cast

import orjson

from runtime.http import file_ids
from runtime.http.content_params import (
    MODE,
    OFFSET,
    TARGET_FILE_ID,
    TARGET_FILE_PATH,
    TYPE,
    UPDATE_EXISTING,
)
from runtime.http.errors import ApiError, posix
from runtime.http.params import Params
from runtime.request import request_id
from services.storage_router.api.data_port.content import Service
from services.storage_router.api.data_port.exchange import Exchange
from services.storage_router.domain.contents import FileRef, Mode, Wish
from services.storage_router.domain.names import Names, NewName

_FILE_MODE = 0o664
_DEFAULT_MODES = {"REG": _FILE_MODE, "DIR": 0o775}


@dataclass(frozen=True, slots=True)
class Wanted:
    """The parameters of a creation."""

    kind: str
    mode: int | None
    offset: int
    target_id: str
    target_path: str
    create_parents: bool
    update_existing: bool


class Creation:
    """Makes what `POST children` and `PUT path` ask for."""

    def __init__(self, service: Service, names: Names) -> None:
        self._service = service
        self._names = names

    def read(self, params: Params, *, create_parents: bool) -> Wanted:
        """The parameters, checked. ApiError."""
        kind = TYPE.read(params)
        wanted = Wanted(
            kind=kind,
            mode=MODE.read(params),
            offset=OFFSET.read(params),
            target_id="",
            target_path="",
            create_parents=create_parents,
            update_existing=UPDATE_EXISTING.read(params),
        )
        if kind == "LNK":
            return replace(wanted, target_id=params.required_string(TARGET_FILE_ID.name))
        if kind == "SYMLNK":
            return replace(wanted, target_path=params.required_string(TARGET_FILE_PATH.name))
        return wanted

    async def create(self, exchange: Exchange, parent: FileRef, name: str, wanted: Wanted) -> None:
        """Makes it and answers 201. Errors of uploads and of names."""
        if wanted.kind == "REG":
            uuid = await self._create_file(exchange, parent, name, wanted)
        else:
            uuid = await self._names.make(self._new_name(parent, name, wanted))
        file_id = file_ids.encode(parent.space_id, uuid)
        location = f"https://{self._service.domain}/api/v3/oneprovider/data/{file_id}"
        exchange.reply(
            201,
            [(b"location", location.encode()), (b"content-type", b"application/json")],
            orjson.dumps({"fileId": file_id}),
        )

    async def _create_file(self, exchange: Exchange, parent: FileRef, name: str, wanted: Wanted) -> str:
        # An existing file keeps the bytes the body does not cover, so only new content can replace.
        whole = not wanted.update_existing and not wanted.offset
        if whole and exchange.body.done:
            # Nothing to write: no storage is asked, and one call makes it.
            return await self._names.make(self._new_name(parent, name, wanted))
        wish = Wish(
            request_id=request_id(),
            file=replace(parent, path=(*parent.path, name), follow_last_symlink=False),
            mode=Mode.REPLACE if whole else Mode.PATCH,
            create=True,
            exclusive=not wanted.update_existing,
            create_parents=wanted.create_parents,
            permissions=_FILE_MODE if wanted.mode is None else wanted.mode,
            set_existing_mode=wanted.update_existing,
            offset=wanted.offset,
        )
        return (await self._service.uploading.receive(exchange, wish)).file_id

    def _new_name(self, parent: FileRef, name: str, wanted: Wanted) -> NewName:
        mode = _DEFAULT_MODES.get(wanted.kind) if wanted.mode is None else wanted.mode
        return NewName(
            request_id=request_id(),
            parent=parent,
            name=name,
            kind=cast(Literal["REG", "DIR", "SYMLNK", "LNK"], wanted.kind),
            mode=mode,
            symlink_target=wanted.target_path,
            hard_link_target_id=self._link_target(parent, wanted),
            create_parents=wanted.create_parents,
            update_existing=wanted.update_existing,
        )

    def _link_target(self, parent: FileRef, wanted: Wanted) -> str:
        if wanted.kind != "LNK":
            return ""
        target = file_ids.decode(wanted.target_id)
        if target is None or target.share_id is not None:
            raise ApiError("badValueIdentifier", {"key": "target_file_id"})
        if target.space_id != parent.space_id:
            raise posix("exdev")
        return target.uuid
