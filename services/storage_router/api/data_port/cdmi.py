"""CDMI data objects over plain HTTP: the bytes of a file under its path or its object id.

Everything with a CDMI media type, and everything about containers, is the gateway's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from runtime.errors import IsADirectory, NoSuchFile, NotADirectory
from runtime.http import file_ids
from runtime.http.errors import ApiError, posix
from runtime.http.media import choose
from runtime.http.paths import quote_segment, resolve_space, split_path
from runtime.http.ranges import parse_content_range
from runtime.http.tokens import require_user
from runtime.request import request_id
from services.storage_router.api.data_port import replies
from services.storage_router.api.data_port.content import Service
from services.storage_router.api.data_port.exchange import Exchange
from services.storage_router.api.data_port.replies import Headers
from services.storage_router.domain.contents import File, FileKind, FileRef, Mode, Wish

PREFIX = b"/cdmi/"

_BY_ID = "cdmi_objectid"
_VERSION = b"x-cdmi-specification-version"
_VERSIONS = ("1.1.1", "1.1")
_RAW, _OBJECT = "application/binary", "application/cdmi-object"
_RANGED_FIELD = re.compile(rb"\d+-\d+")
_CHARSET = re.compile(r'charset\s*=\s*"?([\w.:-]+)"?', re.IGNORECASE | re.ASCII)
_HOST = re.compile(rb"[A-Za-z0-9.\-:\[\]_]{1,255}")
_CORS = (b"access-control-allow-origin", b"*")


@dataclass(frozen=True, slots=True)
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
        exchange.always = [_CORS]
        with_version = exchange.header(_VERSION) is not None
        if with_version:
            exchange.always = [_CORS, (_VERSION, b"1.1.1")]
        names = split_path(exchange.head.path[len(PREFIX) :], fold=False)
        by_id = names[:1] == [_BY_ID]
        file_id = _object_id(names) if by_id else None
        if by_id:
            await exchange.identify()
            require_user(exchange.identity)
        if exchange.head.method not in ("GET", "HEAD", "PUT"):
            exchange.reply(405, [(b"allow", b"PUT, GET, DELETE")])
            return
        _check_version(exchange.header(_VERSION))
        _check_query(exchange.head.query)
        if not by_id:
            await exchange.identify()
            require_user(exchange.identity)
        accepted = _accepted(exchange, with_version=with_version)
        if accepted is None:
            exchange.reply(406)
            return
        if ".." in names:
            exchange.reply(404)
            return
        target = self._target(exchange, names, file_id)
        if exchange.head.method == "PUT":
            await self._put(exchange, target, with_version=with_version)
        elif target is None:
            exchange.reply(404)
        else:
            await self._get(exchange, target, accepted)

    def _target(
        self, exchange: Exchange, names: list[str], file_id: file_ids.FileId | None
    ) -> _Target | None:
        """None for a path in a space that is not there, as far as the caller can see."""
        provider_id = self._service.provider_id
        if file_id is not None and not file_id.is_user_root:
            file_ids.check_member(exchange.identity, file_id, provider_id=provider_id)
            return _Target(FileRef(file_id.space_id, file_id.uuid, tuple(names[2:])), by_id=True)
        below = names if file_id is None else names[2:]
        try:
            space_id = resolve_space(exchange.identity, below[0], provider_id=provider_id) if below else ""
        except ApiError as error:
            if error.id == "posix":
                return None
            raise
        return _Target(FileRef(space_id, path=tuple(below[1:])), by_id=False) if space_id else None

    # -- reading ---------------------------------------------------------------------------------------

    async def _get(self, exchange: Exchange, target: _Target, accepted: str) -> None:
        try:
            content = await self._service.open(exchange, target.ref)
        except IsADirectory:
            await self._redirect(exchange, target)
            return
        except (NoSuchFile, NotADirectory):
            if target.by_id and not target.ref.path:
                raise
            exchange.reply(404)
            return
        try:
            file = content.located.file
            if file.kind is FileKind.DIRECTORY:
                await self._redirect(exchange, target)
            elif file.kind is FileKind.SYMLINK:
                exchange.reply(404)
            elif not _suits(exchange, file, accepted):
                exchange.reply(406)
            elif accepted == _OBJECT:
                raise ApiError("missingRequiredValue", {"key": "version"})
            else:
                headers: Headers = [(b"content-disposition", replies.attachment(file.name))]
                media_type = replies.media_type(file.mimetype)
                await self._service.downloads.send(exchange, content, media_type, headers)
        finally:
            content.close()

    async def _redirect(self, exchange: Exchange, target: _Target) -> None:
        """To the same object with a slash, since it is a container."""
        path = exchange.head.path
        if target.by_id:
            file = await self._service.contents.get_file(target.ref, with_path=True)
            rights = exchange.identity.rights_in(target.ref.space_id)
            names = [rights.name if rights else target.ref.space_id, *file.path]
            path = PREFIX + "/".join(quote_segment(name) for name in names).encode()
        host = exchange.header(b"host") or b""
        if not _HOST.fullmatch(host):
            host = self._service.domain.encode()
        scheme = exchange.header(b"x-forwarded-proto") if exchange.connection.is_trusted else None
        query = b"?" + exchange.head.query if exchange.head.query else b""
        location = b"%b://%b%b/%b" % (b"http" if scheme == b"http" else b"https", host, path, query)
        exchange.reply(302, [(b"location", location), (b"cache-control", b"max-age=3600")])

    # -- writing ---------------------------------------------------------------------------------------

    async def _put(self, exchange: Exchange, target: _Target | None, *, with_version: bool) -> None:
        if target is None:
            raise posix("eperm")  # Spaces are not made through CDMI.
        kind, encoding = _content_type(exchange.header(b"content-type"))
        if kind is not None and kind.startswith("application/cdmi-"):
            raise (
                ApiError("notSupported")
                if with_version
                else ApiError("missingRequiredValue", {"key": "version"})
            )
        offset = _offset(exchange)
        partial = (exchange.header(b"x-cdmi-partial") or b"").strip().lower() == b"true"
        wish = Wish(
            request_id=request_id(),
            file=target.ref,
            mode=Mode.REPLACE if offset is None else Mode.PATCH,
            create=True,
            offset=offset or 0,
            mimetype=kind,
            encoding=encoding,
            completion_status="Processing" if partial else "Complete",
        )
        try:
            committed = await self._service.uploading.receive(exchange, wish)
        except IsADirectory:
            await self._redirect(exchange, target)
            return
        exchange.reply(201 if committed.created else 204)


def _object_id(names: list[str]) -> file_ids.FileId:
    file_id = file_ids.decode(names[1]) if len(names) > 1 else None
    if file_id is None or file_id.share_id is not None:
        raise ApiError("badValueIdentifier", {"key": "file_id"})
    return file_id


def _check_version(header: bytes | None) -> None:
    if header is None:
        return
    if not any(each.strip() in (b"1.1.1", b"1.1") for each in header.split(b",")):
        raise ApiError("badVersion", {"supportedVersions": list(_VERSIONS)})


def _check_query(query: bytes) -> None:
    """The fields are not used here, but have to make sense."""
    for field in query.split(b";"):
        name, colon, argument = field.partition(b":")
        if not colon or name not in (b"value", b"children") or b"-" not in argument:
            continue
        if not _RANGED_FIELD.fullmatch(unquote_to_bytes(argument)):
            raise ApiError("badData", {"key": "query string"})


def _accepted(exchange: Exchange, *, with_version: bool) -> str | None:
    """What the client takes: raw bytes, a CDMI object, or `""`, which the stored type has to suit."""
    if exchange.accept in (None, "*/*"):
        return _RAW
    if with_version:
        # The front door brings such requests here only when the CDMI form is not wanted.
        return choose(exchange.accept, [_RAW])
    return choose(exchange.accept, [_RAW, _OBJECT]) or ""


def _suits(exchange: Exchange, file: File, accepted: str) -> bool:
    if accepted:
        return True
    stored = replies.media_type(file.mimetype).decode().partition(";")[0].strip().lower()
    return choose(exchange.accept, [stored]) is not None


def _content_type(header: bytes | None) -> tuple[str | None, str | None]:
    """Media type without parameters, and the CDMI encoding that its charset asks for."""
    if header is None or not header.strip():
        return None, None
    kind, _, parameters = header.decode("latin-1").partition(";")
    charset = _CHARSET.search(parameters)
    encoding = "utf-8" if charset and charset[1].lower() == "utf-8" else None
    return kind.strip().lower(), encoding


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
