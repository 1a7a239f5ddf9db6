"""What can be wrong with a token, or with a password.

REST tells these bare where a token is a parameter, and inside `unauthorized` or `badValueToken` where the
catalogue says so.
"""

from __future__ import annotations

from runtime import errors
from services.zone.domain.errors import ZoneError


class TokenError(ZoneError, errors.Unauthenticated):
    """Something is wrong with a token."""

    error_id = "tokenInvalid"


class BadToken(TokenError):
    """The token cannot be decoded."""

    reason = "BAD_TOKEN"
    error_id = "badToken"


class TokenTooLarge(TokenError):
    """The token is longer than anybody looks at."""

    reason = "TOKEN_TOO_LARGE"
    error_id = "tokenTooLarge"


class BadServiceToken(TokenError):
    """The service token is bad."""

    reason = "BAD_SERVICE_TOKEN"
    error_id = "badServiceToken"


class BadConsumerToken(TokenError):
    """The consumer token is bad."""

    reason = "BAD_CONSUMER_TOKEN"
    error_id = "badConsumerToken"


class BadIdpAccessToken(TokenError):
    """What the identity provider answered proves nothing."""

    reason = "BAD_IDP_ACCESS_TOKEN"
    error_id = "badIdpAccessToken"


class TokenInvalid(TokenError):
    """The token is not genuine, or is known no more."""

    reason = "TOKEN_INVALID"
    error_id = "tokenInvalid"


class TokenRevoked(TokenError):
    """The token has been revoked."""

    reason = "TOKEN_REVOKED"
    error_id = "tokenRevoked"


class NotAnAccessToken(TokenError):
    """An access token is expected."""

    reason = "NOT_AN_ACCESS_TOKEN"
    error_id = "notAnAccessToken"


class NotAnIdentityToken(TokenError):
    """An identity token is expected."""

    reason = "NOT_AN_IDENTITY_TOKEN"
    error_id = "notAnIdentityToken"


class NotAnInviteToken(TokenError):
    """An invite token is expected."""

    reason = "NOT_AN_INVITE_TOKEN"
    error_id = "notAnInviteToken"


class TokenCaveatUnknown(TokenError):
    """A caveat of the token is not known here."""

    reason = "TOKEN_CAVEAT_UNKNOWN"
    error_id = "tokenCaveatUnknown"


class TokenCaveatUnverified(TokenError):
    """A caveat of the token is not satisfied."""

    reason = "TOKEN_CAVEAT_UNVERIFIED"
    error_id = "tokenCaveatUnverified"


class TokenTimeCaveatRequired(TokenError):
    """A temporary token needs a time caveat within the limit."""

    reason = "TOKEN_TIME_CAVEAT_REQUIRED"
    error_id = "tokenTimeCaveatRequired"


class TokenSubjectInvalid(TokenError):
    """The subject of the token does not exist, or may not use it here."""

    reason = "TOKEN_SUBJECT_INVALID"
    error_id = "tokenSubjectInvalid"


class TokenServiceForbidden(TokenError):
    """The subject may not use this service."""

    reason = "TOKEN_SERVICE_FORBIDDEN"
    error_id = "tokenServiceForbidden"


class TokenSessionInvalid(TokenError):
    """The token belongs to a session that is not the presented one."""

    reason = "TOKEN_SESSION_INVALID"
    error_id = "tokenSessionInvalid"


class UserBlocked(TokenError):
    """The user is blocked."""

    reason = "USER_BLOCKED"
    error_id = "userBlocked"


class BadBasicCredentials(TokenError):
    """Wrong user name or password."""

    reason = "BAD_BASIC_CREDENTIALS"
    error_id = "badBasicCredentials"


class BasicAuthDisabled(TokenError):
    """The user may not log in with a password."""

    reason = "BASIC_AUTH_DISABLED"
    error_id = "basicAuthDisabled"


class InviteTokenConsumerInvalid(TokenError):
    """This consumer cannot use this invitation."""

    reason = "INVITE_TOKEN_CONSUMER_INVALID"
    error_id = "inviteTokenConsumerInvalid"


class InviteTokenSubjectNotAuthorized(TokenError):
    """Who invites is not entitled to."""

    reason = "INVITE_TOKEN_SUBJECT_NOT_AUTHORIZED"
    error_id = "inviteTokenSubjectNotAuthorized"


class InviteTokenTargetIdInvalid(TokenError):
    """What the invitation is for does not exist."""

    reason = "INVITE_TOKEN_TARGET_ID_INVALID"
    error_id = "inviteTokenTargetIdInvalid"


class InviteTokenUsageLimitReached(TokenError):
    """The invitation was used as often as it may be."""

    reason = "INVITE_TOKEN_USAGE_LIMIT_REACHED"
    error_id = "inviteTokenUsageLimitReached"
