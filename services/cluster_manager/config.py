"""Settings of cluster_manager; see `runtime.config` for those every service has."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from runtime.config import Port, RuntimeSettings


class Settings(RuntimeSettings):
    """Most fields describe Envoy, which is told them from here: files and addresses as Envoy sees them."""

    service_name: ClassVar[str] = "cluster_manager"

    #: The one port of the site for everything.
    envoy_https_port: Port = 8443
    #: 0.0.0.0 opens the front door to other machines.
    envoy_listen_host: str = "127.0.0.1"
    #: Certificate chain and key of the front door, PEM.
    tls_cert_file: str
    tls_key_file: str
    #: How long a request or an answer may make no progress at all.
    stream_idle_timeout_s: float = Field(default=900.0, gt=0)
    #: How often Envoy looks whether an instance is alive; after three failures it gets no requests.
    upstream_check_interval_s: float = Field(default=2.0, gt=0)
    #: A try in which no byte moves for so long is given up and made elsewhere, if the request can be sent
    #: again. Longer than the gateway takes for any answer (25 s) and than the data port waits for a silent
    #: client (60 s): what is silent for longer hangs.
    gateway_silence_s: float = Field(default=30.0, gt=0)
    data_port_silence_s: float = Field(default=75.0, gt=0)
    #: Where Envoy writes a JSON line for a sample of the requests, in percent, and for every server error.
    access_log_file: str = "/dev/stdout"
    access_log_percent: float = Field(default=1.0, ge=0, le=100)
    #: Whom Envoy trusts when `otlp_endpoint` is https.
    otlp_ca_file: str = "/etc/ssl/certs/ca-certificates.crt"
    #: Whether the zone runs behind this front door.
    serves_zone: bool = True
    #: Where the zone's gRPC is: by xDS in the zone's own site, else `host:port`.
    zone_grpc_target: str = "xds:///zone"
    #: How often the zone is told that this provider is up. The zone calls it offline after 30 s of silence.
    zone_report_interval_s: float = Field(default=5.0, gt=0)
