"""The zone as the services of a provider need it: whose token is this, and may we support that space.

`ProviderCredentials` is who this provider is. Its root token never leaves the process: every call carries
a token confined to a few minutes, made from it offline.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc.aio
import structlog
from isthmus.zone.v1 import (
    changes_pb2,
    changes_pb2_grpc,
    documents_pb2,
    documents_pb2_grpc,
    principals_pb2,
    principals_pb2_grpc,
    providers_pb2,
    providers_pb2_grpc,
    shares_pb2,
    shares_pb2_grpc,
    storages_pb2,
    storages_pb2_grpc,
    tokens_pb2,
    tokens_pb2_grpc,
)

from clients.qos import qos_to_proto
from runtime.clock import Clock, SystemClock
from runtime.config import BadSettings, ProviderFile
from runtime.errors import IsthmusError, Unauthenticated, Unavailable
from runtime.macaroons import deserialize, serialize
from runtime.version import ONEDATA_VERSION

#: How long a token made for one call is good. Wide enough for clocks that differ by some minutes.
_CALL_TOKEN_LIFE_S = 600
_CALL_TIMEOUT_S = 5.0
_NAMES_TIMEOUT_S = 1.0
#: Documents that are told as known in one message.
_KNOWN_AT_ONCE = 1000
#: How often a process looks whether the provider file was replaced.
LOOK_EVERY_S = 1.0

_Stamp = tuple[int, int, int]

log = structlog.get_logger(__name__)


class UnregisteredOneprovider(Unavailable):
    """The zone does not accept this provider."""

    reason = "UNREGISTERED_ONEPROVIDER"


class ProviderCredentials:
    """Who this provider is to its zone, and tokens to prove it.

    With `file`, its root token is followed when an operator replaces it: within `LOOK_EVERY_S`.
    """

    def __init__(self, provider: ProviderFile, *, file: Path | None = None) -> None:
        self.provider_id = provider.provider_id
        self.zone_domain = provider.zone_domain
        self._root_token = provider.root_token
        self._derived = ""
        self._renew_at_s = 0.0
        self._file = file
        self._stamp: _Stamp | None = None
        self._looked_at_s = 0.0

    @classmethod
    def load(cls, path: Path) -> ProviderCredentials:
        """From the provider file. Raises BadSettings."""
        return cls(ProviderFile.load(path), file=path)

    def call_token(self, now_s: float) -> str:
        """An access token of this provider that ends soon. Made anew when half its life is over.

        Raises UnregisteredOneprovider when what the provider file holds is no token.
        """
        self._follow_file(now_s)
        if now_s >= self._renew_at_s:
            until_s = int(now_s) + _CALL_TOKEN_LIFE_S
            try:
                root = deserialize(self._root_token.get_secret_value())
            except Unauthenticated as error:
                raise UnregisteredOneprovider("the provider file holds no token") from error
            self._derived = serialize(root.confined(f"time < {until_s}"))
            self._renew_at_s = now_s + _CALL_TOKEN_LIFE_S / 2
        return self._derived

    def _follow_file(self, now_s: float) -> None:
        """Takes the root token of a file that was replaced. One that can't be used changes nothing."""
        if self._file is None or 0 <= now_s - self._looked_at_s < LOOK_EVERY_S:
            return
        self._looked_at_s = now_s
        stamp = _stamp(self._file)
        if stamp == self._stamp:
            return
        try:
            provider = ProviderFile.load(self._file)
        except BadSettings as error:
            log.warning("provider_file_unusable", error=str(error))
            return
        self._stamp = stamp
        if provider.provider_id != self.provider_id:
            # Another provider's: who we are is fixed for the life of a process.
            log.warning("provider_file_of_another", provider_id=provider.provider_id)
            return
        if provider.root_token != self._root_token:
            self._root_token = provider.root_token
            self._renew_at_s = 0.0
            log.info("root_token_replaced")


def _stamp(file: Path) -> _Stamp | None:
    """What differs once a file was replaced; None for none."""
    try:
        known = file.stat()
    except OSError:
        return None
    return known.st_ino, known.st_mtime_ns, known.st_size


class ZoneClient:
    """Calls to the zone, made as this provider.

    Raises what the zone raised; UnregisteredOneprovider when it does not accept the provider itself, which
    is about us and not about any user's token.
    """

    def __init__(
        self, channel: grpc.aio.Channel, provider: ProviderCredentials, *, clock: Clock | None = None
    ) -> None:
        self.provider = provider
        self._clock = clock or SystemClock()
        self._tokens = tokens_pb2_grpc.TokenServiceStub(channel)
        self._providers = providers_pb2_grpc.ProviderServiceStub(channel)
        self._principals = principals_pb2_grpc.PrincipalServiceStub(channel)
        self._shares = shares_pb2_grpc.ShareServiceStub(channel)
        self._storages = storages_pb2_grpc.StorageServiceStub(channel)
        self._changes = changes_pb2_grpc.ChangeServiceStub(channel)
        self._documents = documents_pb2_grpc.DocumentServiceStub(channel)

    async def verify_access_token(
        self, request: tokens_pb2.VerifyAccessTokenRequest, *, timeout_s: float = _CALL_TIMEOUT_S
    ) -> tokens_pb2.VerifyAccessTokenResponse:
        """Who a user's token stands for, and what he may do."""
        answer: tokens_pb2.VerifyAccessTokenResponse = await self._call(
            self._tokens.VerifyAccessToken, request, timeout_s=timeout_s
        )
        return answer

    async def create_identity_token(self, consumer_provider_id: str) -> tuple[str, int]:
        """A token that proves this provider to another one, and when it ends (s). Raises InvalidArgument."""
        request = tokens_pb2.CreateIdentityTokenRequest(consumer_provider_id=consumer_provider_id)
        answer = await self._call(self._tokens.CreateIdentityToken, request)
        return answer.token, answer.expires_at_s

    async def create_offline_access_token(
        self, request: tokens_pb2.CreateOfflineAccessTokenRequest
    ) -> tuple[str, int]:
        """A token to go on with for a user who has left, and when it ends (s). Raises Unauthenticated."""
        answer = await self._call(self._tokens.CreateOfflineAccessToken, request)
        return answer.token, answer.expires_at_s

    async def watch_changes(self, *, after: str) -> AsyncGenerator[changes_pb2.WatchChangesResponse]:
        """What changes in the zone, from a place on, without end."""
        request = changes_pb2.WatchChangesRequest(after=after)
        try:
            async for response in self._changes.WatchChanges(request, metadata=self._credentials()):
                yield response
        except Unauthenticated as error:
            raise _ours(error) from error

    async def watch_documents(
        self, known: Mapping[str, int]
    ) -> AsyncGenerator[documents_pb2.WatchDocumentsResponse]:
        """What this provider is concerned with and does not hold as new, then what changes, without end.

        `known`: revisions of the documents it holds, by key.
        """
        requests = _tell_known(known)
        try:
            async for response in self._documents.WatchDocuments(requests, metadata=self._credentials()):
                yield response
        except Unauthenticated as error:
            raise _ours(error) from error

    # Storages and supports

    async def create_storage(
        self,
        storage_id: str,
        name: str,
        *,
        qos_parameters: Mapping[str, str | float] | None = None,
        imported: bool = False,
        readonly: bool = False,
    ) -> storages_pb2.Storage:
        """Registers a storage of this provider. Safe to repeat."""
        request = storages_pb2.CreateStorageRequest(
            storage_id=storage_id,
            name=name,
            qos_parameters=qos_to_proto(qos_parameters or {}),
            imported=imported,
            readonly=readonly,
        )
        made: storages_pb2.Storage = (await self._call(self._storages.CreateStorage, request)).storage
        return made

    async def update_storage(
        self,
        storage_id: str,
        *,
        name: str | None = None,
        qos_parameters: Mapping[str, str | float] | None = None,
        imported: bool | None = None,
        readonly: bool | None = None,
    ) -> storages_pb2.Storage:
        """Sets what is not None. Raises NotFound, FailedPrecondition (STORAGE_IN_USE)."""
        request = storages_pb2.UpdateStorageRequest(
            storage_id=storage_id,
            name=name,
            qos_parameters=None if qos_parameters is None else qos_to_proto(qos_parameters),
            imported=imported,
            readonly=readonly,
        )
        changed: storages_pb2.Storage = (await self._call(self._storages.UpdateStorage, request)).storage
        return changed

    async def delete_storage(self, storage_id: str) -> None:
        """Ends the registration of a storage, if there is one. Raises FailedPrecondition (STORAGE_IN_USE)."""
        await self._call(
            self._storages.DeleteStorage, storages_pb2.DeleteStorageRequest(storage_id=storage_id)
        )

    async def support_space(
        self, token: str, *, size_bytes: int, storage_id: str, request_id: str = ""
    ) -> providers_pb2.SupportedSpace:
        """Consumes a support token; from then on this provider supports the space.

        Safe to repeat with the same `request_id`.
        """
        request = providers_pb2.SupportSpaceRequest(
            token=token,
            size_bytes=size_bytes,
            storage_id=storage_id,
            request_id=request_id,
        )
        answer = await self._call(self._providers.SupportSpace, request)
        space: providers_pb2.SupportedSpace = answer.space
        return space

    async def resize_support(self, space_id: str, size_bytes: int) -> providers_pb2.SupportedSpace:
        """Changes what this provider promises to a space. Raises NotFound, InvalidArgument."""
        request = providers_pb2.ResizeSupportRequest(space_id=space_id, size_bytes=size_bytes)
        answer = await self._call(self._providers.ResizeSupport, request)
        space: providers_pb2.SupportedSpace = answer.space
        return space

    async def revoke_support(self, space_id: str) -> int:
        """Ends this provider's support of a space, if there is one; the revision of the space without it."""
        request = providers_pb2.RevokeSupportRequest(space_id=space_id)
        revision: int = (await self._call(self._providers.RevokeSupport, request)).revision
        return revision

    async def switch_dir_stats(self, space_id: str, *, enabled: bool) -> None:
        """Switches statistics of directories. Raises NotFound, InvalidArgument."""
        request = providers_pb2.SwitchDirStatsRequest(space_id=space_id, enabled=enabled)
        await self._call(self._providers.SwitchDirStats, request)

    async def report_dir_stats_status(self, space_id: str, status: str) -> None:
        """Tells how far statistics of directories are: `initializing`, `enabled`, `stopping`, `disabled`."""
        request = providers_pb2.ReportDirStatsStatusRequest(space_id=space_id, status=status)
        await self._call(self._providers.ReportDirStatsStatus, request)

    async def list_supported_spaces(
        self, *, page_size: int = 1000, page_token: str = ""
    ) -> providers_pb2.ListSupportedSpacesResponse:
        """One page of the spaces this provider supports."""
        request = providers_pb2.ListSupportedSpacesRequest(page_size=page_size, page_token=page_token)
        answer: providers_pb2.ListSupportedSpacesResponse = await self._call(
            self._providers.ListSupportedSpaces, request
        )
        return answer

    async def list_space_providers(self, space_ids: Sequence[str]) -> Sequence[providers_pb2.SpaceProviders]:
        """Which providers support these spaces, at most 1000 of them."""
        request = providers_pb2.ListSpaceProvidersRequest(space_ids=space_ids)
        answer = await self._call(self._providers.ListSpaceProviders, request)
        spaces: Sequence[providers_pb2.SpaceProviders] = answer.spaces
        return spaces

    async def report_status(self, version: str = ONEDATA_VERSION) -> int:
        """Tells that this provider is up; gives the zone's clock in milliseconds."""
        answer = await self._call(
            self._providers.ReportStatus, providers_pb2.ReportStatusRequest(version=version)
        )
        time_ms: int = answer.time_ms
        return time_ms

    async def list_principal_names(
        self, space_id: str, user_ids: Sequence[str], group_ids: Sequence[str]
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Names of members of a space this provider supports, users and groups, by id.

        They are an ornament, so a zone that is slow is not waited for.
        """
        request = principals_pb2.ListPrincipalNamesRequest(
            space_id=space_id, user_ids=user_ids, group_ids=group_ids
        )
        answer = await self._call(self._principals.ListPrincipalNames, request, timeout_s=_NAMES_TIMEOUT_S)
        return dict(answer.user_names), dict(answer.group_names)

    # Shares: that the user may do it is the provider's to see to, for whom it is done the zone's to note

    async def create_share(
        self, share: shares_pb2.Share, *, behalf: shares_pb2.OnBehalfOf | None = None
    ) -> shares_pb2.Share:
        """Registers a share under the id given. Safe to repeat."""
        request = shares_pb2.CreateShareRequest(share=share, on_behalf_of=behalf)
        made: shares_pb2.Share = (await self._call(self._shares.CreateShare, request)).share
        return made

    async def get_share(self, share_id: str) -> shares_pb2.Share:
        """One share. Raises NotFound."""
        request = shares_pb2.GetShareRequest(share_id=share_id)
        share: shares_pb2.Share = (await self._call(self._shares.GetShare, request)).share
        return share

    async def update_share(
        self,
        share_id: str,
        *,
        name: str | None,
        description: str | None,
        behalf: shares_pb2.OnBehalfOf | None = None,
    ) -> None:
        """Sets what is not None. Raises NotFound."""
        request = shares_pb2.UpdateShareRequest(
            share_id=share_id, name=name, description=description, on_behalf_of=behalf
        )
        await self._call(self._shares.UpdateShare, request)

    async def delete_share(self, share_id: str, *, behalf: shares_pb2.OnBehalfOf | None = None) -> None:
        """Ends a share, if there is one."""
        request = shares_pb2.DeleteShareRequest(share_id=share_id, on_behalf_of=behalf)
        await self._call(self._shares.DeleteShare, request)

    async def _call(self, method: Any, request: Any, *, timeout_s: float = _CALL_TIMEOUT_S) -> Any:
        try:
            return await method(request, metadata=self._credentials(), timeout=timeout_s)
        except Unauthenticated as error:
            raise _ours(error) from error

    def _credentials(self) -> tuple[tuple[str, str], ...]:
        token = self.provider.call_token(self._clock.now_ms() / 1000)
        return (("authorization", f"Bearer {token}"),)


async def _tell_known(known: Mapping[str, int]) -> AsyncIterator[documents_pb2.WatchDocumentsRequest]:
    documents = [documents_pb2.KnownDocument(key=key, revision=each) for key, each in known.items()]
    for start in range(0, len(documents), _KNOWN_AT_ONCE):
        yield documents_pb2.WatchDocumentsRequest(known=documents[start : start + _KNOWN_AT_ONCE])
    yield documents_pb2.WatchDocumentsRequest(is_last=True)


def _ours(error: Unauthenticated) -> IsthmusError:
    """The zone says in `about` when it is the provider that it does not know."""
    return UnregisteredOneprovider() if error.facts.get("about") == "provider" else error
