"""What can be wrong with a parameter: 400 each."""

from __future__ import annotations

from runtime import errors
from services.zone.domain.errors import ZoneError


class BadValue(ZoneError, errors.InvalidArgument):
    """A parameter is wrong."""

    error_id = "badData"


class MissingRequiredValue(BadValue):
    """A required value is missing."""

    reason = "MISSING_REQUIRED_VALUE"
    error_id = "missingRequiredValue"


class MissingAtLeastOneValue(BadValue):
    """At least one of some values is required."""

    reason = "MISSING_AT_LEAST_ONE_VALUE"
    error_id = "missingAtLeastOneValue"


class MalformedData(BadValue):
    """The body is no JSON object."""

    reason = "MALFORMED_DATA"
    error_id = "malformedData"


class BadData(BadValue):
    """The value makes no sense here."""

    reason = "BAD_DATA"
    error_id = "badData"


class BadValueEmpty(BadValue):
    """The value is empty."""

    reason = "BAD_VALUE_EMPTY"
    error_id = "badValueEmpty"


class BadValueBoolean(BadValue):
    """The value is no boolean."""

    reason = "BAD_VALUE_BOOLEAN"
    error_id = "badValueBoolean"


class BadValueString(BadValue):
    """The value is no text."""

    reason = "BAD_VALUE_STRING"
    error_id = "badValueString"


class BadValueListOfStrings(BadValue):
    """The value is no list of texts."""

    reason = "BAD_VALUE_LIST_OF_STRINGS"
    error_id = "badValueListOfStrings"


class BadValueInteger(BadValue):
    """The value is no integer."""

    reason = "BAD_VALUE_INTEGER"
    error_id = "badValueInteger"


class BadValueFloat(BadValue):
    """The value is no number."""

    reason = "BAD_VALUE_FLOAT"
    error_id = "badValueFloat"


class BadValueJson(BadValue):
    """The value is no JSON object."""

    reason = "BAD_VALUE_JSON"
    error_id = "badValueJSON"


class BadValueToken(BadValue):
    """The value is not a token that fits."""

    reason = "BAD_VALUE_TOKEN"
    error_id = "badValueToken"

    @classmethod
    def because(cls, key: str, cause: ZoneError) -> BadValueToken:
        """With what is wrong about it nested."""
        return cls.of(key=key, tokenError=cause.nested())


class BadValueTokenType(BadValue):
    """The value is no token type."""

    reason = "BAD_VALUE_TOKEN_TYPE"
    error_id = "badValueTokenType"


class BadValueInviteType(BadValue):
    """The value is no invite type."""

    reason = "BAD_VALUE_INVITE_TYPE"
    error_id = "badValueInviteType"


class BadValueIPv4Address(BadValue):
    """The value is no IPv4 address."""

    reason = "BAD_VALUE_IPV4_ADDRESS"
    error_id = "badValueIPv4Address"


class BadValueIdNotFound(BadValue):
    """The id does not exist."""

    reason = "BAD_VALUE_ID_NOT_FOUND"
    error_id = "badValueIdNotFound"


class BadValueIdentifierOccupied(BadValue):
    """The name is taken."""

    reason = "BAD_VALUE_IDENTIFIER_OCCUPIED"
    error_id = "badValueIdentifierOccupied"


class BadValueTooLow(BadValue):
    """The number is too low."""

    reason = "BAD_VALUE_TOO_LOW"
    error_id = "badValueTooLow"


class BadValueNotInRange(BadValue):
    """The number is not in its range."""

    reason = "BAD_VALUE_NOT_IN_RANGE"
    error_id = "badValueNotInRange"


class BadValueNotAllowed(BadValue):
    """The value is none of those allowed."""

    reason = "BAD_VALUE_NOT_ALLOWED"
    error_id = "badValueNotAllowed"


class BadValueListNotAllowed(BadValue):
    """The list has values that are not allowed."""

    reason = "BAD_VALUE_LIST_NOT_ALLOWED"
    error_id = "badValueListNotAllowed"


class BadValueTextTooLarge(BadValue):
    """The text is too long."""

    reason = "BAD_VALUE_TEXT_TOO_LARGE"
    error_id = "badValueTextTooLarge"


class BadValueQoSParameters(BadValue):
    """Parameters for QoS are a few texts or numbers by name."""

    reason = "BAD_VALUE_QOS_PARAMETERS"
    error_id = "badValueQoSParameters"


class BadValueName(BadValue):
    """Not a possible name."""

    reason = "BAD_VALUE_NAME"
    error_id = "badValueName"


class BadValueFullName(BadValue):
    """Not a possible full name."""

    reason = "BAD_VALUE_FULL_NAME"
    error_id = "badValueFullName"


class BadValueUsername(BadValue):
    """Not a possible user name."""

    reason = "BAD_VALUE_USERNAME"
    error_id = "badValueUsername"


class BadValuePassword(BadValue):
    """Not a possible password."""

    reason = "BAD_VALUE_PASSWORD"
    error_id = "badValuePassword"


class BadValueEmail(BadValue):
    """Not an e-mail address."""

    reason = "BAD_VALUE_EMAIL"
    error_id = "badValueEmail"


class BadValueDomain(BadValue):
    """Not a domain."""

    reason = "BAD_VALUE_DOMAIN"
    error_id = "badValueDomain"


class BadValueCaveat(BadValue):
    """Not a possible caveat."""

    reason = "BAD_VALUE_CAVEAT"
    error_id = "badValueCaveat"
