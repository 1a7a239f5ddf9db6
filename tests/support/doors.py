"""Made-up members and a front door for tests of the control plane's rules."""

from __future__ import annotations

from typing import Any

from services.cluster_manager.domain.catalog import Endpoint
from services.cluster_manager.domain.door import Door


def door(**changes: Any) -> Door:
    """A site's settings."""
    settings: dict[str, Any] = {
        "https_port": 8443,
        "listen_host": "127.0.0.1",
        "tls_cert_file": "/tls/server.pem",
        "tls_key_file": "/tls/server.key",
        "stream_idle_timeout_s": 900,
        "upstream_check_interval_s": 2,
        "gateway_silence_s": 30,
        "data_port_silence_s": 75,
        "access_log_file": "/dev/stdout",
        "access_log_percent": 1.0,
        "serves_zone": True,
    }
    return Door(**{**settings, **changes})


def endpoint(service: str, port: int, **changes: Any) -> Endpoint:
    """A member of `service`."""
    return Endpoint(service=service, instance_id=f"{service}-{port}", host="10.0.0.1", port=port, **changes)
