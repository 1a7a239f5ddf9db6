"""Settings of every process: the environment in, typed values out, read once.

All variables begin with ISTHMUS_. A service adds its own fields in `services/<name>/config.py`. Defaults work on a
laptop; a field's comment says why one would change it.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from pydantic_settings import BaseSettings, SettingsConfigDict

#: Version of Isthmus itself.
VERSION = "0.1.0"
#: Version told to Onedata's clients; they choose the attribute API by it.
ONEDATA_VERSION = "21.02.8"


class RuntimeSettings(BaseSettings):
    """What every service needs to know."""

    model_config = SettingsConfigDict(env_prefix="ISTHMUS_", frozen=True, extra="forbid")

    service_name: ClassVar[str] = ""

    #: Unique in the cluster; a fixed one keeps logs of restarts together.
    instance_id: str = ""
    #: Same on all processes of one machine that share a file system; lets Envoy use Unix sockets.
    host_id: str = ""
    #: 0.0.0.0 where others reach this process over a network of its own, as in containers.
    listen_host: str = "127.0.0.1"
    #: Address that others are told; needed when it differs from where this process listens.
    advertise_host: str = ""
    #: 0 takes any free port.
    grpc_port: int = 0
    #: Port of /metrics, for the inside only; 0 is off.
    metrics_port: int = 0
    consul_url: str = "http://127.0.0.1:8500"
    #: 32 random bytes that all processes of one provider share and nobody else may read.
    cluster_key_file: Path
    #: Who this provider is; written when it registers at the zone.
    provider_file: Path | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    #: `console` for people.
    log_format: Literal["json", "console"] = "json"
    #: OpenTelemetry collector, e.g. http://127.0.0.1:4317; empty is off.
    otlp_endpoint: str = ""
    #: Share of requests traced, 0..1.
    trace_sample_ratio: float = 0.05
    #: Calls that take longer are logged.
    slow_call_ms: int = 500
    #: After deregistering, how long calls of those who have not heard of it are still served.
    drain_s: float = 1.0

    def instance(self, service: str | None = None) -> str:
        """Instance id under which `service` registers; the suffix is that of this process."""
        service = service or self.service_name
        suffix = self.instance_id.rpartition("-")[2] if self.instance_id else _random_suffix()
        return f"{service}-{suffix}"

    @property
    def advertised_host(self) -> str:
        """The address others find this process at."""
        if self.advertise_host:
            return self.advertise_host
        if self.listen_host in ("0.0.0.0", "::"):  # noqa: S104  # compared, not bound
            return socket.gethostbyname(socket.gethostname())
        return self.listen_host

    def provider(self) -> Provider:
        """The provider's own record. Raises FileNotFoundError or ValueError with a plain message."""
        if self.provider_file is None:
            raise ValueError(
                "ISTHMUS_PROVIDER_FILE is not set: this service belongs to a registered provider"
            )
        return Provider.load(self.provider_file)


@dataclass(frozen=True, slots=True)
class Provider:
    """Who this provider is in its zone, and the token that proves it."""

    provider_id: str
    root_token: str
    name: str
    domain: str
    zone_domain: str

    @classmethod
    def load(cls, path: Path) -> Provider:
        """Reads the file. Raises ValueError when it is not what registration wrote."""
        try:
            record = json.loads(path.read_text())
            return cls(**{name: str(record[name]) for name in cls.__slots__})
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"{path} is not a provider file: {error!r}") from error

    def __repr__(self) -> str:
        return f"Provider({self.provider_id!r}, {self.name!r}, {self.domain!r})"


_suffix = ""


def _random_suffix() -> str:
    """One suffix a process, so that all it registers is recognised as one."""
    global _suffix  # noqa: PLW0603
    if not _suffix:
        _suffix = f"{os.getpid():x}{secrets.token_hex(3)}"
    return _suffix
