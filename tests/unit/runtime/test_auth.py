from __future__ import annotations

import os
from pathlib import Path

import pytest
from isthmus.common.v1 import identity_pb2

from runtime import auth
from runtime.auth import BadIdentity, ClusterKey, IdentityExpired, as_caller, caller, caller_blob
from runtime.config import BadSettings
from runtime.errors import Unauthenticated
from runtime.identity import GUEST, DataCaveats, Identity, Kind, SpaceRights

NOW_MS = 1_700_000_000_000
KEY = ClusterKey(b"k" * 32)
USER = Identity(
    kind=Kind.USER,
    subject_id="u1",
    group_ids=("g1", "g2"),
    spaces={"s1": SpaceRights("one", 0b110), "s2": SpaceRights("two", owner=True, supported=False)},
    caveats=DataCaveats(readonly=True, paths=(("/s1/a", "/s1/b"), ("/s1",)), object_ids=(("00AB",),)),
    expires_at_ms=NOW_MS + 1000,
    token_id="t1",
)


@pytest.mark.parametrize("identity", [USER, Identity(kind=Kind.GUEST, expires_at_ms=NOW_MS + 1)])
def test_an_identity_travels_whole(identity: Identity):
    assert KEY.verify(KEY.sign(identity), NOW_MS) == identity


def test_a_verified_identity_is_remembered():
    blob = KEY.sign(USER)
    assert KEY.verify(blob, NOW_MS) is KEY.verify(blob, NOW_MS)


@pytest.mark.parametrize("remembered", [False, True])
def test_an_identity_ends_with_its_time(remembered: bool):
    key = ClusterKey(b"k" * 32)
    blob = key.sign(USER)
    if remembered:
        key.verify(blob, NOW_MS)
    with pytest.raises(IdentityExpired):
        key.verify(blob, USER.expires_at_ms)


def test_an_identity_without_end_is_refused():
    with pytest.raises(IdentityExpired):
        KEY.verify(KEY.sign(GUEST), NOW_MS)


@pytest.mark.parametrize("blob", [b"", b"\xff\xff\xff", ClusterKey(b"x" * 32).sign(USER)])
def test_what_the_key_did_not_sign_is_refused(blob: bytes):
    with pytest.raises(BadIdentity):
        KEY.verify(blob, NOW_MS)


def test_a_changed_identity_is_refused():
    signed = identity_pb2.SignedIdentity.FromString(KEY.sign(USER))
    signed.identity = signed.identity.replace(b"u1", b"u2")
    with pytest.raises(BadIdentity):
        KEY.verify(signed.SerializeToString(), NOW_MS)


def test_an_unknown_kind_is_refused():
    body = identity_pb2.Identity(expires_at_ms=NOW_MS + 1).SerializeToString()
    signed = identity_pb2.SignedIdentity(identity=body, signature=KEY.sign_bytes("identity", body))
    with pytest.raises(BadIdentity):
        KEY.verify(signed.SerializeToString(), NOW_MS)


def test_a_huge_identity_is_refused():
    with pytest.raises(BadIdentity):
        KEY.verify(b"\0" * (auth.MAX_BLOB_BYTES + 1), NOW_MS)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(auth, "MAX_REMEMBERED", 3)
    key = ClusterKey(b"k" * 32)
    blobs = [
        key.sign(Identity(kind=Kind.USER, subject_id=str(each), expires_at_ms=NOW_MS + 1))
        for each in range(10)
    ]
    first = key.verify(blobs[0], NOW_MS)
    for blob in blobs[1:]:
        key.verify(blob, NOW_MS)
    assert key.verify(blobs[0], NOW_MS) is not first


def test_a_signature_is_good_for_one_purpose():
    signature = KEY.sign_bytes("ticket", b"data")
    assert KEY.verify_bytes("ticket", b"data", signature)
    assert not KEY.verify_bytes("page", b"data", signature)
    assert not KEY.verify_bytes("ticket", b"date", signature)
    assert not KEY.verify_bytes("ticket", b"data", signature[:-1])


def test_a_new_key_is_private_and_never_replaced(tmp_path: Path):
    path = tmp_path / "cluster.key"
    made = ClusterKey.generate(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert ClusterKey.load(path).verify(made.sign(USER), NOW_MS) == USER
    with pytest.raises(FileExistsError):
        ClusterKey.generate(path)


def test_a_key_that_all_can_read_is_refused(tmp_path: Path):
    path = tmp_path / "cluster.key"
    ClusterKey.generate(path)
    os.chmod(path, 0o644)  # noqa: PTH101
    with pytest.raises(BadSettings, match="accessible to others"):
        ClusterKey.load(path)


def test_a_short_or_absent_key_is_told(tmp_path: Path):
    (tmp_path / "short").write_bytes(b"k" * 31)
    (tmp_path / "short").chmod(0o600)
    with pytest.raises(BadSettings, match="32 bytes"):
        ClusterKey.load(tmp_path / "short")
    with pytest.raises(BadSettings, match="No such file"):
        ClusterKey.load(tmp_path / "absent")


def test_nobody_calls_outside_of_requests():
    for ask in (caller, caller_blob):
        with pytest.raises(Unauthenticated):
            ask()


def test_the_caller_holds_inside_the_block():
    with as_caller(USER, b"signed"):
        assert caller() is USER
        assert caller_blob() == b"signed"
    with pytest.raises(Unauthenticated):
        caller()


def test_a_service_keeps_its_identity_for_a_while():
    identity = auth.service_identity("metadata")
    assert identity is auth.service_identity("metadata")
    assert identity.kind is Kind.SERVICE
    assert identity is not auth.service_identity("gateway")


def test_a_service_identity_is_renewed_at_half_its_life(monkeypatch: pytest.MonkeyPatch):
    identity = auth.service_identity("metadata")
    later_ns = (identity.expires_at_ms - 200_000) * 1_000_000
    monkeypatch.setattr("runtime.auth.time.time_ns", lambda: later_ns)
    try:
        assert auth.service_identity("metadata").expires_at_ms > identity.expires_at_ms
    finally:
        auth._service_identities.clear()


def test_text_and_back():
    blob = bytes(range(256))
    text = auth.to_text(blob)
    assert auth.from_text(text) == blob
    assert not set(text) & set("+/= ")


@pytest.mark.parametrize("text", ["a", "ä", "ab cd", "ab=c"])
def test_other_text_is_refused(text: str):
    with pytest.raises(BadIdentity):
        auth.from_text(text)
