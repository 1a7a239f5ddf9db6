"""The zone's shares, in the words of `domain.shares`."""

from __future__ import annotations

from isthmus.zone.v1 import shares_pb2

from clients.zone import NoConnectionToOnezone, UnregisteredOneprovider, ZoneClient
from runtime.errors import DeadlineExceeded, NotFound, Unavailable
from services.metadata.domain.records import FileType
from services.metadata.domain.shares import Requester, Share

_TYPES = {
    FileType.REGULAR: shares_pb2.SHARE_ROOT_TYPE_REGULAR,
    FileType.DIRECTORY: shares_pb2.SHARE_ROOT_TYPE_DIRECTORY,
}
_FROM_PROTO = {number: type_ for type_, number in _TYPES.items()}


class _Reaching:
    """Says of a zone that does not answer what it means here."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        away = isinstance(error, Unavailable | DeadlineExceeded)
        if away and not isinstance(error, UnregisteredOneprovider):
            raise NoConnectionToOnezone from error


class ConnectedZoneShares:
    """`ZoneShares` over gRPC."""

    def __init__(self, zone: ZoneClient) -> None:
        self._zone = zone

    async def create(self, share: Share, by: Requester) -> None:
        with _Reaching():
            await self._zone.create_share(
                shares_pb2.Share(
                    share_id=share.share_id,
                    space_id=share.space_id,
                    name=share.name,
                    description=share.description,
                    root_file_id=share.root_file_id,
                    root_type=_TYPES[share.root_type],
                    creator_id=share.creator_id,
                ),
                behalf=_behalf(by),
            )

    async def find(self, share_id: str) -> Share | None:
        with _Reaching():
            try:
                return _from_proto(await self._zone.get_share(share_id))
            except NotFound:
                return None

    async def update(
        self, share_id: str, by: Requester, *, name: str | None, description: str | None
    ) -> None:
        with _Reaching():
            await self._zone.update_share(share_id, name=name, description=description, behalf=_behalf(by))

    async def delete(self, share_id: str, by: Requester) -> None:
        with _Reaching():
            await self._zone.delete_share(share_id, behalf=_behalf(by))


class NoZoneShares:
    """For a provider that belongs to no zone: it has no shares, and can't have any."""

    async def create(self, share: Share, by: Requester) -> None:
        raise UnregisteredOneprovider

    async def find(self, share_id: str) -> Share | None:
        raise UnregisteredOneprovider

    async def update(
        self, share_id: str, by: Requester, *, name: str | None, description: str | None
    ) -> None:
        raise UnregisteredOneprovider

    async def delete(self, share_id: str, by: Requester) -> None:
        raise UnregisteredOneprovider


def _behalf(by: Requester) -> shares_pb2.OnBehalfOf:
    return shares_pb2.OnBehalfOf(user_id=by.user_id, peer_ip=by.peer_ip)


def _from_proto(share: shares_pb2.Share) -> Share:
    return Share(
        share_id=share.share_id,
        space_id=share.space_id,
        name=share.name,
        description=share.description,
        root_file_id=share.root_file_id,
        root_type=_FROM_PROTO[share.root_type],
        creator_id=share.creator_id,
    )
