"""What the doors lead to."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.clock import Clock
from services.zone.domain.audit import AuditLog
from services.zone.domain.authentication import Authenticator
from services.zone.domain.documents import Documents
from services.zone.domain.groups import Groups
from services.zone.domain.logins import Logins
from services.zone.domain.members import Members
from services.zone.domain.owners import Owners
from services.zone.domain.principals import Principals
from services.zone.domain.provider_tokens import ProviderTokens
from services.zone.domain.providers import Providers
from services.zone.domain.scope import Scopes
from services.zone.domain.share_roads import ShareRoads
from services.zone.domain.shares import Shares
from services.zone.domain.spaces import Spaces
from services.zone.domain.storages import Storages
from services.zone.domain.support_parameters import SupportParameterRules
from services.zone.domain.supports import Supports
from services.zone.domain.token_checks import TokenChecks
from services.zone.domain.tokens import Tokens
from services.zone.domain.users import Users


@dataclass(frozen=True, slots=True)
class ZoneServices:
    """The rules of the zone, put together."""

    authenticator: Authenticator
    checks: TokenChecks
    tokens: Tokens
    users: Users
    spaces: Spaces
    groups: Groups
    owners: Owners
    space_members: Members
    group_members: Members
    support_parameters: SupportParameterRules
    shares: Shares
    share_roads: ShareRoads
    providers: Providers
    provider_tokens: ProviderTokens
    storages: Storages
    supports: Supports
    documents: Documents
    principals: Principals
    scopes: Scopes
    audit: AuditLog
    logins: Logins
    clock: Clock


@dataclass(frozen=True, slots=True)
class ZoneInfo:
    """What the zone says about itself. `domain`: host, and port if it is not 443."""

    name: str
    domain: str
    version: str
    build: str
