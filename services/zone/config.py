"""Settings of the zone."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from runtime.config import MongoSettings, Port


class Settings(MongoSettings):
    """What a zone is told besides what every process is."""

    service_name: ClassVar[str] = "zone"

    mongo_database: str = "isthmus_zone"
    #: Port of REST for the front door; 0 takes any free one.
    http_port: Port = 0
    #: Unix socket for a front door on the same host; empty: none.
    http_uds: str = ""
    #: Host, and port if it is not 443, by which users reach the zone. Written into every token and location.
    zone_domain: str = Field(min_length=1, max_length=260)
    #: Name of the zone as people read it.
    zone_name: str = "Isthmus zone"
    #: Password of the first administrator (`admin`). Taken from here if the file is there at the first start,
    #: else made up and written here, for the operator to read.
    admin_password_file: Path
    #: Silence after which a provider counts as offline.
    provider_offline_after_s: float = Field(default=30.0, ge=1, le=86_400)
    #: Whether any user may invite providers, not only who has `oz_providers_invite`.
    open_provider_registration: bool = False
    #: Longest life of temporary tokens.
    max_temporary_token_ttl_s: int = Field(default=2_592_000, ge=60)
    #: How long a support token is good.
    support_token_ttl_s: int = Field(default=86_400, ge=60)
    #: How long a provider may go on for a user who has left, in long jobs.
    offline_token_ttl_s: int = Field(default=604_800, ge=60)
    #: How long the token is good that a log-in by an identity provider gives.
    login_token_ttl_s: int = Field(default=28_800, ge=60)
    #: Databases of addresses in MaxMind's format (mmdb): of autonomous systems, and of countries (or cities).
    #: Without one, tokens with `asn`, or `geo.country` and `geo.region`, caveats are good for nothing.
    asn_database: Path | None = None
    country_database: Path | None = None
    #: File (JSON, a list) with the identity providers by which users may log in: `id`, `issuer`, `client_id`,
    #: `client_secret`, `scope`. They send the browser back to `<zone>/api/v3/onezone/login/<id>/callback`.
    oidc_file: Path | None = None
    #: How long the audit log keeps its notes.
    audit_keep_s: int = Field(default=400 * 86_400, ge=86_400)
    #: Least a provider may promise to a space.
    minimum_support_bytes: int = Field(default=1_000_000, ge=1)
    #: Requests served at a time; more are refused with 503.
    max_concurrent_requests: int = Field(default=1024, ge=16, le=65_536)
