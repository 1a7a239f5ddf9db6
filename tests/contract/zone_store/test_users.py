from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from services.zone.domain.entities import LinkedAccount, User
from services.zone.domain.stores import Stores, Taken

JOE = User("u1", "Joe", "joe", ("joe@example.org",), True, False, frozenset({"oz_users_list"}), 5)


async def test_user_comes_back_whole(stores: Stores) -> None:
    await stores.users.create(JOE, "hash")
    assert await stores.users.find("u1") == JOE
    assert await stores.users.find_by_username("joe") == JOE
    assert await stores.users.password_hash("u1") == "hash"


async def test_unknown_user_is_none(stores: Stores) -> None:
    assert await stores.users.find("u1") is None
    assert await stores.users.find_by_username("joe") is None
    assert await stores.users.password_hash("u1") is None


async def test_username_is_unique(stores: Stores) -> None:
    await stores.users.create(JOE, "hash")
    with pytest.raises(Taken, match="username"):
        await stores.users.create(replace(JOE, id="u2"), "other")
    assert await stores.users.password_hash("u2") is None


async def test_users_without_username_are_many(stores: Stores) -> None:
    await stores.users.create(replace(JOE, id="u1", username=None, created_at_ms=2), None)
    await stores.users.create(replace(JOE, id="u2", username=None, created_at_ms=1), None)
    assert await stores.users.list_ids() == ["u2", "u1"]


async def test_of_concurrent_creates_one_wins(stores: Stores) -> None:
    users = [replace(JOE, id=f"u{number}") for number in range(8)]
    made = await asyncio.gather(
        *(stores.users.create(user, user.id) for user in users), return_exceptions=True
    )
    assert made.count(None) == 1
    winner = await stores.users.find_by_username("joe")
    assert winner is not None
    assert await stores.users.password_hash(winner.id) == winner.id


async def test_update_sets_fields_and_guards_names(stores: Stores) -> None:
    await stores.users.create(JOE, None)
    await stores.users.create(replace(JOE, id="u2", username="ann"), None)
    assert await stores.users.update("u1", {"blocked": True, "username": "jim"})
    assert await stores.users.find("u1") == replace(JOE, blocked=True, username="jim")
    with pytest.raises(Taken):
        await stores.users.update("u1", {"username": "ann"})
    assert not await stores.users.update("u9", {"blocked": True})


async def test_privileges_are_revoked_then_granted(stores: Stores) -> None:
    await stores.users.create(JOE, None)
    assert await stores.users.change_privileges("u1", grant=["a", "b"], revoke=["oz_users_list", "a"])
    user = await stores.users.find("u1")
    assert user is not None
    assert user.privileges == {"a", "b"}


async def test_deleted_user_is_gone_with_password(stores: Stores) -> None:
    await stores.users.create(JOE, "hash")
    assert await stores.users.delete("u1")
    assert await stores.users.find("u1") is None
    assert await stores.users.password_hash("u1") is None
    assert not await stores.users.delete("u1")


async def test_set_up_is_marked_once(stores: Stores) -> None:
    assert not await stores.users.is_set_up()
    await stores.users.mark_set_up("u1")
    await stores.users.mark_set_up("u2")
    assert await stores.users.is_set_up()


async def test_password_hash_is_replaced(stores: Stores) -> None:
    await stores.users.create(JOE, None)
    await stores.users.set_password_hash("u1", "first")
    await stores.users.set_password_hash("u1", "second")
    assert await stores.users.password_hash("u1") == "second"


async def test_user_is_found_by_his_accounts(stores: Stores) -> None:
    account = LinkedAccount("home", "s-1", "Joe", "joe", ("joe@example.org",), ("staff",))
    user = User("u1", "Joe", linked_accounts=(account,))
    await stores.users.create(user, None)
    await stores.users.create(User("u2", "Ann"), None)
    assert await stores.users.find_by_account("home", "s-1") == user
    assert await stores.users.find_by_account("work", "s-1") is None
    with pytest.raises(Taken, match="account"):
        await stores.users.create(replace(user, id="u3"), None)
    with pytest.raises(Taken, match="account"):
        await stores.users.link_account("u2", account)


async def test_linking_adds_an_account_or_renews_it(stores: Stores) -> None:
    first, second = LinkedAccount("home", "s-1"), LinkedAccount("work", "$s:1")
    await stores.users.create(User("u1", "Joe", linked_accounts=(first,)), None)
    assert await stores.users.link_account("u1", second)
    renewed = replace(first, full_name="Joe the Second")
    assert await stores.users.link_account("u1", renewed)
    found = await stores.users.find("u1")
    assert found is not None
    assert set(found.linked_accounts) == {renewed, second}
    assert not await stores.users.link_account("u9", LinkedAccount("home", "s-9"))
