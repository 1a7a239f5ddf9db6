"""The content routes of the REST API: `/api/v3/oneprovider/data/{id}/content`, `/path/...`, `/children`."""

from __future__ import annotations

from runtime.errors import IsADirectory
from runtime.http import file_ids
from runtime.http.content_params import CHILD_NAME, CREATE_PARENTS, FOLLOW_SYMLINKS, UPLOAD_OFFSET
from runtime.http.errors import ApiError, posix
from runtime.http.file_ids import FileId
from runtime.http.media import accepts
from runtime.http.params import Params
from runtime.http.paths import decode_id, resolve_space, split_path
from runtime.http.tokens import require_user
from runtime.request import request_id
from services.storage_router.api.data_port import archives, replies
from services.storage_router.api.data_port.content import Service
from services.storage_router.api.data_port.exchange import Exchange
from services.storage_router.api.data_port.replies import Headers
from services.storage_router.api.data_port.rest_create import Creation
from services.storage_router.domain.catalog import Catalog
from services.storage_router.domain.contents import FileKind, FileRef, Mode, Wish

PREFIX = b"/api/v3/oneprovider/data/"

_OCTETS = "application/octet-stream"
_CORS: Headers = [(b"access-control-allow-origin", b"*")]
_ALLOWED = {b"content": b"GET, HEAD, PUT", b"path": b"GET, HEAD, PUT, DELETE", b"children": b"GET, POST"}


class RestFront:
    """Answers the REST routes that carry content, in the order of checks the API promises."""

    def __init__(self, service: Service, catalog: Catalog, creation: Creation) -> None:
        self._service = service
        self._catalog = catalog
        self._creation = creation

    async def handle(self, exchange: Exchange) -> None:
        """The answer. ApiError, IsthmusError, RangeNotSatisfiable."""
        id_segment, _, rest = exchange.head.path[len(PREFIX) :].partition(b"/")
        action, _, below = rest.partition(b"/")
        exchange.always = _CORS
        method = exchange.head.method
        if not id_segment or action not in _ALLOWED or (below and action != b"path"):
            await exchange.turn_away(404)
        elif action == b"children" and method == "POST":
            await self._create_child(exchange, id_segment)
        elif action != b"children" and method in ("GET", "HEAD"):
            await self._get(exchange, id_segment, below, by_path=action == b"path")
        elif action == b"content" and method == "PUT":
            await self._put(exchange, id_segment)
        elif action == b"path" and method == "PUT":
            await self._create_at_path(exchange, id_segment, below)
        else:
            await exchange.turn_away(405, [(b"allow", _ALLOWED[action])])

    # -- reading ---------------------------------------------------------------------------------------

    async def _get(self, exchange: Exchange, id_segment: bytes, below: bytes, *, by_path: bool) -> None:
        await _identify(exchange, id_segment)
        if not accepts(exchange.accept, [_OCTETS]):
            await exchange.turn_away(406)
            return
        params = Params.parse(exchange.head.query)
        file_id = self._resolve(exchange, id_segment)
        names = split_path(below)
        if file_id.share_id is not None and by_path:
            raise ApiError("notSupported")
        follow = FOLLOW_SYMLINKS.read(params)
        ref = self._ref(exchange, file_id, names, follow=follow)
        try:
            content = await self._service.open(exchange, ref)
        except IsADirectory:
            await self._offer(exchange, ref)
            return
        try:
            file = content.located.file
            headers: Headers = [(b"content-disposition", replies.attachment(file.name))]
            if file.kind is FileKind.SYMLINK:
                target = file.symlink_target.encode("utf-8", "surrogateescape")
                exchange.reply(200, [(b"content-type", _OCTETS.encode()), *headers], target)
            else:
                await self._service.downloads.send(exchange, content, _OCTETS.encode(), headers)
        finally:
            content.close()

    async def _offer(self, exchange: Exchange, directory: FileRef) -> None:
        """Sends the client to where it gets the directory as an archive, without a token, once."""
        code = await self._service.directories.offer(directory)
        where = f"https://{self._service.domain}{archives.PREFIX.decode()}{code}"
        exchange.reply(302, [(b"location", where.encode()), (b"cache-control", b"no-store")])

    def _resolve(self, exchange: Exchange, id_segment: bytes) -> FileId:
        return file_ids.resolve_id(
            decode_id(id_segment),
            exchange.identity,
            provider_id=self._service.provider_id,
            supported_spaces=self._catalog.supports,
        )

    def _ref(self, exchange: Exchange, file_id: FileId, names: list[str], *, follow: bool) -> FileRef:
        """The file, once it is sure that the caller may ask for it at all."""
        if file_id.share_id is not None:
            return FileRef(
                file_id.space_id, file_id.uuid, follow_last_symlink=follow, share_id=file_id.share_id
            )
        provider_id = self._service.provider_id
        file_ids.check_member(exchange.identity, file_id, provider_id=provider_id)
        if not file_id.is_user_root:
            return FileRef(file_id.space_id, file_id.uuid, tuple(names), follow_last_symlink=follow)
        if not names:
            raise posix("eisdir")
        space_id = resolve_space(exchange.identity, names[0], provider_id=provider_id)
        return FileRef(space_id, path=tuple(names[1:]), follow_last_symlink=follow)

    # -- writing ---------------------------------------------------------------------------------------

    async def _put(self, exchange: Exchange, id_segment: bytes) -> None:
        if not await self._admit_write(exchange, id_segment, _OCTETS, "application/json"):
            return
        params = Params.parse(exchange.head.query)
        file_id = self._writable(exchange, id_segment)
        offset = UPLOAD_OFFSET.read(params)
        ref = self._ref(exchange, file_id, [], follow=True)
        wish = Wish(
            request_id=request_id(),
            file=ref,
            mode=Mode.REPLACE if offset is None else Mode.PATCH,
            offset=offset or 0,
        )
        await self._service.uploading.receive(exchange, wish)
        exchange.reply(204)

    async def _create_child(self, exchange: Exchange, id_segment: bytes) -> None:
        if not await self._admit_write(exchange, id_segment, "application/json"):
            return
        params = Params.parse(exchange.head.query)
        file_id = self._writable(exchange, id_segment)
        name = CHILD_NAME.read(params)
        wanted = self._creation.read(params, create_parents=False)
        if file_id.is_user_root:
            # It lists spaces, which only the zone makes.
            raise posix("eperm")
        parent = self._ref(exchange, file_id, [], follow=True)
        await self._creation.create(exchange, parent, name, wanted)

    async def _create_at_path(self, exchange: Exchange, id_segment: bytes, below: bytes) -> None:
        if not await self._admit_write(exchange, id_segment, "application/json"):
            return
        params = Params.parse(exchange.head.query)
        file_id = self._writable(exchange, id_segment)
        names = split_path(below)
        if not names:
            raise ApiError("missingRequiredValue", {"key": "path"})
        wanted = self._creation.read(params, create_parents=CREATE_PARENTS.read(params))
        parent = self._ref(exchange, file_id, names[:-1], follow=True)
        await self._creation.create(exchange, parent, names[-1], wanted)

    async def _admit_write(self, exchange: Exchange, id_segment: bytes, *produced: str) -> bool:
        """Who it is, whether the answer and the body have fitting types; false when it was refused here."""
        await _identify(exchange, id_segment)
        if not accepts(exchange.accept, produced):
            await exchange.turn_away(406)
            return False
        kind = exchange.header(b"content-type")
        if exchange.head.has_body and kind is not None:
            plain = kind.partition(b";")[0].strip().lower()
            exchange.body.peek(1)
            if plain != _OCTETS.encode() and not exchange.body.done:
                await exchange.turn_away(415)
                return False
        return True

    def _writable(self, exchange: Exchange, id_segment: bytes) -> FileId:
        file_id = self._resolve(exchange, id_segment)
        if file_id.share_id is not None:
            raise ApiError("notSupported")
        return file_id


async def _identify(exchange: Exchange, id_segment: bytes) -> None:
    """Finds the caller. What is shared everybody sees as a guest; all else is not for guests."""
    shared = file_ids.decode(id_segment.decode("latin-1"))
    if shared is not None and shared.share_id is not None:
        await exchange.identify_as_guest()
        return
    await exchange.identify()
    require_user(exchange.identity)
