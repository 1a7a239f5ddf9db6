"""The error catalogue of the REST API and CDMI: ids, statuses and descriptions, once.

The body of every handled error is `{"error": {"id": ..., "description": ..., "details": {...}}}`, with
`details` left out where an error has none. Clients read `id` and `details`; one of them looks for the
lower-case errno in the description, too. All ids are 400 unless the catalogue says otherwise: POSIX errors
are 400 by contract, however much a 404 or a 403 would suit them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from runtime import errors


@dataclass(frozen=True, slots=True)
class Entry:
    """One id of the catalogue. `description` may name details in braces."""

    status: int
    description: str
    details: tuple[str, ...] = ()


def _entries(
    rows: Iterable[tuple[str, str] | tuple[str, str, tuple[str, ...]]], status: int = 400
) -> dict[str, Entry]:
    return {row[0]: Entry(status, row[1], row[2] if len(row) == 3 else ()) for row in rows}


_KEY = ("key",)

_GENERAL = _entries(
    [
        ("badMessage", "The request could not be understood.", ("message",)),
        ("notSupported", "This operation is not supported for this resource."),
        (
            "limitReached",
            "Limit of {limit} reached: {resourceDescription}.",
            ("limit", "resourceDescription"),
        ),
        ("posix", "Operation failed with POSIX error: {errno}.", ("errno",)),
        (
            "spaceNotSupportedBy",
            "Specified space: {spaceId} is not supported by provider {providerId}.",
            ("spaceId", "providerId"),
        ),
        (
            "notALocalStorageSupportingSpace",
            "Storage {storageId} of provider {providerId} does not support space {spaceId}.",
            ("providerId", "storageId", "spaceId"),
        ),
        (
            "requiresImportedStorage",
            "Cannot apply for storage {storageId} - this operation requires an imported storage.",
            ("storageId",),
        ),
        (
            "statOperationNotSupported",
            "Storage {storageId} does not support the `stat` operation or equivalent used for acquiring "
            "files metadata.",
            ("storageId",),
        ),
        ("quotaExceeded", "Space's storage quota has been exceeded."),
        ("dirStatsDisabledForSpace", "Statistics of directories are not collected in this space."),
        ("dirStatsNotReady", "Statistics of this directory are not ready yet."),
        ("badVersion", "Bad version - supported versions: [{supportedVersions}].", ("supportedVersions",)),
    ]
)

_VALIDATION = _entries(
    [
        ("malformedData", "Provided data could not be understood by the server."),
        ("missingRequiredValue", "Missing required value: {key}.", _KEY),
        ("missingAtLeastOneValue", "Missing data, you must provide at least one of: {keys}.", ("keys",)),
        (
            "badData",
            'Bad value: provided "{key}" has an invalid format or is incomprehensible in the context of this '
            "operation.",
            ("key", "hint", "specificError"),
        ),
        ("badValueEmpty", 'Bad value: provided "{key}" must not be empty.', _KEY),
        ("badValueBoolean", 'Bad value: provided "{key}" must be a boolean.', _KEY),
        ("badValueString", 'Bad value: provided "{key}" must be a string.', _KEY),
        ("badValueListOfStrings", 'Bad value: provided "{key}" must be a list of strings.', _KEY),
        ("badValueInteger", 'Bad value: provided "{key}" must be an integer.', _KEY),
        ("badValueFloat", 'Bad value: provided "{key}" must be a floating point number.', _KEY),
        ("badValueJSON", 'Bad value: provided "{key}" must be a valid JSON.', _KEY),
        ("badValueXML", 'Bad value: provided "{key}" must be a valid XML.', _KEY),
        ("badValueToken", 'Bad value: provided "{key}" is not a valid token.', ("key", "tokenError")),
        ("badValueTokenType", 'Bad value: provided "{key}" must be a valid token type.', _KEY),
        ("badValueInviteType", 'Bad value: provided "{key}" must be a valid invite type.', _KEY),
        ("badValueIPv4Address", 'Bad value: provided "{key}" must be a valid IPv4 address.', _KEY),
        (
            "badValueListOfIPv4Addresses",
            'Bad value: provided "{key}" must be a list of IPv4 addresses.',
            _KEY,
        ),
        ("badValueIdNotFound", 'Bad value: provided ID ("{key}") does not exist.', _KEY),
        ("badValueAmbiguousId", 'Bad value: provided ID ("{key}") is ambiguous.', _KEY),
        ("badValueIdentifier", 'Bad value: provided "{key}" is not a valid identifier.', _KEY),
        ("badValueIdentifierOccupied", 'Bad value: provided identifier ("{key}") is already occupied.', _KEY),
        ("badValueOctal", 'Bad value: provided "{key}" must be a valid octal number.', _KEY),
        (
            "badValueTextTooLarge",
            'Bad value: provided "{key}" cannot be larger than {limit} characters.',
            ("key", "limit"),
        ),
        ("badValueTooLow", 'Bad value: provided "{key}" must be at least {limit}.', ("key", "limit")),
        ("badValueTooHigh", 'Bad value: provided "{key}" must not exceed {limit}.', ("key", "limit")),
        (
            "badValueNotInRange",
            'Bad value: "{key}" has to be between {low} and {high}.',
            ("key", "low", "high"),
        ),
        (
            "badValueNotAllowed",
            'Bad value: provided "{key}" must be one of: {allowed}.',
            ("key", "allowed"),
        ),
        (
            "badValueListNotAllowed",
            'Bad value: provided "{key}" must be a list containing only: {allowed}.',
            ("key", "allowed"),
        ),
        ("badValueName", "Bad value: the name is not valid.", _KEY),
        ("badValueFilePath", "Bad value: provided file path is invalid."),
        ("badValueFullName", "Bad value: the full name is not valid."),
        ("badValueUsername", "Bad value: the username is not valid."),
        ("badValuePassword", "Bad value: the password is not valid."),
        ("badValueEmail", "Bad value: the e-mail address is not valid."),
        ("badValueDomain", "Bad value: the domain is not valid."),
        ("badValueSubdomain", "Bad value: the subdomain is not valid."),
        ("badValueQoSParameters", "Bad value: the QoS parameters are not valid."),
        ("badValueCaveat", "Bad value: the caveat is not valid.", ("caveat",)),
        ("invalidQosExpression", "Invalid QoS expression: {reason}.", ("reason",)),
        (
            "timeSeriesCollectionMissingLayout",
            "The time series collection lacks a requested layout.",
            ("missingLayout",),
        ),
        ("timeSeriesCollectionTooManyMetrics", "Too many metrics, at most {limit}.", ("limit",)),
    ]
)

_TOKENS = _entries(
    [
        ("badToken", "Provided token could not be understood by the server."),
        ("badServiceToken", "Provided service token is not valid.", ("tokenError",)),
        ("badConsumerToken", "Provided consumer token is not valid.", ("tokenError",)),
        ("tokenInvalid", "Provided token is not valid."),
        ("tokenRevoked", "Provided token has been revoked."),
        ("tokenTooLarge", "Provided token exceeds the allowed size ({limit} characters).", ("limit",)),
        ("notAnAccessToken", "Expected an access token.", ("received",)),
        ("notAnIdentityToken", "Expected an identity token.", ("received",)),
        ("notAnInviteToken", "Expected an invitation token.", ("expectedInviteType", "received")),
        ("tokenCaveatUnknown", "Provided token includes an unknown caveat: {caveat}.", ("caveat",)),
        (
            "tokenCaveatUnverified",
            "Provided token is not valid in this context: a caveat is not satisfied.",
            ("caveat",),
        ),
        ("tokenTimeCaveatRequired", "The token needs a time caveat.", ("maxTtl",)),
        ("tokenSubjectInvalid", "The token cannot be used by this subject."),
        ("tokenServiceForbidden", "The subject may not use this service.", ("service",)),
        ("tokenSessionInvalid", "The token belongs to another session."),
        ("userBlocked", "The user is blocked."),
        ("inviteTokenSubjectNotAuthorized", "The inviting subject is not entitled to invite."),
        ("inviteTokenUsageLimitReached", "The usage limit of the invitation token is reached."),
        ("inviteTokenConsumerInvalid", "The consumer is not valid for this token.", ("consumer",)),
        ("inviteTokenTargetIdInvalid", "The target of the token does not exist.", ("id",)),
        ("badBasicCredentials", "Wrong user name or password."),
        ("badIdpAccessToken", "The access token of the identity provider is not valid.", ("idp",)),
    ]
)

_RELATION = ("childType", "childId", "parentType", "parentId")

#: Ids only the zone answers with.
_ZONE = _entries(
    [
        ("relationDoesNotExist", "Such a relation does not exist.", _RELATION),
        ("cannotAddRelationToSelf", "Nothing can be related to itself."),
        (
            "cannotRemoveLastOwner",
            "The last owner of a space with other members cannot be removed.",
            ("entityType", "entityId"),
        ),
        ("subdomainDelegationNotSupported", "Subdomain delegation is not supported by this zone."),
        ("subdomainDelegationDisabled", "Subdomain delegation is disabled for this provider."),
        ("basicAuthNotSupported", "Basic authentication is not supported by this zone."),
        ("basicAuthDisabled", "Basic authentication is disabled for this user."),
        ("spaceMarketplaceDisabled", "The marketplace of spaces is disabled."),
    ]
)

_OTHERS = {
    **_entries(
        [("unauthorized", "You must authenticate yourself to perform this operation.", ("authError",))], 401
    ),
    **_entries(
        [
            ("forbidden", "You are not authorized to perform this operation.", ("hint",)),
            ("userNotSupported", "The user has no space supported by this provider."),
            ("protectedGroup", "The group is protected."),
            ("userNotInCluster", "The user is not a member of the cluster."),
        ],
        403,
    ),
    **_entries([("notFound", "The resource could not be found.")], 404),
    **_entries(
        [
            ("alreadyExists", "Such a resource already exists."),
            ("relationAlreadyExists", "Such a relation already exists.", _RELATION),
            ("spaceAlreadySupportedWithImportedStorage", "The space has an imported storage already."),
        ],
        409,
    ),
    **_entries(
        [
            (
                "internalServerError",
                "The server has encountered an error while processing this request.",
                ("reference",),
            ),
            ("fileAccess", "The service cannot access a file of its own.", ("path", "errno")),
            ("cannotDeleteEntity", "The entity cannot be deleted.", ("entityType", "entityId")),
        ],
        500,
    ),
    **_entries([("notImplemented", "This operation is not implemented.")], 501),
    **_entries(
        [
            ("serviceUnavailable", "Service required for this operation is offline."),
            ("timeout", "Operation timed out."),
            ("temporaryFailure", "Service temporarily unavailable: try again later."),
            (
                "externalServiceOperationFailed",
                "Operation on external service {serviceName} failed.",
                ("serviceName",),
            ),
            ("noConnectionToOnezone", "The zone cannot be reached."),
            ("noConnectionToPeerOneprovider", "The other provider cannot be reached."),
            ("noConnectionToClusterNode", "A node of the cluster cannot be reached."),
            ("unregisteredOneprovider", "This provider is not registered in any zone."),
        ],
        503,
    ),
}

#: Every error id this code base can answer with.
CATALOGUE: dict[str, Entry] = {**_GENERAL, **_VALIDATION, **_TOKENS, **_ZONE, **_OTHERS}

#: Ids that are told inside `unauthorized`, as `details.authError`.
TOKEN_ERRORS = frozenset(_TOKENS) | {"userNotSupported"}

_UNAUTHORIZED_WITH_CAUSE = "Provided authentication is not valid (see details)."

#: Details that are structures or numbers; the others are plain text and stay as they came.
_STRUCTURED = frozenset(
    {
        "limit", "low", "high", "allowed", "keys", "caveat", "received", "service", "tokenError", "maxTtl",
        "consumer", "specificError", "supportedVersions", "missingLayout", "expectedInviteType",
    }
)  # fmt: skip


class ApiError(Exception):
    """An answer of the error catalogue.

    `id` must be in the catalogue. `details` hold JSON values. `status` overrides the catalogue's.
    """

    def __init__(self, id: str, details: Mapping[str, Any] | None = None, status: int | None = None) -> None:
        entry = CATALOGUE[id]
        self.id = id
        self.details: dict[str, Any] | None = dict(details) if details else None
        self.status = entry.status if status is None else status
        self.description = _describe(id, entry, self.details or {})
        super().__init__(f"{id}: {self.description}")

    def inner(self) -> dict[str, Any]:
        """The error as it stands inside another one, without the outer `error` key."""
        told: dict[str, Any] = {"id": self.id, "description": self.description}
        if self.details:
            told["details"] = self.details
        return told

    def body(self) -> bytes:
        """The envelope, ready to be sent as `application/json`."""
        return orjson.dumps({"error": self.inner()}, default=str)

    @property
    def headers(self) -> dict[str, str]:
        """Headers that belong to this answer; names are lower-case."""
        told = {"content-type": "application/json"}
        if self.status == 401:
            told["www-authenticate"] = "Bearer"
        return told


def _describe(id: str, entry: Entry, details: Mapping[str, Any]) -> str:
    if id == "unauthorized" and "authError" in details:
        return _UNAUTHORIZED_WITH_CAUSE
    if id == "badVersion":
        # Clients compare this text; the original prints its own list syntax.
        versions = ",".join(f'<<"{version}">>' for version in details.get("supportedVersions", ()))
        return f"Bad version - supported versions: [{versions}]."
    return _PLACEHOLDER.sub(lambda match: _word(details.get(match[1], "")), entry.description)


_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def _word(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return str(value)


def posix(errno: str) -> ApiError:
    """The answer for a POSIX error; `errno` is the lower-case name, e.g. `enoent`."""
    return ApiError("posix", {"errno": errno})


def unauthorized(cause: ApiError | None = None) -> ApiError:
    """401, with the reason nested where there is one."""
    return ApiError("unauthorized", {"authError": cause.inner()} if cause else None)


def from_error(error: errors.IsthmusError, *, provider_id: str) -> ApiError:
    """What a user is told about an error of the inside: by its reason, else by its class."""
    if error.reason in errors.ERRNO_REASONS:
        return posix(error.reason.lower())
    if error.reason == "SPACE_NOT_SUPPORTED":
        return ApiError(
            "spaceNotSupportedBy", {"spaceId": error.facts.get("space_id", ""), "providerId": provider_id}
        )
    id = _IDS_BY_REASON.get(error.reason)
    if id is None or error.reason in _CLASS_REASONS:
        return _by_class(error)
    told = ApiError(id, _details(CATALOGUE[id], error.facts))
    return unauthorized(told) if id in TOKEN_ERRORS else told


def _by_class(error: errors.IsthmusError) -> ApiError:
    for known, id, details in _BY_CLASS:
        if isinstance(error, known):
            return ApiError(id, details)
    return ApiError("internalServerError")


_BY_CLASS: tuple[tuple[type[errors.IsthmusError], str, dict[str, str] | None], ...] = (
    (errors.InvalidArgument, "malformedData", None),
    (errors.OutOfRange, "posix", {"errno": "einval"}),
    (errors.Unauthenticated, "unauthorized", None),
    (errors.PermissionDenied, "forbidden", None),
    (errors.NotFound, "notFound", None),
    (errors.AlreadyExists, "alreadyExists", None),
    (errors.FailedPrecondition, "posix", {"errno": "ebusy"}),
    (errors.Aborted, "posix", {"errno": "eagain"}),
    (errors.ResourceExhausted, "temporaryFailure", None),
    (errors.Unavailable, "serviceUnavailable", None),
    (errors.DeadlineExceeded, "timeout", None),
    (errors.Unimplemented, "notSupported", None),
)

#: Reasons of the bare classes, some of which read like catalogue ids; the class decides for them.
_CLASS_REASONS = frozenset(known.reason for known, _, _ in _BY_CLASS)


def _details(entry: Entry, facts: Mapping[str, str]) -> dict[str, Any]:
    by_name = {_camel(name): value for name, value in facts.items()}
    return {
        name: _parsed(by_name[name]) if name in _STRUCTURED else by_name[name]
        for name in entry.details
        if name in by_name
    }


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest)


def reason_of(id: str) -> str:
    """The `reason` under which an error of the inside means this id: `tokenInvalid` is TOKEN_INVALID."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", id).upper()


_IDS_BY_REASON = {reason_of(id): id for id in CATALOGUE}
