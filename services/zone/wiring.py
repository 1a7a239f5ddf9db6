"""Puts the zone together."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet
from isthmus.zone.v1 import (
    changes_pb2_grpc,
    documents_pb2_grpc,
    principals_pb2_grpc,
    providers_pb2_grpc,
    shares_pb2_grpc,
    storages_pb2_grpc,
    tokens_pb2_grpc,
)
from pydantic import TypeAdapter, ValidationError

from runtime.auth import ClusterKey
from runtime.clock import Clock, SystemClock
from runtime.config import BadSettings
from runtime.discovery import Registrar, Registration, process_meta
from runtime.errors import Unavailable
from runtime.http import file_ids
from runtime.http.server import HttpServer
from runtime.mongo import ABANDONED_INTERVAL_S, MongoThreads, connect_as_told
from runtime.periodic import Periodic
from runtime.process import Part
from runtime.rpc.server import RpcServer
from runtime.version import ONEDATA_VERSION
from services.zone.api.changes import ChangeServicer
from services.zone.api.documents import DocumentServicer
from services.zone.api.principals import PrincipalServicer
from services.zone.api.provider_door import ProviderDoor
from services.zone.api.providers import ProviderServicer
from services.zone.api.rest.app import build_app
from services.zone.api.rest.http import BASE_PATH
from services.zone.api.services import ZoneInfo, ZoneServices
from services.zone.api.shares import ShareServicer
from services.zone.api.storages import StorageServicer
from services.zone.api.tokens import TokenServicer
from services.zone.clients.address_data import AddressData
from services.zone.clients.oidc import OidcProvider, OidcSettings
from services.zone.config import Settings
from services.zone.domain.accounts import Accounts
from services.zone.domain.audit import AuditLog
from services.zone.domain.authentication import Authenticator
from services.zone.domain.changes import ChangeFeed
from services.zone.domain.documents import Documents
from services.zone.domain.errors import ZoneError
from services.zone.domain.first_start import FirstStart
from services.zone.domain.groups import Groups
from services.zone.domain.guesses import Guesses
from services.zone.domain.handovers import Handovers
from services.zone.domain.idp_tokens import IdpTokens
from services.zone.domain.invites import Invites
from services.zone.domain.known_scopes import KnownScopes
from services.zone.domain.logins import Logins
from services.zone.domain.members import Members
from services.zone.domain.owners import Owners
from services.zone.domain.passwords import Passwords
from services.zone.domain.principals import Principals
from services.zone.domain.provider_tokens import ProviderTokens
from services.zone.domain.providers import Providers
from services.zone.domain.rights import Rights
from services.zone.domain.scope import Scopes
from services.zone.domain.share_roads import ShareRoads
from services.zone.domain.shares import Shares
from services.zone.domain.spaces import Spaces
from services.zone.domain.storages import Storages
from services.zone.domain.stores import Stores
from services.zone.domain.support_parameters import SupportParameterRules
from services.zone.domain.supports import Supports
from services.zone.domain.target_rules import GROUP_RULES, SPACE_RULES
from services.zone.domain.token_checks import TokenChecks
from services.zone.domain.tokens import Tokens, TokenSettings
from services.zone.domain.users import Users, UserStores
from services.zone.domain.verification import Verifier
from services.zone.store.mongo import MongoStores

#: How long a start waits for a database that comes up at the same time.
STORE_WAIT_S = 60.0
STORE_PAUSE_S = 0.2
#: Of Onedata, whose clients and providers we meet: the first two numbers of its version.
RELEASE_LINE = ONEDATA_VERSION.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Seals:
    """What browsers carry is sealed with: a log-in under way, and a code for a program."""

    login: Fernet
    code: Fernet


async def build(settings: Settings) -> Sequence[Part]:
    """The parts of a zone in the order of starting. Raises BadSettings."""
    clock = SystemClock()
    threads = MongoThreads(readers=4)
    client = connect_as_told(settings)
    stores = MongoStores(client, settings.mongo_database, threads)
    passwords = Passwords(Guesses(stores.guesses, clock), clock)
    feed = ChangeFeed()
    zone = assemble(
        settings,
        stores=stores,
        passwords=passwords,
        seals=_seals(ClusterKey.load(settings.cluster_key_file)),
        feed=feed,
        clock=clock,
    )
    first_start = FirstStart(stores.users, passwords, _PasswordFile(settings.admin_password_file), clock)
    door = ProviderDoor(zone.authenticator, clock)
    rpc = RpcServer(settings, None, authenticate=door.authenticate)
    _serve_providers(rpc, zone, feed, door)
    info = ZoneInfo(settings.zone_name, settings.zone_domain, ONEDATA_VERSION, "isthmus")
    http = HttpServer(
        build_app(zone, info),
        host=settings.listen_host,
        port=settings.http_port,
        uds=settings.http_uds,
        max_concurrent_requests=settings.max_concurrent_requests,
        drain_s=settings.drain_s,
    )
    return [
        threads,
        _Kept(stores, first_start, passwords, audit_keep_s=settings.audit_keep_s),
        stores.changes(feed),
        Periodic("abandoned_transactions", stores.abort_abandoned, ABANDONED_INTERVAL_S),
        rpc,
        http,
        _Ended(feed),
        _Registered(settings, rpc, http),
    ]


def _serve_providers(rpc: RpcServer, zone: ZoneServices, feed: ChangeFeed, door: ProviderDoor) -> None:
    """All that providers ask by gRPC."""
    rpc.add(
        tokens_pb2_grpc.add_TokenServiceServicer_to_server,
        TokenServicer(zone.scopes, zone.provider_tokens, zone.audit, door),
    )
    rpc.add(
        providers_pb2_grpc.add_ProviderServiceServicer_to_server,
        ProviderServicer(zone.providers, zone.supports, zone.support_parameters, zone.audit, door),
    )
    rpc.add(
        principals_pb2_grpc.add_PrincipalServiceServicer_to_server, PrincipalServicer(zone.principals, door)
    )
    rpc.add(shares_pb2_grpc.add_ShareServiceServicer_to_server, ShareServicer(zone.shares, zone.audit, door))
    rpc.add(
        storages_pb2_grpc.add_StorageServiceServicer_to_server,
        StorageServicer(zone.storages, zone.audit, door),
    )
    rpc.add(changes_pb2_grpc.add_ChangeServiceServicer_to_server, ChangeServicer(feed, zone.providers, door))
    rpc.add(documents_pb2_grpc.add_DocumentServiceServicer_to_server, DocumentServicer(zone.documents, door))


def assemble(
    settings: Settings,
    *,
    stores: Stores,
    passwords: Passwords,
    seals: Seals,
    feed: ChangeFeed,
    clock: Clock,
) -> ZoneServices:
    """The rules over any stores."""
    users, spaces = stores.users, stores.spaces
    verifier = Verifier(
        users=users,
        tokens=stores.tokens,
        memberships=stores.memberships,
        spaces=spaces,
        providers=stores.providers,
        locator=AddressData.load(settings.asn_database, settings.country_database, clock),
        clock=clock,
    )
    rights = Rights(stores.memberships)
    space_rules = Spaces(spaces, stores.shares, rights, clock)
    group_rules = Groups(stores.groups, space_rules, rights, clock)
    invites = Invites(
        verifier,
        users,
        stores.tokens,
        spaces,
        stores.groups,
        rights,
        open_registration=settings.open_provider_registration,
    )
    token_settings = TokenSettings(
        location=settings.zone_domain,
        max_temporary_ttl_s=settings.max_temporary_token_ttl_s,
        support_token_ttl_s=settings.support_token_ttl_s,
        login_token_ttl_s=settings.login_token_ttl_s,
    )
    token_rules = Tokens(stores.tokens, invites, verifier, token_settings, clock)
    owners = Owners(space_rules, spaces, stores.memberships, users, rights)
    scopes = Scopes(verifier, space_rules, rights, _space_of_object)
    space_members, group_members = (
        Members(
            rules,
            targets,
            stores.memberships,
            users=users,
            groups=group_rules,
            owners=owners,
            invites=invites,
            tokens=token_rules,
            rights=rights,
            clock=clock,
        )
        for rules, targets in ((SPACE_RULES, space_rules), (GROUP_RULES, group_rules))
    )
    providers = Providers(
        stores.providers,
        spaces,
        stores.storages,
        stores.tokens,
        memberships=stores.memberships,
        spaces=space_rules,
        groups=group_rules,
        rights=rights,
        tokens=token_rules,
        invites=invites,
        verifier=verifier,
        clock=clock,
        offline_after_s=settings.provider_offline_after_s,
    )
    storages = Storages(stores.storages, spaces, clock)
    supports = Supports(
        spaces,
        spaces=space_rules,
        providers=providers,
        storages=storages,
        rights=rights,
        tokens=token_rules,
        invites=invites,
        minimum_bytes=settings.minimum_support_bytes,
    )
    shares = Shares(stores.shares, space_rules, rights, clock)
    audit = AuditLog(stores.audit, clock)
    idps, accounts = _identity_providers(settings), Accounts(users, audit, clock)
    return ZoneServices(
        authenticator=Authenticator(
            verifier, users, passwords, IdpTokens(idps, accounts, users, clock), _space_of_object
        ),
        checks=TokenChecks(verifier, KnownScopes(scopes, stores.providers, feed, clock)),
        tokens=token_rules,
        users=Users(UserStores(users, stores.tokens, spaces, stores.memberships), owners, passwords, clock),
        spaces=space_rules,
        groups=group_rules,
        owners=owners,
        space_members=space_members,
        group_members=group_members,
        support_parameters=SupportParameterRules(space_rules, spaces, providers, rights),
        shares=shares,
        share_roads=ShareRoads(
            shares,
            spaces,
            stores.providers,
            providers,
            share_of_object=_share_of_object,
            release_line=RELEASE_LINE,
            clock=clock,
        ),
        providers=providers,
        provider_tokens=ProviderTokens(
            token_rules, verifier, stores.providers, offline_ttl_s=settings.offline_token_ttl_s
        ),
        storages=storages,
        supports=supports,
        documents=Documents(
            feed, stores.providers, spaces, stores.storages, is_online=providers.is_online, clock=clock
        ),
        principals=Principals(providers, stores.memberships, users, stores.groups),
        scopes=scopes,
        audit=audit,
        logins=Logins(
            idps,
            accounts,
            users,
            token_rules,
            Handovers(seals.code, clock),
            seals.login,
            clock,
        ),
        clock=clock,
    )


def _identity_providers(settings: Settings) -> list[OidcProvider]:
    """Raises BadSettings."""
    if settings.oidc_file is None:
        return []
    try:
        found = TypeAdapter(list[OidcSettings]).validate_json(settings.oidc_file.read_bytes())
    except (OSError, ValidationError) as error:
        what = error.strerror if isinstance(error, OSError) else "not a list of identity providers"
        raise BadSettings(f"ISTHMUS_OIDC_FILE {settings.oidc_file}: {what}") from None
    base = f"https://{settings.zone_domain}{BASE_PATH}/login"
    return [OidcProvider(each, redirect_uri=f"{base}/{each.id}/callback") for each in found]


def _seals(key: ClusterKey) -> Seals:
    """The same at every instance of the zone."""
    login, code = (
        Fernet(base64.urlsafe_b64encode(key.sign_bytes(use, b""))) for use in ("login", "login_code")
    )
    return Seals(login, code)


def _space_of_object(object_id: str) -> str | None:
    file_id = file_ids.decode(object_id)
    return file_id.space_id if file_id else None


def _share_of_object(object_id: str) -> str | None:
    file_id = file_ids.decode(object_id)
    return file_id.share_id if file_id else None


class _PasswordFile:
    """A file with mode 0600."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read_or_create(self, fresh: str) -> tuple[str, bool]:
        # A file that is there may lie on a read-only volume: then nothing is written at all.
        if not self._path.exists():
            with contextlib.suppress(FileExistsError):
                self._write(fresh)
                return fresh, True
        return self._path.read_text().strip(), False

    def _write(self, password: str) -> None:
        """Appears whole or not at all, so that another zone never reads half a password."""
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        draft.unlink(missing_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(password + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, self._path)
        finally:
            draft.unlink()

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)


class _Kept:
    """Waits for the database, makes indexes and the first administrator."""

    def __init__(
        self, stores: MongoStores, first_start: FirstStart, passwords: Passwords, *, audit_keep_s: int
    ) -> None:
        self._stores = stores
        self._audit_keep_s = audit_keep_s
        self._first_start = first_start
        self._passwords = passwords

    async def start(self) -> None:
        """Raises BadSettings when no database answers in time, or the password file can't be used."""
        await self._prepare()
        try:
            await self._first_start.run()
        except (OSError, ZoneError) as error:
            raise BadSettings(f"ISTHMUS_ADMIN_PASSWORD_FILE can't be used: {error}") from error

    async def _prepare(self) -> None:
        try:
            async with asyncio.timeout(STORE_WAIT_S):
                while True:
                    with contextlib.suppress(Unavailable):
                        return await self._stores.create_indexes(audit_keep_s=self._audit_keep_s)
                    await asyncio.sleep(STORE_PAUSE_S)
        except TimeoutError:
            raise BadSettings(f"no MongoDB at ISTHMUS_MONGO_URL within {STORE_WAIT_S:.0f} s") from None

    async def stop(self) -> None:
        self._passwords.close()
        self._stores.close()


class _Ended:
    """Lets the followers of changes go before the servers wait for what is under way."""

    def __init__(self, feed: ChangeFeed) -> None:
        self._feed = feed

    async def start(self) -> None:
        """They come by themselves."""

    async def stop(self) -> None:
        self._feed.close()


class _Registered:
    """Makes both servers known once their ports are, and forgotten before they stop."""

    def __init__(self, settings: Settings, rpc: RpcServer, http: HttpServer) -> None:
        self._settings = settings
        self._rpc = rpc
        self._http = http
        self._registrar: Registrar | None = None

    async def start(self) -> None:
        settings = self._settings
        rest_id = f"zone_rest-{settings.instance_id.removeprefix('zone-')}"
        registrations = [
            Registration(
                service="zone_rest",
                instance_id=rest_id,
                host=settings.advertise_host,
                port=self._http.port,
                check="http",
                alive_port=max(0, settings.metrics_port),
                meta=process_meta(settings.host_id, protocol="http", uds=settings.http_uds),
            ),
            Registration(
                service="zone",
                instance_id=settings.instance_id,
                host=settings.advertise_host,
                port=self._rpc.port,
                checked_by=rest_id,
                meta=process_meta(settings.host_id, protocol="grpc"),
            ),
        ]
        self._registrar = Registrar(settings.consul, registrations)
        await self._registrar.start()

    async def stop(self) -> None:
        if self._registrar is not None:
            await self._registrar.stop()
