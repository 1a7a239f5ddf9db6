"""Proof of who a call is made for, between the processes of one provider.

An Identity travels signed with HMAC-SHA256 under the cluster key. Each purpose has a key of its own, derived from
the cluster key, so a signature made for one thing is worth nothing for another.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

from google.protobuf.message import DecodeError
from isthmus.common.v1 import identity_pb2

from runtime.errors import Unauthenticated
from runtime.identity import DataCaveats, Identity, Kind, SpaceRights

KEY_BYTES = 32
#: How long an identity that a service makes for itself is believed.
SERVICE_IDENTITY_S = 300
#: Identities whose signature is remembered as good.
MAX_VERIFIED = 10_000


class BadSignature(Unauthenticated):
    """The signature does not fit; it was not made with this provider's cluster key."""

    reason = "BAD_SIGNATURE"


class IdentityExpired(Unauthenticated):
    """The identity is too old."""

    reason = "IDENTITY_EXPIRED"


class ClusterKey:
    """The secret that the processes of one provider share."""

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES:
            raise ValueError(f"a cluster key has {KEY_BYTES} bytes")
        self._key = key
        self._purposes: dict[str, bytes] = {}
        self._verified: OrderedDict[bytes, Identity] = OrderedDict()

    @classmethod
    def load(cls, path: Path) -> ClusterKey:
        """Reads the key. Raises ValueError with a plain message when there is none."""
        try:
            return cls(path.read_bytes())
        except OSError as error:
            raise ValueError(f"cannot read the cluster key {path}: {error.strerror}") from error

    @classmethod
    def generate(cls, path: Path) -> ClusterKey:
        """Makes a new key, readable by its owner only. Raises FileExistsError rather than replace one."""
        key = secrets.token_bytes(KEY_BYTES)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        return cls(key)

    def sign(self, identity: Identity) -> bytes:
        """A serialised SignedIdentity."""
        blob = to_proto(identity).SerializeToString(deterministic=True)
        return identity_pb2.SignedIdentity(
            identity=blob, signature=self.sign_bytes("identity", blob)
        ).SerializeToString()

    def verify(self, blob: bytes, now_ms: int | None = None) -> Identity:
        """The identity in a serialised SignedIdentity. Raises BadSignature or IdentityExpired."""
        identity = self._verified.get(blob)
        if identity is None:
            identity = self._check(blob)
            self._verified[blob] = identity
            if len(self._verified) > MAX_VERIFIED:
                self._verified.popitem(last=False)
        if identity.expires_at_ms <= (now_ms if now_ms is not None else time.time_ns() // 1_000_000):
            self._verified.pop(blob, None)
            raise IdentityExpired(subject_id=identity.subject_id)
        return identity

    def sign_bytes(self, purpose: str, data: bytes) -> bytes:
        """32 bytes that prove `data` was meant for `purpose` by a holder of the key."""
        return hmac.digest(self._purpose_key(purpose), data, hashlib.sha256)

    def verify_bytes(self, purpose: str, data: bytes, signature: bytes) -> None:
        """Raises BadSignature unless `sign_bytes(purpose, data)` made the signature."""
        if not hmac.compare_digest(self.sign_bytes(purpose, data), signature):
            raise BadSignature()

    def _check(self, blob: bytes) -> Identity:
        try:
            signed = identity_pb2.SignedIdentity.FromString(blob)
            self.verify_bytes("identity", signed.identity, signed.signature)
            return from_proto(identity_pb2.Identity.FromString(signed.identity))
        except (DecodeError, ValueError) as error:
            raise BadSignature() from error

    def _purpose_key(self, purpose: str) -> bytes:
        key = self._purposes.get(purpose)
        if key is None:
            key = hmac.digest(self._key, b"isthmus/" + purpose.encode(), hashlib.sha256)
            self._purposes[purpose] = key
        return key


_caller: ContextVar[tuple[Identity, bytes] | None] = ContextVar("caller", default=None)


def caller() -> Identity:
    """Who the call under way is made for. Raises Unauthenticated when nobody said."""
    current = _caller.get()
    if current is None:
        raise Unauthenticated("this call carries no identity")
    return current[0]


def caller_blob() -> bytes:
    """The same, signed, to be passed on. Raises Unauthenticated when nobody said."""
    current = _caller.get()
    if current is None:
        raise Unauthenticated("this call carries no identity")
    return current[1]


def has_caller() -> bool:
    """Whether the call under way is made for anybody."""
    return _caller.get() is not None


@contextlib.contextmanager
def as_caller(identity: Identity, blob: bytes) -> Iterator[None]:
    """Inside, calls are made for this identity."""
    token = _caller.set((identity, blob))
    try:
        yield
    finally:
        _caller.reset(token)


_own: dict[str, Identity] = {}


def service_identity(name: str) -> Identity:
    """The identity of this process acting for itself; the same object until half of its life is over."""
    now_ms = time.time_ns() // 1_000_000
    identity = _own.get(name)
    if identity is None or identity.expires_at_ms - now_ms < SERVICE_IDENTITY_S * 500:
        expires = now_ms + SERVICE_IDENTITY_S * 1000
        identity = Identity(kind=Kind.SERVICE, subject_id=name, expires_at_ms=expires)
        _own[name] = identity
    return identity


def to_text(blob: bytes) -> str:
    """A signed identity as text, for headers."""
    return base64.urlsafe_b64encode(blob).decode().rstrip("=")


def from_text(text: str) -> bytes:
    """The reverse of `to_text`. Raises BadSignature on anything else."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadSignature() from error


def to_proto(identity: Identity) -> identity_pb2.Identity:
    """The identity as it travels."""
    message = identity_pb2.Identity(
        kind=identity.kind.value,
        subject_id=identity.subject_id,
        group_ids=identity.group_ids,
        expires_at_ms=identity.expires_at_ms,
        token_id=identity.token_id,
    )
    for space_id, rights in identity.spaces.items():
        message.spaces[space_id].CopyFrom(
            identity_pb2.SpaceRights(
                name=rights.name,
                privileges=rights.privileges,
                owner=rights.owner,
                supported=rights.supported,
            )
        )
    if identity.caveats is not None:
        message.caveats.CopyFrom(
            identity_pb2.DataCaveats(
                readonly=identity.caveats.readonly,
                paths=[identity_pb2.StringList(values=values) for values in identity.caveats.paths],
                object_ids=[identity_pb2.StringList(values=values) for values in identity.caveats.object_ids],
            )
        )
    return message


def from_proto(message: identity_pb2.Identity) -> Identity:
    """The identity that travelled. Raises ValueError when it says no kind."""
    caveats = None
    if message.HasField("caveats"):
        caveats = DataCaveats(
            readonly=message.caveats.readonly,
            paths=tuple(tuple(item.values) for item in message.caveats.paths),
            object_ids=tuple(tuple(item.values) for item in message.caveats.object_ids),
        )
    return Identity(
        kind=Kind(message.kind),
        subject_id=message.subject_id,
        group_ids=tuple(message.group_ids),
        spaces={
            space_id: SpaceRights(rights.name, rights.privileges, rights.owner, rights.supported)
            for space_id, rights in message.spaces.items()
        },
        caveats=caveats,
        expires_at_ms=message.expires_at_ms,
        token_id=message.token_id,
    )
