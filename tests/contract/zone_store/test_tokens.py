from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from services.zone.domain.entities import NamedToken
from services.zone.domain.identifiers import (
    ACCESS,
    InviteType,
    invitation,
    provider_subject,
    user_subject,
)
from services.zone.domain.stores import Stores, Taken

JOE = user_subject("u1")
TOKEN = NamedToken(
    id="t1",
    name="laptop",
    subject=JOE,
    type=ACCESS,
    caveats=("time < 5", "data.readonly"),
    custom={"a.b": {"$set": [1, None]}},
    created_at_ms=7,
)
INVITE = replace(
    TOKEN, id="t2", name="join", type=invitation(InviteType.USER_JOIN_SPACE, "s1"), usage_limit=2
)


async def test_token_comes_back_with_its_secret(stores: Stores) -> None:
    await stores.tokens.create(TOKEN, "secret")
    assert await stores.tokens.find("t1") == (TOKEN, "secret")
    assert await stores.tokens.find_by_name(JOE, "laptop") == TOKEN
    assert await stores.tokens.find("t9") is None


async def test_name_is_unique_for_a_subject_only(stores: Stores) -> None:
    await stores.tokens.create(TOKEN, "secret")
    with pytest.raises(Taken, match="name"):
        await stores.tokens.create(replace(TOKEN, id="t2"), "other")
    await stores.tokens.create(replace(TOKEN, id="t3", subject=provider_subject("u1")), "third")
    assert await stores.tokens.list_ids(JOE) == ["t1"]
    assert sorted(await stores.tokens.list_ids(None)) == ["t1", "t3"]
    assert await stores.tokens.find("t2") is None


async def test_update_sets_fields_and_guards_names(stores: Stores) -> None:
    await stores.tokens.create(TOKEN, "secret")
    await stores.tokens.create(INVITE, "other")
    assert await stores.tokens.update("t1", {"revoked": True, "custom": {"x": 1}})
    assert await stores.tokens.find("t1") == (replace(TOKEN, revoked=True, custom={"x": 1}), "secret")
    with pytest.raises(Taken):
        await stores.tokens.update("t1", {"name": "join"})
    assert not await stores.tokens.update("t9", {"revoked": True})


async def test_uses_are_counted_up_to_the_limit(stores: Stores) -> None:
    await stores.tokens.create(INVITE, "secret")
    counted = await asyncio.gather(*(stores.tokens.count_use("t2") for _ in range(5)))
    assert sorted(counted) == [False, False, False, True, True]
    await stores.tokens.uncount_use("t2")
    assert await stores.tokens.count_use("t2")
    assert not await stores.tokens.count_use("t9")


async def test_without_limit_uses_never_end(stores: Stores) -> None:
    await stores.tokens.create(replace(INVITE, usage_limit=None), "secret")
    assert all([await stores.tokens.count_use("t2") for _ in range(3)])
    found = await stores.tokens.find("t2")
    assert found is not None
    assert found[0].usage_count == 3


async def test_deleted_token_is_gone(stores: Stores) -> None:
    await stores.tokens.create(TOKEN, "secret")
    assert await stores.tokens.delete("t1")
    assert not await stores.tokens.delete("t1")
    assert await stores.tokens.find("t1") is None


async def test_all_tokens_of_one_subject_are_deleted(stores: Stores) -> None:
    await stores.tokens.create(TOKEN, "secret")
    await stores.tokens.create(INVITE, "secret")
    await stores.tokens.create(replace(TOKEN, id="t3", subject=provider_subject("p1")), "secret")
    await stores.tokens.delete_all(JOE)
    assert await stores.tokens.list_ids(None) == ["t3"]


async def test_first_temporary_secret_stays_until_renewed(stores: Stores) -> None:
    assert await stores.tokens.find_temporary_secret(JOE) is None
    made = await asyncio.gather(*(stores.tokens.temporary_secret(JOE, f"s{n}") for n in range(6)))
    assert len({each.secret for each in made}) == 1
    assert {each.generation for each in made} == {1}
    assert await stores.tokens.renew_temporary_secret(JOE, "fresh") == 2
    found = await stores.tokens.find_temporary_secret(JOE)
    assert found is not None
    assert (found.generation, found.secret) == (2, "fresh")
