"""CDMI data objects over plain HTTP: the bytes of a file under its path or its object id.

Everything with a CDMI media type, and everything about containers, is the gateway's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from runtime.errors import IsADirectory, IsthmusError, NoSuchFile, NotADirectory
from runtime.http import cdmi
from runtime.http.cdmi import (
    BY_ID,
    COPY_OF,
    MODE,
    MULTIPART,
    OBJECT,
    PARTS,
    PROGRESS,
    QUEUE,
    RANGES,
    VERSION_HEADER,
)
from runtime.http.errors import ApiError, posix
from runtime.http.file_ids import FileId
from runtime.http.media import choose, split_parameters
from runtime.http.multipart import boundary_of
from runtime.http.paths import quote_segment, resolve_space, split_path
from runtime.http.ranges import parse_content_range
from runtime.http.tokens import require_user
from runtime.request import request_id
from services.storage_router.api.data_port import copies, replies
from services.storage_router.api.data_port.content import Service
from services.storage_router.api.data_port.exchange import Exchange
from services.storage_router.api.data_port.forms import FORM, FormFile
from services.storage_router.api.data_port.parts import PartReader
from services.storage_router.api.data_port.placing import Span
from services.storage_router.api.data_port.replies import Headers
from services.storage_router.domain.contents import Committed, File, FileKind, FileRef, Mode, Wish
from services.storage_router.domain.reading import OpenContent

PREFIX = b"/cdmi/"

_CORS = (b"access-control-allow-origin", b"*")


# Neither is frozen: one of each is made for every request, and making a frozen one takes four times as long.
@dataclass(slots=True)
class _Asked:
    """What of a request is clear before the file is looked for.

    `names` are relative to `file_id` where that is set. `accepted`: the type the client likes best, None when
    it takes no more than the very type the bytes have. `speaks_cdmi`: it came with a version.
    """

    names: list[str]
    file_id: FileId | None
    accepted: str | None
    speaks_cdmi: bool


@dataclass(slots=True)
class _Target:
    """What a URI addresses. `by_id`: relative to an object id, so its path is not known yet."""

    ref: FileRef
    by_id: bool


class CdmiFront:
    """Answers plain requests for data objects in the order of checks CDMI clients can see."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def handle(self, exchange: Exchange) -> None:
        """The answer. ApiError, IsthmusError, RangeNotSatisfiable."""
        exchange.always = [_CORS, *cdmi.answer_headers(exchange.head.headers)]
        names = split_path(exchange.head.path[len(PREFIX) :], fold=False)
        if len(names) == 2 and names[0] == BY_ID and cdmi.capability_of(names[1]):
            await self._refuse_capability(exchange)
            return
        file_id = cdmi.object_id(names[1], "file_id") if names[:1] == [BY_ID] and len(names) > 1 else None
        if file_id is not None:
            await self._identify(exchange)
        # An object without a path, as `cdmi_objectid/` alone would make one, is none of ours.
        to_container = exchange.head.path.endswith(b"/") and names != [BY_ID]
        posts = exchange.head.method == "POST" and to_container
        if exchange.head.method not in ("GET", "HEAD", "PUT") and not posts:
            await exchange.turn_away(405, [(b"allow", cdmi.allowed(posts=False).encode())])
            return
        speaks_cdmi = cdmi.speaks_cdmi(_text(exchange, VERSION_HEADER))
        cdmi.parse_query(exchange.head.query)
        if file_id is None:
            await self._identify(exchange)
        offered = cdmi.offered_types(container=False, cdmi=speaks_cdmi)
        accepted = choose(exchange.accept, offered)
        if accepted is None and speaks_cdmi:
            await exchange.turn_away(406)
            return
        asked = _Asked(names if file_id is None else names[2:], file_id, accepted, speaks_cdmi)
        if posts:
            await self._post(exchange, asked)
        elif exchange.head.method == "PUT":
            await self._put(exchange, asked)
        else:
            await self._get(exchange, asked)

    async def _refuse_capability(self, exchange: Exchange) -> None:
        """What comes here of them is plain HTTP, or has an `Accept` that does not fit."""
        if exchange.head.method not in ("GET", "HEAD"):
            await exchange.turn_away(405, [(b"allow", b"GET")])
            return
        speaks_cdmi = cdmi.speaks_cdmi(_text(exchange, VERSION_HEADER))
        cdmi.parse_query(exchange.head.query)
        if not speaks_cdmi:
            raise cdmi.bad_version()
        await exchange.turn_away(406)

    async def _identify(self, exchange: Exchange) -> None:
        await exchange.identify()
        require_user(exchange.identity)

    def _target(self, exchange: Exchange, asked: _Asked) -> _Target | None:
        """None for a path in a space that is not there, as far as the caller can see."""
        provider_id = self._service.provider_id
        file_id, names = asked.file_id, asked.names
        if file_id is not None:
            cdmi.check_known(file_id, exchange.identity, provider_id=provider_id)
        if file_id is not None and not file_id.is_user_root:
            return _Target(FileRef(file_id.space_id, file_id.uuid, tuple(names)), by_id=True)
        try:
            space_id = resolve_space(exchange.identity, names[0], provider_id=provider_id) if names else ""
        except ApiError as error:
            if error.id == "posix":
                return None
            raise
        return _Target(FileRef(space_id, path=tuple(names[1:])), by_id=False) if space_id else None

    # -- reading ---------------------------------------------------------------------------------------

    async def _get(self, exchange: Exchange, asked: _Asked) -> None:
        if asked.speaks_cdmi and asked.accepted in (OBJECT, MULTIPART):
            # The front door brings such requests here only when no CDMI form is wanted.
            await exchange.turn_away(406)
            return
        target = None if ".." in asked.names else self._target(exchange, asked)
        if target is not None:
            await self._get_target(exchange, target, asked.accepted)
        elif asked.names:
            await exchange.turn_away(404)
        else:
            await self._redirect_to(exchange, "/cdmi/")

    async def _get_target(self, exchange: Exchange, target: _Target, accepted: str | None) -> None:
        try:
            content = await self._service.open(exchange, target.ref)
        except IsADirectory:
            await self._redirect(exchange, target)
            return
        except (NoSuchFile, NotADirectory):
            if target.by_id and not target.ref.path:
                raise
            await exchange.turn_away(404)
            return
        try:
            await self._send(exchange, target, content, accepted)
        finally:
            content.close()

    async def _send(
        self, exchange: Exchange, target: _Target, content: OpenContent, accepted: str | None
    ) -> None:
        file = content.located.file
        if file.kind is FileKind.DIRECTORY:
            await self._redirect(exchange, target)
        elif file.kind is FileKind.SYMLINK and cdmi.is_reference(file.symlink_target):
            await _refer(exchange, file)
        elif file.kind is FileKind.SYMLINK:
            await exchange.turn_away(404)
        elif accepted is None and not _suits(exchange, file.mimetype):
            await exchange.turn_away(406)
        elif accepted in (OBJECT, QUEUE):
            raise ApiError("missingRequiredValue", {"key": "version"})
        else:
            headers: Headers = [(b"content-disposition", replies.attachment(file.name))]
            media_type = replies.media_type(file.mimetype)
            await self._service.downloads.send(exchange, content, media_type, headers)

    async def _redirect(self, exchange: Exchange, target: _Target) -> None:
        """To the same object with a slash, since it is a container."""
        path = exchange.head.path
        if target.by_id:
            file = await self._service.contents.get_file(target.ref, with_path=True)
            rights = exchange.identity.rights_in(target.ref.space_id)
            names = [rights.name if rights else target.ref.space_id, *file.path]
            path = PREFIX + "/".join(quote_segment(name) for name in names).encode()
        await self._redirect_to(exchange, f"{path.decode('latin-1')}/")

    async def _redirect_to(self, exchange: Exchange, path: str) -> None:
        headers = cdmi.redirect(self._location(exchange, path), exchange.head.query)
        told = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        await exchange.turn_away(302, told)

    def _location(self, exchange: Exchange, path: str) -> str:
        return cdmi.absolute(
            _text(exchange, b"x-forwarded-proto") if exchange.connection.is_trusted else None,
            _text(exchange, b"host"),
            path,
            domain=self._service.domain,
        )

    # -- writing ---------------------------------------------------------------------------------------

    async def _post(self, exchange: Exchange, asked: _Asked) -> None:
        """A new data object in a container, under a name of ours."""
        target = self._target(exchange, asked) if asked.names or asked.file_id else None
        if target is None:
            if not asked.names:
                raise posix("eperm")  # Among the spaces there are no files.
            await exchange.turn_away(404)
            return
        path = exchange.head.path.decode("latin-1")
        try:
            if _content_type(exchange.header(b"content-type"))[0] == FORM:
                if asked.accepted is None and not _suits(exchange, FORM):
                    await exchange.turn_away(406)
                    return
                await self._post_form(exchange, target, path)
            else:
                name = cdmi.posted_name(request_id())
                location = self._location(exchange, path + name)
                await self._put(exchange, replace(asked, names=[*asked.names, name]), location)
        except NoSuchFile:
            await exchange.turn_away(404)
        except NotADirectory:
            await self._not_a_container(exchange, target, path)

    async def _post_form(self, exchange: Exchange, container: _Target, path: str) -> None:
        """The file of a form becomes a data object under the name it has with the client."""
        reader = PartReader(exchange.body, boundary_of(_text(exchange, b"content-type") or ""))
        file = await FormFile.find(reader)
        name = file.name or cdmi.posted_name(request_id())
        ref = container.ref
        wish = Wish(
            request_id=request_id(),
            file=replace(ref, path=(*ref.path, name)),
            create=True,
            exclusive=True,
            completion_status=_status(exchange),
        )
        await self._service.part_uploading.receive(exchange, wish, reader, file.heads())
        self._made(exchange, self._location(exchange, path + quote_segment(name)))

    async def _not_a_container(self, exchange: Exchange, target: _Target, path: str) -> None:
        try:
            await self._service.contents.get_file(target.ref)
        except (NoSuchFile, NotADirectory):
            await exchange.turn_away(404)
            return
        await self._redirect_to(exchange, path.rstrip("/"))

    async def _put(self, exchange: Exchange, asked: _Asked, location: str = "") -> None:
        kind, encoding = _content_type(exchange.header(b"content-type"))
        if asked.accepted is None and not _suits(exchange, kind or ""):
            await exchange.turn_away(406)
            return
        if ".." in asked.names:
            raise posix("enoent")
        target = self._target(exchange, asked)
        if target is None:
            raise posix("eperm")  # Spaces are not made through CDMI.
        if cdmi.body_type(kind or "", container=False, cdmi=asked.speaks_cdmi) is not None:
            raise ApiError("serviceUnavailable")  # The front door takes CDMI forms elsewhere.
        offset = _offset(exchange)
        wish = Wish(
            request_id=request_id(),
            file=target.ref,
            mode=Mode.REPLACE if offset is None else Mode.PATCH,
            create=True,
            size_bytes=exchange.body.length,
            offset=offset or 0,
            mimetype=kind,
            encoding=encoding,
            completion_status=_status(exchange),
        )
        try:
            committed = await self._take(exchange, wish)
        except IsADirectory:
            await self._redirect(exchange, target)
            return
        except IsthmusError as error:
            if error.reason != "ENOTSUP" or not await self._is_referred(exchange, target):
                raise
            return
        if committed is None:
            return
        if committed.created:
            self._made(exchange, location)
        else:
            exchange.reply(204)

    async def _take(self, exchange: Exchange, wish: Wish) -> Committed | None:
        """Publishes what a PUT has, or names, as content. None: that was answered already."""
        source, boundary = _source(exchange), _from_inside(exchange, PARTS)
        if source is not None:
            wish = replace(wish, mode=Mode.REPLACE, offset=0, exclusive=True, permissions=_mode(exchange))
            if exchange.header(PROGRESS):
                await copies.copy(exchange, self._service, source, wish)
                return None
            return await self._service.copying.copy(source, wish)
        if boundary is None:
            return await self._service.uploading.receive(exchange, wish)
        reader = PartReader(exchange.body, boundary.encode("latin-1"))
        return await self._service.part_uploading.receive(
            exchange, wish, reader, reader.heads(), _ranges(exchange)
        )

    async def _is_referred(self, exchange: Exchange, target: _Target) -> bool:
        """Whether what has no content of its own leads somewhere else; then that was answered."""
        file = await self._service.contents.get_file(target.ref)
        if file.kind is not FileKind.SYMLINK or not cdmi.is_reference(file.symlink_target):
            return False
        await _refer(exchange, file)
        return True

    def _made(self, exchange: Exchange, location: str) -> None:
        exchange.reply(201, [(b"location", location.encode("latin-1"))] if location else [])


async def _refer(exchange: Exchange, reference: File) -> None:
    await exchange.turn_away(302, [(b"location", reference.symlink_target.encode())])


def _from_inside(exchange: Exchange, name: bytes) -> str | None:
    """A header of the gateway. Nobody else may send it: who does signs who he is."""
    return _text(exchange, name) if exchange.is_from_inside else None


def _ranges(exchange: Exchange) -> list[Span]:
    """Where the gateway was told that parts go."""
    spans = (text.partition("-") for text in (_from_inside(exchange, RANGES) or "").split(",") if text)
    return [(int(first), int(last)) for first, _, last in spans]


def _status(exchange: Exchange) -> str:
    return "Processing" if cdmi.is_partial(_text(exchange, b"x-cdmi-partial")) else "Complete"


def _source(exchange: Exchange) -> FileRef | None:
    """What the gateway wants copied to here."""
    text = _from_inside(exchange, COPY_OF)
    if text is None:
        return None
    found = cdmi.object_id(text, "copy")
    return FileRef(found.space_id, found.uuid)


def _mode(exchange: Exchange) -> int | None:
    text = _text(exchange, MODE)
    return int(text, 8) if text and text.isdigit() else None


def _text(exchange: Exchange, name: bytes) -> str | None:
    value = exchange.header(name)
    return None if value is None else value.decode("latin-1")


def _suits(exchange: Exchange, mimetype: str) -> bool:
    """Whether the client takes the bytes by the very type they have."""
    stored = replies.media_type(mimetype).decode().partition(";")[0].strip().lower()
    return choose(exchange.accept, [stored]) is not None


def _content_type(header: bytes | None) -> tuple[str | None, str | None]:
    """Media type without parameters, and the CDMI encoding that its charset asks for."""
    if header is None or not header.strip():
        return None, None
    kind, parameters = split_parameters(header.decode("latin-1"))
    return kind, "utf-8" if parameters.get("charset", "").lower() == "utf-8" else None


def _offset(exchange: Exchange) -> int | None:
    header = exchange.header(b"content-range")
    if header is None:
        return None
    first, last, _ = parse_content_range(header)
    exchange.body.peek(1)
    length = exchange.body.length
    if length is not None and length != last - first + 1:
        raise ApiError("badData", {"key": "content-range"})
    return first
