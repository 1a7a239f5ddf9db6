"""The gateway without sockets: its real application over the real rules of metadata, stores in memory."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
from isthmus.metadata.v1 import (
    access_history_pb2,
    changes_pb2,
    files_pb2,
    spaces_pb2,
    xattrs_pb2,
)
from isthmus.storage_router.v1 import storages_pb2

from clients.access_counter import AccessCounter
from clients.leases import MetadataLessor
from runtime.auth import ClusterKey, as_caller, service_identity
from runtime.clock import ManualClock
from runtime.errors import IsthmusError, NoSuchFile, Unauthenticated, rebuild
from runtime.identity import GUEST, Identity, Kind, SpacePrivilege, SpaceRights
from services.gateway.api.cdmi.copy_jobs import CopyJobs, CopyOptions
from services.gateway.api.cdmi.described import cdmi_entries
from services.gateway.api.cdmi.digests import Digests
from services.gateway.api.cdmi.duplicates import Duplicates
from services.gateway.api.cdmi.router import CdmiOptions, CdmiRouter
from services.gateway.api.cdmi.serializing import SerialLimits
from services.gateway.api.cdmi.updates import Updates
from services.gateway.api.cdmi.workshops import Workshops
from services.gateway.api.direct import direct_entries
from services.gateway.api.front import Front
from services.gateway.api.gate import Gate
from services.gateway.api.openapi import rest_entries
from services.gateway.api.pages import build_pages
from services.gateway.api.rest.bulk import BulkRoutes
from services.gateway.api.rest.changes import ChangeRoutes
from services.gateway.api.rest.data import DataRoutes
from services.gateway.api.rest.dir_stats import DirStatsRoutes
from services.gateway.api.rest.distribution import DistributionRoutes
from services.gateway.api.rest.listing import ListingRoutes
from services.gateway.api.rest.plain_table import plain_routes
from services.gateway.api.rest.registrations import RegistrationRoutes
from services.gateway.api.rest.router import RestRouter
from services.gateway.api.rest.shares import ShareRoutes
from services.gateway.api.rest.spaces import SpaceRoutes
from services.gateway.api.rest.statistics import StatisticsRoutes
from services.gateway.api.rest.table import rest_routes
from services.gateway.api.rest.tickets import TicketRoutes
from services.gateway.clients.change_heads import ChangeHeads
from services.gateway.domain.acls import Entry
from services.gateway.domain.attribute_memory import AttributeMemory
from services.gateway.domain.listing_memory import ListingMemory
from services.gateway.domain.providers import SupportingProvider
from services.metadata.api.access_history import AccessHistoryServicer
from services.metadata.api.bulk import BulkServicer
from services.metadata.api.changes import ChangeServicer
from services.metadata.api.copies import CopyServicer
from services.metadata.api.dir_stats import DirStatsServicer
from services.metadata.api.distribution import DistributionServicer
from services.metadata.api.links import LinkServicer
from services.metadata.api.queues import QueueServicer
from services.metadata.api.shares import ShareServicer
from services.metadata.api.spaces import SpaceServicer
from services.metadata.api.subtrees import SubtreeServicer
from services.metadata.api.trash import TrashServicer
from services.metadata.api.xattrs import XattrServicer
from services.metadata.domain.rules import assemble
from services.metadata.domain.tree import OwnsEverything
from services.metadata.store.memory import memory_stores
from services.metadata.wiring import content_servicer, file_servicer
from services.storage_router.api.storages import StorageServicer
from services.storage_router.domain.imports import Imports
from services.storage_router.domain.storages import Storage, Support
from services.storage_router.drivers.memory import MemoryDriver
from services.storage_router.store.memory_storage_users import MemoryStorageUserStore
from services.storage_router.workers.dir_stats_switch import DirStatsSwitch
from tests.support.gateway_data_port import PROVIDER_ID, DataPortTwin
from tests.support.router_rules import Router, StatsTwin
from tests.support.zone_shares import ZoneSharesTwin

KEY = ClusterKey(b"k" * 32)

ALL = sum(1 << privilege for privilege in SpacePrivilege)
DATA = 1 << SpacePrivilege.READ_DATA | 1 << SpacePrivilege.WRITE_DATA | 1 << SpacePrivilege.VIEW


#: Calls the gateway makes in its own name.
_AS_GATEWAY = ("claim_copy", "save_copy", "release_copy", "end_copy", "fail_copy", "renew_lease")


class MetadataTwin:
    """The metadata service's servicers, called directly as the caller of the request under way."""

    def __init__(self, clock: ManualClock) -> None:
        self.zone_shares = ZoneSharesTwin()
        self.stores = memory_stores()
        rules = assemble(
            self.stores,
            OwnsEverything(),
            clock,
            provider_id=PROVIDER_ID,
            token_secret=b"s" * 32,
            trash_retention_s=3600,
            zone_shares=self.zone_shares,
        )
        self.files = file_servicer(rules)
        self.contents = content_servicer(rules)
        self.copies = CopyServicer(rules.copies)
        self.undo_copies = rules.copies.undo_some
        self.links = LinkServicer(rules.links)
        self.bulk = BulkServicer(rules.bulk)
        self.subtrees = SubtreeServicer(rules.subtrees)
        self.trash = TrashServicer(rules.trash)
        self.spaces = SpaceServicer(rules.spaces, rules.usage_history, rules.owner_usage)
        self.usage_history = rules.usage_history
        self.owner_usage = rules.owner_usage
        self.access_history = AccessHistoryServicer(rules.access_history)
        self.xattrs = XattrServicer(rules.xattrs, rules.value_digests)
        self.queues = QueueServicer(rules.queues)
        self.shares = ShareServicer(rules.shares)
        self.distribution = DistributionServicer(rules.distribution)
        self.dir_stats_rules = rules.dir_stats
        self.dir_stats = DirStatsServicer(rules.dir_stats)
        self.changes = ChangeServicer(rules.changes, rules.change_feed)
        self.clean_tombstones = rules.repairs.clean_tombstones
        self.away: IsthmusError | None = None

    def __getattr__(self, name: str) -> Callable[[Any], Any]:
        method = "".join(word.capitalize() for word in name.split("_"))
        servicers = (
            self.files, self.links, self.subtrees, self.trash, self.contents, self.xattrs, self.shares,
            self.distribution, self.changes, self.bulk,
            self.spaces,
            self.access_history,
            self.dir_stats,
            self.copies,
            self.queues,
        )  # fmt: skip
        for servicer in servicers:
            if hasattr(servicer, method):
                call = self._call_as_gateway if name in _AS_GATEWAY else self._call
                return lambda request: call(getattr(servicer, method), request)
        raise AttributeError(name)

    async def get_change_heads(self, request: changes_pb2.GetChangeHeadsRequest) -> Any:
        """In the name of the gateway."""
        with as_caller(service_identity("gateway"), b""):
            return await self._call(self.changes.GetChangeHeads, request)

    async def note_accesses(self, request: access_history_pb2.NoteAccessesRequest) -> Any:
        """In the name of the gateway, or of a data port."""
        with as_caller(service_identity("gateway"), b""):
            return await self._call(self.access_history.NoteAccesses, request)

    async def _call_as_gateway(self, method: Callable[..., Any], request: Any) -> Any:
        with as_caller(service_identity("gateway"), b""):
            return await self._call(method, request)

    async def save_value_digest(self, request: xattrs_pb2.SaveValueDigestRequest) -> Any:
        """In the name of the gateway."""
        with as_caller(service_identity("gateway"), b""):
            return await self._call(self.xattrs.SaveValueDigest, request)

    async def _call(self, method: Callable[..., Any], request: Any) -> Any:
        if self.away is not None:
            raise self.away
        return await method(request, None)

    async def is_supported(self, space_id: str) -> bool:
        """The gateway's question about spaces."""
        with as_caller(service_identity("gateway"), b""):
            try:
                await self.spaces.GetSpaceUsage(spaces_pb2.GetSpaceUsageRequest(space_id=space_id), None)
            except IsthmusError:
                return False
        return True


@dataclass
class TokensTwin:
    """A zone that knows some tokens."""

    identities: dict[str, Identity] = field(default_factory=dict)

    async def authenticate(
        self, token: str | None, peer_ip: str, consumer_token: str | None = None
    ) -> tuple[Identity, bytes]:
        if token is None:
            return GUEST, b""
        if token not in self.identities:
            raise rebuild(Unauthenticated, "TOKEN_INVALID", "", {})
        identity = self.identities[token]
        return identity, KEY.sign(identity)


class InfoTwin:
    """A provider all of whose parts are up, unless told otherwise."""

    up = True
    has_room = True

    def configuration(self) -> dict[str, Any]:
        return {"providerId": PROVIDER_ID, "name": "<Provider>", "version": "21.02.8"}

    def components(self) -> dict[str, bool]:
        return {"metadata": self.up, "data_port": True, "database": self.has_room}

    async def zone_connected(self) -> bool:
        return self.up


class SpaceProvidersTwin:
    """A zone where this provider supports every space but `away1`."""

    async def of_spaces(self, space_ids: Sequence[str]) -> dict[str, list[SupportingProvider]]:
        here = SupportingProvider(PROVIDER_ID, "krakow", ("s1",))
        return {id: [here] for id in space_ids if id != "away1"}


@dataclass
class PrincipalsTwin:
    """Knows who is behind some ids."""

    names: dict[str, str] = field(default_factory=dict)

    async def of_acl(self, space_id: str, acl: Sequence[Entry]) -> dict[str, str]:
        return {
            entry.identifier: self.names[entry.identifier] for entry in acl if entry.identifier in self.names
        }


class StorageFilesTwin:
    """storage_router's servicer over storages in memory: imported `s1` of `home1`, plain `s2` of `twin1`."""

    def __init__(self) -> None:
        self._router = Router()
        self.users = MemoryStorageUserStore(self._router.store)
        imports = Imports(self._router.catalog, self.users, PROVIDER_ID)
        self._servicer = StorageServicer(
            self._router.storages,
            self._router.supports,
            self._router.catalog,
            self._router.drivers,
            NoSweeper(),
            imports,
            DirStatsSwitch(StatsTwin(), StatsTwin()),
        )

    async def start(self) -> None:
        """Makes the storages."""
        store = self._router.store
        for storage_id, space_id in (("s1", "home1"), ("s2", "twin1")):
            storage = Storage(
                storage_id, storage_id, "memory", {"mount_point": f"/{storage_id}"}, request_id=storage_id,
                imported=storage_id == "s1",
            )  # fmt: skip
            await store.add_storage(storage)
            await store.put_support(Support(space_id, storage_id, 1 << 40, f"support-{storage_id}"))
        await self._router.catalog.refresh()

    @property
    def driver(self) -> MemoryDriver:
        """The driver of `s1`."""
        return self._router.drivers.made["/s1"].inner

    async def inspect_storage_file(
        self, request: storages_pb2.InspectStorageFileRequest
    ) -> storages_pb2.InspectStorageFileResponse:
        return await self._servicer.InspectStorageFile(request, None)


class NoSweeper:
    """Nothing of this is about sweeps."""

    async def sweep_now(self, storage_id: str, *, min_age_s: float) -> tuple[int, int]:
        return 0, 0


class SignerTwin:
    """Says what it would sign."""

    def issue(self, ticket: Any) -> str:
        return f"https://direct/ticket/{ticket.method}-{ticket.file_id}-{ticket.size_bytes}"


def user(user_id: str, spaces: dict[str, SpaceRights]) -> Identity:
    """A user of some spaces."""
    return Identity(kind=Kind.USER, subject_id=user_id, spaces=spaces, expires_at_ms=1 << 60)


class GatewayTwin:
    """The application with three users: `owner` and `member` of the space `home`, and `stranger`.

    `http` speaks to it as `owner`, unless told another token or none.
    """

    def __init__(self, *, copy_wait_s: float = 5.0) -> None:
        self.clock = ManualClock()
        self._copy_wait_s = copy_wait_s
        #: Why changes are refused; empty while they are taken.
        self.refused_writes = ""
        self.metadata = MetadataTwin(self.clock)
        self.storages = StorageFilesTwin()
        self.info = InfoTwin()
        home = {
            "away1": SpaceRights("away", DATA, supported=False),
            "twin1": SpaceRights("twin", DATA),
            "twin2": SpaceRights("twin", DATA),
        }
        self.tokens = TokensTwin(
            {
                "owner": user("u1", {"home1": SpaceRights("home", ALL, owner=True), **home}),
                "member": user("u2", {"home1": SpaceRights("home", DATA)}),
                "stranger": user("u3", {"other1": SpaceRights("other", ALL)}),
            }
        )
        options = CdmiOptions(
            domain="door:8443",
            value_limit_bytes=4 << 20,
            large_bodies=2,
            copy_direct_bytes=1000,
            serials=SerialLimits(50, 2 << 20),
        )
        self.data_port = DataPortTwin(self.metadata)
        self.duplicates = Duplicates(self.metadata, self.data_port, Updates(self.metadata))
        self.digests = Digests(self.metadata, self.metadata, self.data_port)
        self.jobs = self.new_jobs()
        self.accesses = AccessCounter(self.metadata, self.clock)
        gate = Gate(self.tokens, self.metadata, self.accesses, provider_id=PROVIDER_ID)
        tickets = TicketRoutes(self.metadata, SignerTwin(), self.clock, life_s=300)
        plain = plain_routes(
            ShareRoutes(self.metadata, domain="door:8443", zone_domain="zone.example.org"),
            SpaceRoutes(SpaceProvidersTwin()),
            ChangeRoutes(
                self.metadata, ChangeHeads(self.metadata, pace_s=0.01), gate, self.clock, max_streams=2
            ),
            BulkRoutes(self.metadata),
            StatisticsRoutes(self.metadata, self.metadata, SpaceProvidersTwin(), self.clock),
            RegistrationRoutes(self.storages, self.metadata, self.clock, domain="door:8443"),
        )
        distribution = DistributionRoutes(self.metadata, self.metadata, SpaceProvidersTwin())
        self.principals = PrincipalsTwin()
        stats = DirStatsRoutes(self.metadata)
        listings = ListingRoutes(self.metadata, ListingMemory(1 << 20))
        self.remembered = AttributeMemory(MetadataLessor(self.metadata, "gateway"), self.clock)
        files = DataRoutes(self.metadata, gate, self.remembered)
        routes = rest_routes(
            self.metadata, files, listings, tickets, distribution, stats, self.principals, plain
        )
        described = [*rest_entries(routes), *direct_entries(), *cdmi_entries()]
        self.pages = build_pages(self.info, described, "21.02.8")
        self.app = Front(
            RestRouter(gate, routes),
            CdmiRouter(
                gate,
                self.metadata,
                self.data_port,
                self.metadata,
                self.principals,
                self.jobs,
                self.duplicates,
                Workshops(self.metadata, KEY, self.clock),
                self.digests,
                options,
                lambda: self.refused_writes,
            ),
            self.pages,
            provider_id=PROVIDER_ID,
        )
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=True),
            base_url="https://door:8443",
            headers={"x-auth-token": "owner"},
        )

    def new_jobs(self, **options: Any) -> CopyJobs:
        """Another gateway's copies, over the same records."""
        chosen = CopyOptions(**{"wait_s": self._copy_wait_s, "patience_s": 1.0, **options})
        return CopyJobs(self.metadata, self.metadata, self.duplicates, KEY, self.clock, chosen)

    async def settle_copies(self) -> None:
        """Has copies end whose gateway has died, when their leases are over."""
        self.clock.advance(31)
        await self.jobs.claim_some()
        async with asyncio.timeout(10):
            while self.jobs.running:
                await asyncio.sleep(0.01)

    async def start(self) -> None:
        """Makes the spaces."""
        await self.storages.start()
        with as_caller(service_identity("test"), b""):
            for space_id in ("home1", "twin1", "twin2", "other1"):
                await self.metadata.spaces.EnsureSpace(
                    spaces_pb2.EnsureSpaceRequest(space_id=space_id, quota_bytes=1 << 40), None
                )

    async def make(self, path: str, *, type: str = "REG", content: bytes | None = None, **more: Any) -> str:
        """Makes a file in `home` past the front door; its objectid."""
        *parents, name = path.split("/")
        identity, blob = await self.tokens.authenticate("owner", "")
        with as_caller(identity, blob):
            parent = files_pb2.FileRef(space_id="home1", path=parents)
            kind = {"REG": 1, "DIR": 2, "SYMLNK": 3}[type]
            await self.metadata.create_file(
                files_pb2.CreateFileRequest(
                    request_id=secrets.token_hex(8), parent=parent, name=name, type=kind, **more
                )
            )
        if content is not None:
            answer = await self.http.put(
                f"/cdmi/home/{quote(path)}",
                json={"value": content.decode(), "valuetransferencoding": "utf-8"},
                headers={"x-cdmi-specification-version": "1.1.1", "content-type": "application/cdmi-object"},
            )
            assert answer.status_code == 204, answer.text
        return await self.id_of(path)

    async def id_of(self, path: str) -> str:
        """The objectid of a path in `home`."""
        answer = await self.http.post(f"/api/v3/oneprovider/lookup-file-id/home/{quote(path)}")
        if answer.status_code != 200:
            raise NoSuchFile(answer.text)
        return str(answer.json()["fileId"])
