"""Errors of the zone, one class for each id of the error catalogue.

`error_id` is the id that REST answers with, `reason` the same for gRPC. `details` are the JSON values of
the catalogue; as `facts` they are texts, structures among them as JSON.

    Unauthorized (Unauthenticated)   the caller is nobody, or his credentials are bad: 401
    Forbidden (PermissionDenied)     the caller is known and not entitled: 403
    NotFound, RelationAlreadyExists  404, 409

`token_errors` says what is wrong with tokens, `value_errors` what is wrong with parameters.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar, Self

from runtime import errors
from runtime.errors import IsthmusError


class ZoneError(IsthmusError):
    """Mixed into every error of the zone. `of` makes one from the details of the catalogue."""

    error_id: ClassVar[str]

    def __init__(self, message: str = "", **facts: object) -> None:
        super().__init__(message, **facts)
        self.details: dict[str, Any] = dict(facts)

    @classmethod
    def of(cls, **details: Any) -> Self:
        """An error with these details; their names are those of the catalogue."""
        texts = {
            name: value if isinstance(value, str) else json.dumps(value) for name, value in details.items()
        }
        error = cls("", **texts)
        error.details = details
        return error

    def nested(self) -> dict[str, Any]:
        """The error as a detail of another one."""
        told: dict[str, Any] = {"id": self.error_id, "description": self.message}
        return {**told, "details": self.details} if self.details else told


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


class Unauthorized(ZoneError, errors.Unauthenticated):
    """Valid credentials are needed."""

    reason = "UNAUTHORIZED"
    error_id = "unauthorized"

    @classmethod
    def because(cls, cause: ZoneError) -> Unauthorized:
        """With the reason nested."""
        return cls.of(authError=cause.nested())


class Forbidden(ZoneError, errors.PermissionDenied):
    """The caller is not entitled to this."""

    reason = "FORBIDDEN"
    error_id = "forbidden"


class NotFound(ZoneError, errors.NotFound):
    """There is no such thing, or it is not related as the path says."""

    reason = "ZONE_NOT_FOUND"
    error_id = "notFound"


class AlreadyExists(ZoneError, errors.AlreadyExists):
    """There is one already."""

    reason = "ZONE_ALREADY_EXISTS"
    error_id = "alreadyExists"


class RelationAlreadyExists(ZoneError, errors.AlreadyExists):
    """The two are related already."""

    reason = "RELATION_ALREADY_EXISTS"
    error_id = "relationAlreadyExists"


class SpaceAlreadySupportedWithImportedStorage(ZoneError, errors.AlreadyExists):
    """A space has at most one imported storage."""

    reason = "SPACE_ALREADY_SUPPORTED_WITH_IMPORTED_STORAGE"
    error_id = "spaceAlreadySupportedWithImportedStorage"


class RequiresImportedStorage(ZoneError, errors.FailedPrecondition):
    """Only an imported storage can be so."""

    reason = "REQUIRES_IMPORTED_STORAGE"
    error_id = "requiresImportedStorage"


class StorageInUse(ZoneError, errors.FailedPrecondition):
    """The storage supports a space."""

    reason = "STORAGE_IN_USE"
    error_id = "storageInUse"


class CannotAddRelationToSelf(ZoneError, errors.FailedPrecondition):
    """A group would be in itself, at once or by way of others."""

    reason = "CANNOT_ADD_RELATION_TO_SELF"
    error_id = "cannotAddRelationToSelf"


class CannotRemoveLastOwner(ZoneError, errors.FailedPrecondition):
    """A space with members keeps an owner."""

    reason = "CANNOT_REMOVE_LAST_OWNER"
    error_id = "cannotRemoveLastOwner"


class NotSupported(ZoneError, errors.Unimplemented):
    """The operation is not available for this resource."""

    reason = "NOT_SUPPORTED"
    error_id = "notSupported"


class SubdomainDelegationNotSupported(ZoneError, errors.FailedPrecondition):
    """This zone gives no subdomains away."""

    reason = "SUBDOMAIN_DELEGATION_NOT_SUPPORTED"
    error_id = "subdomainDelegationNotSupported"
