"""The zone's things as JSON in REST replies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runtime.http import file_ids
from services.zone.domain import caveat_forms
from services.zone.domain.entities import (
    Group,
    LinkedAccount,
    NamedToken,
    Provider,
    Share,
    Space,
    SupportParameters,
    User,
)
from services.zone.domain.identifiers import TokenKind
from services.zone.domain.scope import Scope
from services.zone.domain.target_rules import JOINS


def user_view(user: User) -> dict[str, Any]:
    """As the user himself and administrators see him; the last keys are old names of the same."""
    return {
        "userId": user.id,
        "fullName": user.full_name,
        "username": user.username,
        "emails": list(user.emails),
        "basicAuthEnabled": user.basic_auth_enabled,
        "blocked": user.blocked,
        "linkedAccounts": [_account_view(account) for account in user.linked_accounts],
        "creationTime": user.created_at_ms // 1000,
        "name": user.full_name,
        "login": user.username,
        "alias": user.username,
        "emailList": list(user.emails),
    }


def _account_view(account: LinkedAccount) -> dict[str, Any]:
    """An account elsewhere; the last keys are old names of the same."""
    return {
        "idp": account.idp,
        "subjectId": account.subject_id,
        "fullName": account.full_name or None,
        "username": account.username,
        "emails": list(account.emails),
        "entitlements": list(account.entitlements),
        "custom": {},
        "name": account.full_name or None,
        "login": account.username,
        "alias": account.username,
        "emailList": list(account.emails),
        "groups": list(account.entitlements),
    }


def shared_user_view(user: User) -> dict[str, Any]:
    """As members of a shared space see him."""
    return {
        "userId": user.id,
        "fullName": user.full_name,
        "username": user.username,
        "creationTime": user.created_at_ms // 1000,
        "name": user.full_name,
        "login": user.username,
        "alias": user.username,
    }


def space_view(space: Space) -> dict[str, Any]:
    """A space."""
    sizes = space.sizes()
    return {
        "spaceId": space.id,
        "name": space.name,
        "description": space.description,
        "organizationName": space.organization_name,
        "tags": list(space.tags),
        "advertisedInMarketplace": space.advertised,
        "marketplaceContactEmail": space.contact_email,
        "providers": sizes,
        "supportParametersRegistry": {each: _parameters(space.parameters_at(each)) for each in sizes},
        "creator": space.creator.to_json(),
        "creationTime": space.created_at_ms // 1000,
    }


def _parameters(parameters: SupportParameters) -> dict[str, Any]:
    return {
        "accountingEnabled": parameters.accounting_enabled,
        "dirStatsServiceEnabled": parameters.dir_stats_enabled,
        "dirStatsServiceStatus": parameters.dir_stats_status,
    }


def group_view(group: Group) -> dict[str, Any]:
    """A group."""
    return {
        "groupId": group.id,
        "name": group.name,
        "type": group.type,
        "creator": group.creator.to_json(),
        "creationTime": group.created_at_ms // 1000,
    }


def public_share_view(share: Share, zone_domain: str) -> dict[str, Any]:
    """A share as anybody sees it."""
    return {
        "shareId": share.id,
        "name": share.name,
        "description": share.description,
        "publicUrl": f"https://{zone_domain}/share/{share.id}",
        "publicRestUrl": f"https://{zone_domain}/api/v3/onezone/shares/{share.id}/public",
        "rootFileId": file_ids.encode(share.space_id, share.root_file_id, share.id),
        "fileType": share.root_type,
        "handleId": None,
        "creationTime": share.created_at_ms // 1000,
    }


def share_view(share: Share, zone_domain: str) -> dict[str, Any]:
    """A share as members of its space see it."""
    creator = {"type": "user", "id": share.creator_id}
    return {**public_share_view(share, zone_domain), "spaceId": share.space_id, "creator": creator}


def provider_view(provider: Provider, *, online: bool) -> dict[str, Any]:
    """A provider."""
    return {
        "providerId": provider.id,
        "clusterId": provider.id,
        "name": provider.name,
        "domain": provider.domain,
        "latitude": provider.latitude,
        "longitude": provider.longitude,
        "online": online,
        "creationTime": provider.created_at_ms // 1000,
    }


def token_view(token: NamedToken, text: str) -> dict[str, Any]:
    """The record of a named token with the token itself."""
    metadata: dict[str, Any] = {"creationTime": token.created_at_ms // 1000, "custom": dict(token.custom)}
    if token.type.kind is TokenKind.INVITE:
        metadata["usageLimit"] = "infinity" if token.usage_limit is None else token.usage_limit
        metadata["usageCount"] = token.usage_count
        metadata["privileges"] = _privileges(token)
    return {
        "id": token.id,
        "name": token.name,
        "subject": token.subject.to_json(),
        "type": token.type.to_json(),
        "caveats": [caveat.to_json() for caveat in caveat_forms.parse_all(token.caveats)],
        "metadata": metadata,
        "revoked": token.revoked,
        "token": text,
    }


def _privileges(token: NamedToken) -> list[str]:
    """What an invitation gives; nothing where it makes no members."""
    rules, _ = JOINS.get(token.type.invite, (None, None)) if token.type.invite else (None, None)
    if rules is None:
        return []
    return rules.table.names_of(rules.table.member if token.privileges is None else token.privileges)


def scope_view(scope: Scope, providers: Sequence[Provider], online: dict[str, bool]) -> dict[str, Any]:
    """What file clients read to find their way. `online`: by provider id."""
    if scope.spaces is None:
        return {"validUntil": scope.valid_until_s, "dataAccessScope": None}
    supporting = {
        provider.id: {
            "name": provider.name,
            "domain": provider.domain,
            "version": provider.version or "0",
            "online": online[provider.id],
        }
        for provider in providers
    }
    spaces = {
        space.id: {
            "name": space.name,
            "supports": {
                provider_id: {"readonly": space.readonly_at(provider_id)}
                for provider_id in space.sizes()
                if provider_id in supporting
            },
        }
        for space in scope.spaces
    }
    return {
        "validUntil": scope.valid_until_s,
        "dataAccessScope": {"readonly": scope.readonly, "spaces": spaces, "providers": supporting},
    }
