"""Puts a data port together from what it needs."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass, field

from runtime.auth import ClusterKey
from runtime.breaker import Breaker, closed
from runtime.clock import Clock
from services.storage_router import metrics
from services.storage_router.api.data_port.archives import ArchiveFront
from services.storage_router.api.data_port.callers import Authenticator, Callers, Network
from services.storage_router.api.data_port.cdmi import CdmiFront
from services.storage_router.api.data_port.content import Service
from services.storage_router.api.data_port.downloads import Downloads
from services.storage_router.api.data_port.limits import Limits
from services.storage_router.api.data_port.parts import PartUploading
from services.storage_router.api.data_port.rest import RestFront
from services.storage_router.api.data_port.rest_create import Creation
from services.storage_router.api.data_port.routes import Routes
from services.storage_router.api.data_port.server import DataPort
from services.storage_router.api.data_port.tickets import TicketFront
from services.storage_router.api.data_port.transfer import Transfers
from services.storage_router.api.data_port.uploading import Uploading
from services.storage_router.domain.accesses import Accesses
from services.storage_router.domain.archives import Directories
from services.storage_router.domain.catalog import Catalog
from services.storage_router.domain.contents import Contents
from services.storage_router.domain.copying import Copying
from services.storage_router.domain.names import Names
from services.storage_router.domain.reading import Reading
from services.storage_router.domain.uploads import Uploads


@dataclass(frozen=True, slots=True)
class PortSettings:
    """Where the port listens and from which size on a body goes to a thread. `front_doors`: see Callers."""

    host: str = "127.0.0.1"
    port: int = 0
    uds: str = ""
    provider_id: str = ""
    domain: str = "localhost"
    inline_bytes: int = 64 * 1024
    collect_bytes: int = 256 * 1024
    front_doors: tuple[Network, ...] = ()
    slow_s: float = 0.5
    drain_s: float = 0.0
    limits: Limits = field(default_factory=Limits)


def assemble(
    settings: PortSettings,
    *,
    contents: Contents,
    names: Names,
    directories: Directories,
    catalog: Catalog,
    accesses: Accesses,
    authenticator: Authenticator,
    key: ClusterKey,
    clock: Clock,
    pool: Executor,
    breaker: Breaker = closed,
) -> DataPort:
    """A data port that does not listen yet. `pool`: one thread for each large body at a time."""
    limits = settings.limits
    transfers = Transfers(pool, stall_timeout_s=limits.stall_timeout_s)
    reading, uploads = Reading(contents, catalog), Uploads(contents, catalog)
    uploading = Uploading(uploads, transfers, accesses, clock, collect_bytes=settings.collect_bytes)
    service = Service(
        contents=contents,
        reading=reading,
        directories=directories,
        downloads=Downloads(transfers, accesses, inline_bytes=settings.inline_bytes),
        uploading=uploading,
        part_uploading=PartUploading(uploads, uploading),
        copying=Copying(reading, uploads, small_bytes=settings.collect_bytes),
        provider_id=settings.provider_id,
        domain=settings.domain,
    )
    callers = Callers(authenticator, key, clock, settings.front_doors)
    routes = Routes(
        rest_front=RestFront(service, catalog, Creation(service, names)),
        cdmi_front=CdmiFront(service),
        archive_front=ArchiveFront(service, directories, transfers, accesses, key, clock),
        ticket_front=TicketFront(service, key, clock),
        callers=callers,
        provider_id=settings.provider_id,
        stall_timeout_s=limits.stall_timeout_s,
        slow_s=settings.slow_s,
        breaker=breaker,
    )
    metrics.REQUESTS_UNDER_WAY.set_function(lambda: routes.under_way)
    return DataPort(
        routes,
        transfers,
        limits,
        host=settings.host,
        port=settings.port,
        uds=settings.uds,
        drain_s=settings.drain_s,
        trusts=callers.is_front_door,
    )
