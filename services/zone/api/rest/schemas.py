"""Bodies of requests, for the OpenAPI description. The domain checks the values; this tells of them."""

from __future__ import annotations

from typing import Any

TEXT: dict[str, Any] = {"type": "string"}
BOOLEAN: dict[str, Any] = {"type": "boolean"}
TEXTS: dict[str, Any] = {"type": "array", "items": TEXT}
NUMBER: dict[str, Any] = {"type": "number"}
OBJECT: dict[str, Any] = {"type": "object"}
CAVEATS: dict[str, Any] = {"type": "array", "items": {"type": "object", "required": ["type"]}}


def body(*required: str, **properties: dict[str, Any]) -> dict[str, Any]:
    """What a route takes; a body is demanded where something in it is."""
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        schema["required"] = list(required)
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": bool(required), "content": content}}


_GIVEN = {"token": TEXT, "peerIp": TEXT, "interface": TEXT, "consumerToken": TEXT}
VERIFY_ACCESS = body("token", **_GIVEN, serviceToken=TEXT, allowDataAccessCaveats=BOOLEAN)
VERIFY_IDENTITY = body("token", **_GIVEN)
VERIFY_INVITE = body("token", token=TEXT, expectedInviteType=TEXT, peerIp=TEXT, consumerToken=TEXT)
INFER_SCOPE = body("token", token=TEXT, consumerToken=TEXT)
ONE_TOKEN = body("token", token=TEXT)
REDEEM = body("code", "codeVerifier", code=TEXT, codeVerifier=TEXT)
CONFINE = body("token", "caveats", token=TEXT, caveats=CAVEATS)
NAMED_TOKEN = body(
    "name",
    name=TEXT,
    type=OBJECT,
    caveats=CAVEATS,
    customMetadata=OBJECT,
    revoked=BOOLEAN,
    usageLimit={"oneOf": [{"type": "integer", "minimum": 1}, {"const": "infinity"}]},
    privileges=TEXTS,
)
TEMPORARY_TOKEN = body("caveats", type=OBJECT, caveats=CAVEATS)
PATCH_TOKEN = body(name=TEXT, customMetadata=OBJECT, revoked=BOOLEAN)

CREATE_USER = body(username=TEXT, password=TEXT, fullName=TEXT)
PATCH_USER = body(fullName=TEXT, username=TEXT)
PASSWORD = body("oldPassword", "newPassword", oldPassword=TEXT, newPassword=TEXT)
BASIC_AUTH = body(basicAuthEnabled=BOOLEAN, newPassword=TEXT)
BLOCK = body("blocked", blocked=BOOLEAN)
PRIVILEGE_CHANGE = body(grant=TEXTS, revoke=TEXTS)
PRIVILEGES = body(privileges=TEXTS)

_SPACE = {
    "name": TEXT,
    "description": TEXT,
    "organizationName": TEXT,
    "tags": TEXTS,
    "advertisedInMarketplace": BOOLEAN,
    "marketplaceContactEmail": TEXT,
}
CREATE_SPACE = body("name", **_SPACE, idGeneratorSeed=TEXT)
PATCH_SPACE = body(**_SPACE)

CREATE_GROUP = body("name", name=TEXT, type=TEXT)
PATCH_GROUP = body(name=TEXT, type=TEXT)

PATCH_SHARE = body(name=TEXT, description=TEXT)

SUPPORT_PARAMETERS = body(
    accountingEnabled=BOOLEAN, dirStatsServiceEnabled=BOOLEAN, dirStatsServiceStatus=TEXT
)

REGISTER_PROVIDER = body(
    "token",
    "name",
    "adminEmail",
    "subdomainDelegation",
    "domain",
    token=TEXT,
    name=TEXT,
    adminEmail=TEXT,
    subdomainDelegation=BOOLEAN,
    domain=TEXT,
    latitude=NUMBER,
    longitude=NUMBER,
)
PATCH_PROVIDER = body(name=TEXT, adminEmail=TEXT, latitude=NUMBER, longitude=NUMBER)
SUPPORT_SIZE = body("size", size={"type": "integer"})
VERIFY_PROVIDER = body("providerId", providerId=TEXT, token=TEXT, macaroon=TEXT)
