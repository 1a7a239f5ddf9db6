from __future__ import annotations

import base64

import pytest

from services.zone.domain.access import GUEST, Caller
from services.zone.domain.caveat_forms import parse_all
from services.zone.domain.entities import User
from services.zone.domain.errors import Forbidden, Unauthorized
from services.zone.domain.identifiers import provider_subject, user_subject

IN_SPACE_1 = base64.b64encode(b"/s1/dir").decode()


def _caller(*caveats: str) -> Caller:
    user = User("u1", "Joe", privileges=frozenset({"oz_users_list"}))
    return Caller(
        user_subject("u1"), user, tuple(parse_all(caveats)), space_of_object=lambda _object_id: "s2"
    )


def _allows(caller: Caller, *operation: str) -> bool:
    try:
        caller.allow(*operation)
    except Unauthorized as error:
        return bool(error.details["authError"]["id"] != "tokenCaveatUnverified")
    return True


def test_guest_must_authenticate_and_user_is_forbidden() -> None:
    with pytest.raises(Unauthorized):
        GUEST.require_admin("oz_users_list")
    with pytest.raises(Forbidden):
        _caller().require_admin("oz_users_list", "oz_users_view")
    _caller().require_admin("oz_users_list")


def test_provider_is_no_user_and_user_no_provider() -> None:
    with pytest.raises(Forbidden):
        Caller(provider_subject("p1")).as_user()
    with pytest.raises(Forbidden):
        _caller().as_provider()
    assert Caller(provider_subject("p1")).as_provider() == "p1"


@pytest.mark.parametrize("caveat", ["data.readonly", "interface = oneclient"])
def test_data_caveat_leaves_plain_reading_only(caveat: str) -> None:
    caller = _caller(caveat)
    assert _allows(caller, "get", "od_user", "u1")
    assert _allows(caller, "get", "od_space", "s1")
    assert _allows(caller, "get", "od_share", "x")
    assert not _allows(caller, "get", "od_user", "u2")
    assert not _allows(caller, "get", "od_user", "u1", "spaces")
    assert not _allows(caller, "update", "od_user", "u1")
    assert not _allows(caller, "create", "od_token")


def test_path_and_object_caveats_leave_their_spaces() -> None:
    assert _allows(_caller(f"data.path = {IN_SPACE_1}"), "get", "od_space", "s1")
    assert not _allows(_caller(f"data.path = {IN_SPACE_1}"), "get", "od_space", "s2")
    by_object = _caller("data.objectid = 000000000000000000AA")
    assert _allows(by_object, "get", "od_space", "s2")
    assert not _allows(by_object, "get", "od_space", "s1")


def test_api_caveats_intersect() -> None:
    caller = _caller("api = all/all/od_space.*.*:*", "api = all/get/*.*.*:*")
    assert _allows(caller, "get", "od_space", "s1")
    assert not _allows(caller, "update", "od_space", "s1")
    assert not _allows(caller, "get", "od_user", "u1")


def test_token_for_a_provider_reads_what_that_needs() -> None:
    caller = _caller("service = opw-p1")
    assert _allows(caller, "get", "od_space", "s1", "users")
    assert not _allows(caller, "update", "od_space", "s1")
    assert not _allows(caller, "get", "od_token", "t1")
    assert _allows(_caller("service = opw-p1|ozw-onezone"), "update", "od_space", "s1")
