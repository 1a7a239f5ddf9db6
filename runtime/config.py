"""Settings every process has. Read once in `__main__`, then handed on as plain values.

Each setting comes from an environment variable: prefix ISTHMUS_, then the field's name in capitals. An empty
variable counts as not set.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

ENV_PREFIX = "ISTHMUS_"

#: 0 lets the system choose a free port.
Port = Annotated[int, Field(ge=0, le=65535)]


S = TypeVar("S", bound="RuntimeSettings")


class BadSettings(Exception):
    """The process can't start as it is set up; the message is one line for the operator."""


@dataclass(frozen=True, slots=True)
class ConsulAddress:
    """Where a Consul agent is, and the token that it asks for, if any."""

    url: str
    token: str = field(default="", repr=False)


class RuntimeSettings(BaseSettings):
    """What a process of any service is told. Services add their own fields."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_ignore_empty=True, frozen=True, extra="forbid"
    )

    #: Name in Consul, in logs and in service identities.
    service_name: ClassVar[str] = "isthmus"

    #: Unique among all instances of all services, e.g. `metadata-1`.
    instance_id: str = Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._-]+$")
    #: Same for all processes that share a host, so that they use Unix sockets; empty: none do.
    host_id: str = ""
    #: Where servers listen. Only ever loopback or an internal network.
    listen_host: str = "127.0.0.1"
    #: Where others reach this process; by default `listen_host`, or this host's own address if that is "any".
    advertise_host: str = Field(default_factory=lambda known: _own_address(known.get("listen_host", "")))
    grpc_port: Port = 0
    #: Port of /metrics; 0 turns it off, -1 takes any free one.
    metrics_port: int = Field(default=0, ge=-1, le=65535)
    consul_url: str = "http://127.0.0.1:8500"
    #: File with the token that Consul asks for; none where it asks nobody.
    consul_token_file: Path | None = None
    #: The secret all processes of a provider (or of a zone) share; see `runtime.auth.ClusterKey`.
    cluster_key_file: Path
    #: Who this provider is to its zone; see `ProviderFile`.
    provider_file: Path | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    #: `console` for people, `json` for machines.
    log_format: Literal["json", "console"] = "json"
    #: Where spans go (OTLP over HTTP), e.g. `http://127.0.0.1:4318`; empty turns tracing off.
    otlp_endpoint: str = ""
    #: Share of traces begun here that are recorded; a caller's decision is followed.
    trace_sample_ratio: float = Field(default=0.1, ge=0, le=1)
    #: Calls that take longer are logged.
    slow_call_ms: int = Field(default=500, ge=1)
    #: How long a server still answers after it has left Consul, so that callers have noticed.
    drain_s: float = Field(default=1.0, ge=0, le=60)

    @property
    def consul(self) -> ConsulAddress:
        """Where Consul is, and what opens it. Raises BadSettings when the token's file can't be read."""
        return ConsulAddress(self.consul_url, _secret_in(self.consul_token_file))


class MongoSettings(RuntimeSettings):
    """What a process that keeps something in MongoDB is told besides."""

    #: Replica set or sharded cluster, e.g. `mongodb://127.0.0.1:27017/?replicaSet=rs0`. May hold name and
    #: password; in a file of their own they are in no process list and no environment.
    mongo_url: SecretStr
    #: Who this process is to MongoDB; empty where the server asks nobody.
    mongo_user: str = ""
    #: File with the password of `mongo_user`.
    mongo_password_file: Path | None = None

    def mongo_password(self) -> str:
        """Empty when no file is named. Raises BadSettings when it can't be read."""
        return _secret_in(self.mongo_password_file)


class ProviderFile(BaseModel):
    """Who this provider is to its zone, as written at registration (JSON)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    provider_id: str = Field(min_length=1)
    root_token: SecretStr
    name: str
    domain: str
    zone_domain: str

    @classmethod
    def load(cls, path: Path) -> ProviderFile:
        """Raises BadSettings with the file's name, never with its content."""
        try:
            return cls.model_validate(json.loads(path.read_bytes()))
        except OSError as error:
            raise BadSettings(f"provider file {path}: {error.strerror}") from error
        except ValidationError as error:
            raise BadSettings(f"provider file {path}: {_in_one_line(error)}") from error
        except ValueError as error:
            raise BadSettings(f"provider file {path}: not JSON") from error


def _secret_in(file: Path | None) -> str:
    """What the file holds; empty when none is named. Raises BadSettings when it can't be read."""
    if file is None:
        return ""
    try:
        return file.read_text().strip()
    except OSError as error:
        raise BadSettings(f"secret file {file}: {error.strerror}") from error


def read_settings(settings_class: type[S]) -> S:
    """Settings from the environment. Raises BadSettings that names each variable at fault."""
    try:
        return settings_class()
    except ValidationError as error:
        raise BadSettings(_in_one_line(error, prefix=ENV_PREFIX)) from None


def _in_one_line(error: ValidationError, *, prefix: str = "") -> str:
    """Which fields are wrong and why, without the values: they may be secrets."""
    return "; ".join(
        f"{_field_name(each['loc'], prefix)}: {each['msg']}"
        for each in error.errors(include_url=False, include_input=False, include_context=False)
    )


def _field_name(location: Sequence[int | str], prefix: str) -> str:
    name = ".".join(str(step) for step in location)
    return (prefix + name).upper() if prefix else name


def _own_address(listen_host: str) -> str:
    """The address of the interface that leads outside, when a server listens on all of them."""
    if listen_host not in ("0.0.0.0", "::"):  # noqa: S104  # compared, not bound
        return listen_host
    family, target = (socket.AF_INET6, "2001:db8::1") if ":" in listen_host else (socket.AF_INET, "192.0.2.1")
    with socket.socket(family, socket.SOCK_DGRAM) as probe:  # connecting a datagram socket sends nothing
        try:
            probe.connect((target, 9))
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostbyname(socket.gethostname())
