"""The programs of a stack: how each is started and in which stage."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stack.binaries import Binaries
from stack.ca import Certificates
from stack.envoy import bootstrap
from stack.layout import Layout, Site
from stack.mongo import USER, Secrets

# Stages are started one after the other, each when the one before is ready, and stopped in reverse.
FOUNDATION, CONTROL, SERVICES = range(3)
STAGES = (FOUNDATION, CONTROL, SERVICES)
MONGOD_CACHE_GB = "0.25"
# What an operator may set for all services at once; see `runtime.config`.
PASSED_ON = (
    "ISTHMUS_LOG_LEVEL",
    "ISTHMUS_LOG_FORMAT",
    "ISTHMUS_OTLP_ENDPOINT",
    "ISTHMUS_TRACE_SAMPLE_RATIO",
    "ISTHMUS_SLOW_CALL_MS",
    "ISTHMUS_ACCESS_LOG_PERCENT",
    "ISTHMUS_TOKEN_CACHE_S",
    "ISTHMUS_OIDC_FILE",
    "ISTHMUS_ASN_DATABASE",
    "ISTHMUS_COUNTRY_DATABASE",
    "ISTHMUS_LOGIN_TOKEN_TTL_S",
    "ISTHMUS_AUDIT_KEEP_S",
)


@dataclass(frozen=True)
class Process:
    """One program. `env` is added to the environment of whoever starts it."""

    name: str
    stage: int
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)


def all_processes(layout: Layout, binaries: Binaries, certificates: Certificates) -> list[Process]:
    """Every program of every site, in the order of starting."""
    found = [_mongod(layout, binaries.mongod)]
    for site in layout.sites:
        found += [_consul(site, binaries.consul), _envoy(site, binaries.envoy)]
        found += _services(site, certificates)
    return sorted(found, key=lambda process: process.stage)


def write_configuration(layout: Layout) -> None:
    """The files that Envoy and gRPC's xDS clients read at their start."""
    for site in layout.sites:
        site.folder.mkdir(parents=True, exist_ok=True)
        instances = range(1, layout.instances + 1)
        managers = [("127.0.0.1", site.port("cluster_manager", number)) for number in instances]
        config = bootstrap(
            node_id=f"envoy{site.suffix}",
            host_id=site.host_id,
            control_plane=managers,
            admin_port=site.port("envoy_admin"),
        )
        (site.folder / "envoy.json").write_text(json.dumps(config, indent=1))
        addresses = ",".join(f"{host}:{port}" for host, port in managers)
        server = {
            "server_uri": f"ipv4:{addresses}",
            "channel_creds": [{"type": "insecure"}],
            "server_features": ["xds_v3"],
        }
        xds = {"xds_servers": [server], "node": {"id": f"services{site.suffix}"}}
        (site.folder / "xds.json").write_text(json.dumps(xds, indent=1))


def _mongod(layout: Layout, binary: Path) -> Process:
    command = [str(binary), "--dbpath", str(layout.run_dir / "mongod"), "--bind_ip", "127.0.0.1"]
    command += ["--port", str(layout.first.port("mongod")), "--replSet", "rs0", "--nounixsocket", "--quiet"]
    command += ["--wiredTigerCacheSizeGB", MONGOD_CACHE_GB, "--oplogSize", "256"]
    # With a key, nobody gets in without a user.
    command += ["--keyFile", str(Secrets.below(layout.secrets).key)]
    for name, value in (
        ("diagnosticDataCollectionEnabled", "false"),
        ("shutdownTimeoutMillisForSignaledShutdown", "500"),
    ):
        command += ["--setParameter", f"{name}={value}"]
    return Process("mongod", FOUNDATION, command)


def _consul(site: Site, binary: Path) -> Process:
    hcl = (
        'disable_update_check=true session_ttl_min="1s" leave_on_terminate=false '
        "performance { raft_multiplier = 1 } limits { http_max_conns_per_client = 4096 }"
    )
    command = [str(binary), "agent", "-server", "-bootstrap-expect=1", f"-data-dir={site.folder / 'consul'}"]
    command += [
        "-bind=127.0.0.1",
        "-client=127.0.0.1",
        "-disable-host-node-id",
        f"-node=isthmus{site.number}",
    ]
    command += [f"-config-file={site.consul_secrets.configuration}"]
    command += [f"-http-port={site.port('consul')}", "-dns-port=-1", "-grpc-port=-1"]
    command += [f"-serf-lan-port={site.port('consul_lan')}", f"-serf-wan-port={site.port('consul_wan')}"]
    command += [f"-server-port={site.port('consul_server')}", "-log-level=error", "-hcl", hcl]
    return Process(f"consul{site.suffix}", FOUNDATION, command)


def _envoy(site: Site, binary: Path) -> Process:
    workers = max(1, (os.cpu_count() or 1) // 2)
    command = [str(binary), "-c", str(site.folder / "envoy.json"), "--concurrency", str(workers)]
    return Process(f"envoy{site.suffix}", CONTROL, [*command, "-l", "warn", "--disable-hot-restart"])


def _services(site: Site, certificates: Certificates) -> list[Process]:
    found = []
    for number in range(1, site.layout.instances + 1):
        found.append(_service(site, "cluster_manager", number, CONTROL, _cluster_manager(site, certificates)))
        if site.has_zone:
            found.append(_service(site, "zone", number, CONTROL, _zone(site, number)))
        found.append(_service(site, "metadata", number, SERVICES, _metadata(site)))
        found.append(_service(site, "storage_router", number, SERVICES, _storage_router(site, number)))
        found.append(_service(site, "gateway", number, SERVICES, _gateway(site, number)))
    return found


def _service(site: Site, service: str, number: int, stage: int, own: Mapping[str, str]) -> Process:
    common = {
        "ISTHMUS_INSTANCE_ID": f"{service}-{number}",
        "ISTHMUS_HOST_ID": site.host_id,
        "ISTHMUS_CONSUL_URL": site.consul_url,
        "ISTHMUS_CONSUL_TOKEN_FILE": str(site.consul_secrets.token),
        "ISTHMUS_CLUSTER_KEY_FILE": str(site.cluster_key),
        "ISTHMUS_METRICS_PORT": str(site.port(f"metrics_{service}", number)),
        "GRPC_XDS_BOOTSTRAP": str(site.folder / "xds.json"),
        "GRPC_VERBOSITY": "ERROR",
        "PYTHONUNBUFFERED": "1",
    }
    if service != "gateway":
        common["ISTHMUS_GRPC_PORT"] = str(site.port(service, number))
    passed_on = {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)}
    command = [sys.executable, "-m", f"services.{service}"]
    return Process(f"{service}-{number}{site.suffix}", stage, command, {**common, **passed_on, **own})


def _cluster_manager(site: Site, certificates: Certificates) -> dict[str, str]:
    return {
        "ISTHMUS_ENVOY_HTTPS_PORT": str(site.port("https")),
        "ISTHMUS_ENVOY_LISTEN_HOST": site.layout.listen_host,
        "ISTHMUS_TLS_CERT_FILE": str(certificates.server),
        "ISTHMUS_TLS_KEY_FILE": str(certificates.server_key),
        "ISTHMUS_SERVES_ZONE": str(site.has_zone).lower(),
        **_provider(site),
    }


def _zone(site: Site, number: int) -> dict[str, str]:
    return {
        **_mongo(site, "isthmus_zone"),
        "ISTHMUS_HTTP_PORT": str(site.port("zone_http", number)),
        "ISTHMUS_HTTP_UDS": str(site.layout.sockets / f"zone-{number}.sock"),
        "ISTHMUS_ZONE_DOMAIN": site.layout.zone_domain,
        "ISTHMUS_ADMIN_PASSWORD_FILE": str(site.layout.secrets / "admin.password"),
    }


def _metadata(site: Site) -> dict[str, str]:
    return {
        **_mongo(site, f"isthmus_metadata{site.suffix}"),
        **_provider(site),
    }


def _storage_router(site: Site, number: int) -> dict[str, str]:
    port = site.port("data_port", number)
    return {
        **_mongo(site, f"isthmus_storage_router{site.suffix}"),
        "ISTHMUS_DATA_PORT_PORT": str(port),
        "ISTHMUS_DATA_PORT_UDS": str(site.layout.sockets / f"data_port-{number}{site.suffix}.sock"),
        "ISTHMUS_DATA_PORT_URL": f"http://127.0.0.1:{port}",
        "ISTHMUS_PUBLIC_DOMAIN": site.domain,
        **_provider(site),
    }


def _mongo(site: Site, database: str) -> dict[str, str]:
    return {
        "ISTHMUS_MONGO_URL": site.mongo_url,
        "ISTHMUS_MONGO_USER": USER,
        "ISTHMUS_MONGO_PASSWORD_FILE": str(Secrets.below(site.layout.secrets).password),
        "ISTHMUS_MONGO_DATABASE": database,
    }


def _gateway(site: Site, number: int) -> dict[str, str]:
    return {
        "ISTHMUS_HTTP_PORT": str(site.port("gateway", number)),
        "ISTHMUS_GATEWAY_UDS": str(site.layout.sockets / f"gateway-{number}{site.suffix}.sock"),
        "ISTHMUS_PUBLIC_DOMAIN": site.domain,
        **_provider(site),
    }


def _provider(site: Site) -> dict[str, str]:
    """Who the provider is, and where its zone answers gRPC: by xDS at home, else by its addresses."""
    first, instances = site.layout.first, range(1, site.layout.instances + 1)
    away = "ipv4:" + ",".join(f"127.0.0.1:{first.port('zone', number)}" for number in instances)
    return {
        "ISTHMUS_PROVIDER_FILE": str(site.provider_file),
        "ISTHMUS_ZONE_GRPC_TARGET": "xds:///zone" if site.has_zone else away,
    }
