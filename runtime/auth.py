"""Who calls: identities signed with the cluster key, and the caller of the request under way.

All processes of a provider share one secret file. Whoever holds it may say who a caller is; so an identity
is made once, at the front, and every service checks the signature and not the token again.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import secrets
import stat
import time
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

from google.protobuf.message import DecodeError
from isthmus.common.v1 import identity_pb2

from runtime.config import BadSettings
from runtime.errors import Unauthenticated
from runtime.identity import GUEST, DataCaveats, Identity, Kind, SpaceRights
from runtime.request import Call, current_call

#: Longest a service's own identity may be believed; renewed at half of it.
SERVICE_IDENTITY_LIFE_S = 600
#: Signed identities that are remembered as good, and the largest one that is accepted at all.
MAX_REMEMBERED = 4096
MAX_BLOB_BYTES = 256 * 1024
#: Sum of the sizes of what is remembered.
MAX_REMEMBERED_BYTES = 16 * 1024 * 1024

_KEY_BYTES = 32


class BadIdentity(Unauthenticated):
    """The caller's identity is not signed by this cluster."""

    reason = "BAD_IDENTITY"


class IdentityExpired(Unauthenticated):
    """The caller's identity is no longer valid."""

    reason = "IDENTITY_EXPIRED"


class ClusterKey:
    """The secret of a cluster. A different key is derived from it for each purpose."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < _KEY_BYTES:
            raise BadSettings(f"a cluster key has at least {_KEY_BYTES} bytes")
        self._secret = secret
        self._purposes: dict[str, bytes] = {}
        self._identity_key = self._derive("identity")
        self._remembered: OrderedDict[bytes, Identity] = OrderedDict()
        self._remembered_bytes = 0

    @classmethod
    def load(cls, path: Path) -> ClusterKey:
        """From a file only its owner and group can read. Raises BadSettings."""
        try:
            with open(path, "rb") as file:
                if os.fstat(file.fileno()).st_mode & stat.S_IRWXO:
                    raise BadSettings(f"cluster key {path} must not be accessible to others (chmod 600)")
                return cls(file.read(4096))
        except OSError as error:
            raise BadSettings(f"cluster key {path}: {error.strerror}") from error

    @classmethod
    def generate(cls, path: Path) -> ClusterKey:
        """A new key in a new file. Raises FileExistsError; a key is never overwritten."""
        secret = secrets.token_bytes(_KEY_BYTES)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
        return cls(secret)

    def sign(self, identity: Identity) -> bytes:
        """A serialised SignedIdentity."""
        body = to_proto(identity).SerializeToString()
        signed = identity_pb2.SignedIdentity(identity=body, signature=_mac(self._identity_key, body))
        return signed.SerializeToString()

    def verify(self, blob: bytes, now_ms: int) -> Identity:
        """Who a serialised SignedIdentity stands for. Raises BadIdentity, IdentityExpired."""
        identity = self._remembered.get(blob)
        if identity is None:
            identity = self._check(blob)
            self._remember(blob, identity)
        else:
            self._remembered.move_to_end(blob)
        if identity.expires_at_ms <= now_ms:
            raise IdentityExpired(expires_at_ms=identity.expires_at_ms)
        return identity

    def sign_bytes(self, purpose: str, data: bytes) -> bytes:
        """A signature (32 bytes) that is good for this purpose only."""
        return _mac(self._derive(purpose), data)

    def verify_bytes(self, purpose: str, data: bytes, signature: bytes) -> bool:
        """Whether `sign_bytes` made this signature for the same purpose. Takes the same time either way."""
        return hmac.compare_digest(self.sign_bytes(purpose, data), signature)

    def _check(self, blob: bytes) -> Identity:
        if len(blob) > MAX_BLOB_BYTES:
            raise BadIdentity("the caller's identity is too large")
        try:
            signed = identity_pb2.SignedIdentity.FromString(blob)
            if not hmac.compare_digest(_mac(self._identity_key, signed.identity), signed.signature):
                raise BadIdentity
            return from_proto(identity_pb2.Identity.FromString(signed.identity))
        except DecodeError as error:
            raise BadIdentity from error

    def _remember(self, blob: bytes, identity: Identity) -> None:
        self._remembered[blob] = identity
        self._remembered_bytes += len(blob)
        while len(self._remembered) > MAX_REMEMBERED or self._remembered_bytes > MAX_REMEMBERED_BYTES:
            oldest, _ = self._remembered.popitem(last=False)
            self._remembered_bytes -= len(oldest)

    def _derive(self, purpose: str) -> bytes:
        key = self._purposes.get(purpose)
        if key is None:
            key = self._purposes[purpose] = _mac(self._secret, b"isthmus " + purpose.encode())
        return key


def _mac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def caller() -> Identity:
    """Who the request under way is made for. Raises Unauthenticated outside of requests."""
    identity = current_call.get().identity
    if identity is None:
        raise Unauthenticated
    return identity


def caller_blob() -> bytes:
    """The caller's signed identity, to be passed on. Raises Unauthenticated outside of requests."""
    call = current_call.get()
    if call.identity is None:
        raise Unauthenticated
    return call.identity_blob


class as_caller:
    """Inside the block calls are made for this caller; `blob` is its signed identity."""

    __slots__ = ("_blob", "_identity", "_token")

    def __init__(self, identity: Identity, blob: bytes) -> None:
        self._identity = identity
        self._blob = blob

    def __enter__(self) -> None:
        now = current_call.get()
        self._token = current_call.set(
            Call(now.request_id, now.rpc, now.deadline_s, self._identity, self._blob, now.traceparent)
        )

    def __exit__(self, *_: object) -> None:
        current_call.reset(self._token)


class LastingIdentity:
    """Somebody for whom work goes on that he was allowed to begin, however long it takes.

    What allowed it is what may be taken back or not; the identity is as old as that, and is signed anew for
    `life_ms` whenever half of it is over. `blob`: signed at the beginning; empty for the guest.
    """

    def __init__(self, key: ClusterKey, blob: bytes, *, life_ms: int) -> None:
        self._key = key
        self._life_ms = life_ms
        self._identity = replace(key.verify(blob, 0) if blob else GUEST, expires_at_ms=0)
        self._blob = b""

    def current(self, now_ms: int) -> tuple[Identity, bytes]:
        """The identity and its signed form, good for half its life at least."""
        if self._identity.expires_at_ms - now_ms <= self._life_ms // 2:
            self._identity = replace(self._identity, expires_at_ms=now_ms + self._life_ms)
            self._blob = self._key.sign(self._identity)
        return self._identity, self._blob

    def everywhere(self) -> None:
        """Lifts the places a token was confined to, for work all of which was found to be inside of them."""
        if self._identity.caveats is not None:
            caveats = replace(self._identity.caveats, paths=(), object_ids=())
            self._identity = replace(self._identity, caveats=caveats, expires_at_ms=0)


_service_identities: dict[str, Identity] = {}


def service_identity(name: str) -> Identity:
    """The identity a service acts under for itself. The same object until half its life is over."""
    now_ms = time.time_ns() // 1_000_000
    identity = _service_identities.get(name)
    if identity is None or identity.expires_at_ms - now_ms < SERVICE_IDENTITY_LIFE_S * 500:
        identity = Identity(
            kind=Kind.SERVICE, subject_id=name, expires_at_ms=now_ms + SERVICE_IDENTITY_LIFE_S * 1000
        )
        _service_identities[name] = identity
    return identity


def to_text(blob: bytes) -> str:
    """A signed identity as it stands in HTTP headers and operator tokens: base64url without padding."""
    return base64.urlsafe_b64encode(blob).rstrip(b"=").decode()


def from_text(text: str) -> bytes:
    """Raises BadIdentity for what is no base64url."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadIdentity from error


def to_proto(identity: Identity) -> identity_pb2.Identity:
    """As it travels."""
    caveats = identity.caveats
    return identity_pb2.Identity(
        kind=identity_pb2.Identity.Kind.ValueType(identity.kind.value),
        subject_id=identity.subject_id,
        group_ids=identity.group_ids,
        spaces={
            space_id: identity_pb2.SpaceRights(
                name=rights.name,
                privileges=rights.privileges,
                owner=rights.owner,
                supported=rights.supported,
            )
            for space_id, rights in identity.spaces.items()
        },
        caveats=None
        if caveats is None
        else identity_pb2.DataCaveats(
            readonly=caveats.readonly,
            paths=[identity_pb2.StringList(values=each) for each in caveats.paths],
            object_ids=[identity_pb2.StringList(values=each) for each in caveats.object_ids],
        ),
        expires_at_ms=identity.expires_at_ms,
        token_id=identity.token_id,
    )


def from_proto(message: identity_pb2.Identity) -> Identity:
    """Raises BadIdentity for a kind this version does not know."""
    try:
        kind = Kind(message.kind)
    except ValueError as error:
        raise BadIdentity from error
    return Identity(
        kind=kind,
        subject_id=message.subject_id,
        group_ids=tuple(message.group_ids),
        spaces={
            space_id: SpaceRights(rights.name, rights.privileges, rights.owner, rights.supported)
            for space_id, rights in message.spaces.items()
        },
        caveats=DataCaveats(
            readonly=message.caveats.readonly,
            paths=tuple(tuple(each.values) for each in message.caveats.paths),
            object_ids=tuple(tuple(each.values) for each in message.caveats.object_ids),
        )
        if message.HasField("caveats")
        else None,
        expires_at_ms=message.expires_at_ms,
        token_id=message.token_id,
    )
