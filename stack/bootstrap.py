"""What a fresh stack needs before anybody can store a file: a registered provider, users, a space, a storage.

Everything goes through the public roads (REST of the zone, gRPC of the operators at the front door), and
every step looks first whether it has been done, so that a broken start is simply repeated.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients.cli.operator import Operator, operator
from clients.cli.settings import Settings
from clients.http_api import HttpApi, RefusedError, json_object
from clients.rest import ProviderClient
from clients.zone_rest import ZoneClient
from runtime.auth import ClusterKey, to_text
from runtime.identity import Identity, Kind
from runtime.secret_file import write_secret
from stack.layout import Layout, Site
from stack.secrets import ensure_password

ZONE_API = "/api/v3/onezone"
ADMIN = "admin"
OWNER, MEMBER = "owner", "member"
SPACE = "demo"
STORAGE = "local"
TOKEN_NAME = "make up"  # noqa: S105 - a name, no secret
SUPPORT_BYTES = 100 << 30
OPERATOR_TOKEN_DAYS = 365
PROBE = b"Is it true? It is.\n"


@dataclass(frozen=True)
class Demo:
    """What users of the stack are told."""

    space_id: str
    owner_token: str
    member_token: str


def admin_password(layout: Layout) -> str:
    """Password of the zone's first administrator, made before the zone starts for the first time."""
    return ensure_password(layout.secrets / "admin.password")


def register_provider(site: Site) -> None:
    """Make the site known to the zone, once; the file it leaves is what its services start with."""
    if site.provider_file.exists():
        return
    layout = site.layout
    admin = (ADMIN, admin_password(layout))
    with HttpApi(layout.first.url, basic=admin, ca_file=ca_file(layout)) as zone:
        invitation = json_object(
            zone.request("POST", f"{ZONE_API}/user/clusters/provider_registration_token")
        )
    body = {
        "token": invitation["token"],
        "name": f"isthmus{site.suffix}",
        "adminEmail": "admin@example.org",
        "subdomainDelegation": False,
        "domain": site.domain,
    }
    with HttpApi(layout.first.url, ca_file=ca_file(layout)) as zone:
        granted = json_object(zone.request("POST", f"{ZONE_API}/providers", body=body))
    provider = {
        "provider_id": granted["providerId"],
        "root_token": granted["providerRootToken"],
        "name": body["name"],
        "domain": site.domain,
        "zone_domain": layout.zone_domain,
    }
    write_secret(site.provider_file, json.dumps(provider, indent=1).encode())


def provider_id(site: Site) -> str:
    return str(json.loads(site.provider_file.read_text())["provider_id"])


def prepare_demo(layout: Layout) -> Demo:
    """An owner, a plain member, and a space that every site supports with a folder of this machine."""
    passwords = {name: ensure_password(layout.secrets / f"{name}.password") for name in (OWNER, MEMBER)}
    with _zone(layout, ADMIN, admin_password(layout)) as admin:
        ids = {user.username: user.user_id for user in admin.users()}
        for name in (OWNER, MEMBER):
            if name not in ids:
                ids[name] = admin.create_user(name, passwords[name], full_name=f"The {name}")
    with _zone(layout, OWNER, passwords[OWNER]) as owner:
        names = {space.name: space.space_id for space in owner.spaces()}
        space_id = names.get(SPACE) or owner.create_space(SPACE)
        owner_token = _token(owner)
        for site in layout.sites:
            _support(site, owner, space_id)
    _add_member(layout, space_id, ids[MEMBER])
    with _zone(layout, MEMBER, passwords[MEMBER]) as member:
        return Demo(space_id, owner_token, _token(member))


def write_operator_token(site: Site) -> Path:
    """A token for the operators' gRPC services at the front door of the site."""
    file = site.layout.secrets / f"operator{site.suffix}.token"
    key = ClusterKey.load(site.cluster_key)
    until_ms = (time.time_ns() // 1_000_000) + OPERATOR_TOKEN_DAYS * 86_400_000
    identity = Identity(kind=Kind.OPERATOR, subject_id="operator", expires_at_ms=until_ms)
    write_secret(file, to_text(key.sign(identity)).encode())
    return file


def write_and_read(site: Site, token: str) -> None:
    """One small file there and back through the front door. Raises ClientError when that does not work."""
    name = f".probe-{time.time_ns()}"
    with ProviderClient(site.url, token, ca_file=ca_file(site.layout)) as provider:
        provider.upload(f"{SPACE}/{name}", PROBE, size_bytes=len(PROBE))
        file_id = provider.lookup(f"{SPACE}/{name}")
        with provider.download(file_id) as download:
            got = b"".join(download.pieces)
        provider.delete(file_id)
    if got != PROBE:
        raise RefusedError(200, "wrongContent", f"{name} came back changed", {})


def ca_file(layout: Layout) -> Path | None:
    """What clients must trust; None when the site has a certificate of its own that all trust anyway."""
    return layout.tls_ca if layout.tls_cert else layout.run_dir / "tls" / "ca.pem"


def _zone(layout: Layout, user: str, password: str) -> ZoneClient:
    return ZoneClient(layout.first.url, basic=(user, password), ca_file=ca_file(layout))


def _token(user: ZoneClient) -> str:
    found = next((each.token for each in user.tokens() if each.name == TOKEN_NAME and not each.revoked), "")
    return found or user.create_token(TOKEN_NAME)[1]


def _add_member(layout: Layout, space_id: str, user_id: str) -> None:
    admin = (ADMIN, admin_password(layout))
    with HttpApi(layout.first.url, basic=admin, ca_file=ca_file(layout)) as zone:
        try:
            zone.request("PUT", f"{ZONE_API}/spaces/{space_id}/users/{user_id}", body={})
        except RefusedError as error:
            if error.error_id != "relationAlreadyExists":
                raise


def _support(site: Site, owner: ZoneClient, space_id: str) -> None:
    """Promise the space room on a folder of this machine."""
    site.storage.mkdir(parents=True, exist_ok=True, mode=0o700)
    token = (site.layout.secrets / f"operator{site.suffix}.token").read_text()
    settings = Settings(url=site.url, ca_file=ca_file(site.layout), operator_token=token)
    supported = next(space.providers for space in owner.spaces() if space.space_id == space_id)
    if provider_id(site) in supported:
        return
    with operator(settings) as provider:
        storage_id = _storage(provider, {"mount_point": str(site.storage)})
        provider.support_space(storage_id, owner.support_token(space_id), SUPPORT_BYTES)


def _storage(provider: Operator, parameters: dict[str, Any]) -> str:
    names = {storage.name: storage.storage_id for storage in provider.storages()}
    return names.get(STORAGE) or provider.create_storage(STORAGE, "posix", parameters).storage_id
