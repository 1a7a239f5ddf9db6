"""Where everything of a stack lies: folders, ports, sockets. Plain values, worked out from a few choices."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stack.consul import Secrets
from stack.errors import StackError

REPO = Path(__file__).resolve().parent.parent
DEFAULT_BASE_PORT = 8443
PORTS_PER_SITE = 60
NOTE = "layout.json"
KEPT = ("base_port", "public_host")
MAX_INSTANCES = 4
MAX_PROVIDERS = 4
# A Unix socket's path has at most 107 bytes; the longest name in the folder has about 30.
MAX_SOCKET_DIR_BYTES = 70

# First port of each kind, counted from the site's own first one. Services have one for each instance.
OFFSETS = {
    "https": 0,
    "envoy_admin": 1,
    "mongod": 2,
    "consul": 3,
    "consul_lan": 4,
    "consul_wan": 5,
    "consul_server": 6,
    "cluster_manager": 8,
    "zone": 12,
    "zone_http": 16,
    "metadata": 20,
    "storage_router": 24,
    "data_port": 28,
    "gateway": 32,
    "metrics_cluster_manager": 36,
    "metrics_zone": 40,
    "metrics_metadata": 44,
    "metrics_storage_router": 48,
    "metrics_gateway": 52,
}


@dataclass(frozen=True)
class Layout:
    """One stack: a zone and its providers on this machine, all state below `run_dir`.

    `base_port` is the HTTPS port of the first provider; every other port follows from it.
    """

    run_dir: Path
    base_port: int = DEFAULT_BASE_PORT
    providers: int = 1
    instances: int = 2
    listen_host: str = "127.0.0.1"
    public_host: str = "localhost"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_ca: Path | None = None

    @property
    def sites(self) -> tuple[Site, ...]:
        return tuple(Site(self, number) for number in range(1, self.providers + 1))

    @property
    def first(self) -> Site:
        """The site that also holds the zone and the one mongod."""
        return Site(self, 1)

    @property
    def logs(self) -> Path:
        return self.run_dir / "logs"

    @property
    def secrets(self) -> Path:
        return self.run_dir / "secrets"

    @property
    def sockets(self) -> Path:
        """Folder for Unix sockets: in the run folder, or a short one of our own if that is too deep."""
        folder = self.run_dir / "sockets"
        if len(os.fsencode(folder)) <= MAX_SOCKET_DIR_BYTES:
            return folder
        digest = hashlib.sha256(os.fsencode(self.run_dir)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"isthmus-{os.geteuid()}-{digest}"

    @property
    def stack_env(self) -> Path:
        return self.run_dir / "stack.env"

    @property
    def zone_domain(self) -> str:
        return self.first.domain


@dataclass(frozen=True)
class Site:
    """One provider with what is its own: Consul, Envoy, services, databases, storage."""

    layout: Layout
    number: int

    @property
    def suffix(self) -> str:
        """What its names end with: nothing for the first, `_2` for the second."""
        return "" if self.number == 1 else f"_{self.number}"

    @property
    def has_zone(self) -> bool:
        return self.number == 1

    @property
    def host_id(self) -> str:
        return f"{socket.gethostname()}{self.suffix}"

    @property
    def folder(self) -> Path:
        return self.layout.run_dir / f"site{self.number}"

    @property
    def storage(self) -> Path:
        """Where the bytes of users' files are."""
        return self.layout.run_dir / f"storage{self.suffix}"

    @property
    def provider_file(self) -> Path:
        return self.layout.secrets / f"provider{self.suffix}.json"

    @property
    def cluster_key(self) -> Path:
        return self.layout.secrets / f"cluster{self.suffix}.key"

    @property
    def domain(self) -> str:
        """What users call it: host and HTTPS port."""
        port = self.port("https")
        return self.layout.public_host if port == 443 else f"{self.layout.public_host}:{port}"

    @property
    def url(self) -> str:
        return f"https://{self.domain}"

    @property
    def consul_url(self) -> str:
        return f"http://127.0.0.1:{self.port('consul')}"

    @property
    def consul_secrets(self) -> Secrets:
        return Secrets.below(self.layout.secrets, self.suffix)

    @property
    def mongo_address(self) -> str:
        return f"127.0.0.1:{self.layout.first.port('mongod')}"

    @property
    def mongo_url(self) -> str:
        return f"mongodb://{self.mongo_address}/?replicaSet=rs0"

    def port(self, kind: str, instance: int = 1) -> int:
        """A port by kind (see OFFSETS) and, for services, instance from 1 on."""
        return self.layout.base_port + (self.number - 1) * PORTS_PER_SITE + OFFSETS[kind] + instance - 1

    def ports(self) -> dict[str, int]:
        """All ports this site listens on, by what listens there."""
        skipped = set() if self.has_zone else {"mongod", "zone", "zone_http", "metrics_zone"}
        found: dict[str, int] = {}
        for kind, offset in OFFSETS.items():
            if kind in skipped:
                continue
            count = self.layout.instances if offset >= OFFSETS["cluster_manager"] else 1
            for instance in range(1, count + 1):
                found[f"{kind}-{instance}{self.suffix}"] = self.port(kind, instance)
        return found


def from_environment(environment: Mapping[str, str] | None = None) -> Layout:
    """The layout that the environment asks for. Raises StackError for values that cannot be."""
    known = os.environ if environment is None else environment
    cert, key = known.get("ISTHMUS_TLS_CERT"), known.get("ISTHMUS_TLS_KEY")
    if bool(cert) != bool(key):
        raise StackError("Only one of ISTHMUS_TLS_CERT and ISTHMUS_TLS_KEY is set", "Set both, or neither")
    run_dir = Path(known.get("ISTHMUS_RUN_DIR") or REPO / ".run").resolve()
    usual_port = _remembered_port(run_dir) or DEFAULT_BASE_PORT
    return Layout(
        run_dir=run_dir,
        base_port=_number(known, "ISTHMUS_BASE_PORT", usual_port, 1, 65535 - 5 * PORTS_PER_SITE),
        providers=_number(known, "PROVIDERS", 1, 1, MAX_PROVIDERS),
        instances=_number(known, "ISTHMUS_INSTANCES", 2, 1, MAX_INSTANCES),
        listen_host=known.get("ISTHMUS_FRONT_DOOR_HOST") or "127.0.0.1",
        public_host=known.get("ISTHMUS_PUBLIC_HOST") or "localhost",
        tls_cert=_readable("ISTHMUS_TLS_CERT", cert),
        tls_key=_readable("ISTHMUS_TLS_KEY", key),
        tls_ca=_readable("ISTHMUS_TLS_CA", known.get("ISTHMUS_TLS_CA")),
    )


def remember(layout: Layout) -> None:
    """Note the choices that are written into the databases too, so that they are the same next time."""
    layout.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    (layout.run_dir / NOTE).write_text(json.dumps({name: getattr(layout, name) for name in KEPT}))


def remembered(run_dir: Path) -> dict[str, object]:
    """The choices a run folder was made with; empty for a new one."""
    try:
        return dict(json.loads((run_dir / NOTE).read_text()))
    except FileNotFoundError:
        return {}


def _remembered_port(run_dir: Path) -> int | None:
    port = remembered(run_dir).get("base_port")
    return port if isinstance(port, int) else None


def _number(known: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = known.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise StackError(f"{name}={text} is no number from {low} to {high}", f"Correct or unset {name}")
    return int(text)


def _readable(name: str, value: str | None) -> Path | None:
    if not value:
        return None
    path = Path(value).expanduser().resolve()
    if not os.access(path, os.R_OK):
        raise StackError(f"{name}={value} cannot be read", f"Correct or unset {name}")
    return path
