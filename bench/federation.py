"""A large zone: what effective rights cost, how soon a change of a group is felt, what lists of all take.

Users, nested groups and spaces are written straight into the zone's database; then everything goes by the
doors that a provider and a user have.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pymongo
from bson.int64 import Int64
from pymongo.write_concern import WriteConcern

from bench.machine import MIB, MemoryWatch, process_name
from bench.rows import Limit, Wrong
from bench.subject import Subject
from bench.suite import Sizes
from clients.http_api import HttpApi, json_object
from clients.zone import ProviderCredentials, TokenAuthenticator
from runtime.auth import ClusterKey
from runtime.config import ProviderFile
from runtime.identity import Identity, SpacePrivilege
from runtime.rpc.channel import open_channel
from stack.bootstrap import ADMIN, ZONE_API, admin_password, ca_file

FEDERATION_ROW = "large zone"
DEPTH = 8
#: Chains of nested groups in each of which the user of the tests is at the lower end.
OWN_CHAINS = 20
MAX_RIGHTS_US = 10_000.0
MAX_CHANGE_S = 1.0
MAX_LIST_MIB = 64
CHANGES, FIRST_TIMES, CACHED_TIMES = 20, 20, 5000
AT_ONCE = 5000
PEER = "127.0.0.1"
CREATED_MS = 1_700_000_000_000
WRITE = "space_write_data"
RIGHTS = 1 << SpacePrivilege.READ_DATA | 1 << SpacePrivilege.WRITE_DATA

Document = dict[str, Any]


def federation_limits(own: Subject, sizes: Sizes) -> list[Limit]:
    """All figures of a zone of `sizes.zone_users` users, with a tenth of groups and spaces."""
    _fill(own, sizes.zone_users)
    return asyncio.run(_measured(own, sizes.zone_users))


def _fill(own: Subject, users: int) -> None:
    """User `u`, who is a member of all that `OWN_CHAINS` chains reach, among the others."""
    groups = users // 10
    provider_id = ProviderFile.load(own.layout.first.provider_file).provider_id
    with pymongo.MongoClient[Document](own.mongo_url) as client:
        database = client["isthmus_zone"]

        def insert(name: str, documents: Iterator[Document]) -> None:
            into = database.get_collection(name, write_concern=WriteConcern(w=1, j=False))
            batch: list[Document] = []
            for document in documents:
                batch.append(document)
                if len(batch) == AT_ONCE:
                    into.insert_many(batch, ordered=False)
                    batch = []
            if batch:
                into.insert_many(batch, ordered=False)

        insert("users", (_user(f"bu{number}") for number in range(users)))
        insert("groups", (_group(number) for number in range(groups)))
        insert("spaces", (_space(number, provider_id) for number in range(groups)))
        insert("memberships", _memberships(users, groups))


def _memberships(users: int, groups: int) -> Iterator[Document]:
    chains = groups // DEPTH
    for number in range(groups):
        yield _membership(f"spc-bs{number}", f"grp-bg{number}", "space", "group", RIGHTS)
        if number >= chains:
            # One level lower in the same chain.
            yield _membership(f"grp-bg{number - chains}", f"grp-bg{number}", "group", "group", 1)
    lowest = groups - chains
    for number in range(users):
        yield _membership(f"grp-bg{lowest + number % chains}", f"usr-bu{number}", "group", "user", 1)
    for chain in range(1, OWN_CHAINS):
        yield _membership(f"grp-bg{lowest + chain}", "usr-bu0", "group", "user", 1)


def _user(user_id: str) -> Document:
    return {
        "_id": user_id,
        "full_name": "Bench User",
        "username": None,
        "emails": [],
        "basic_auth_enabled": False,
        "blocked": False,
        "privileges": [],
        "created_at_ms": CREATED_MS,
    }


def _group(number: int) -> Document:
    return {
        "_id": f"bg{number}",
        "name": f"group {number}",
        "type": "team",
        "creator": "nobody",
        "created_at_ms": CREATED_MS,
    }


def _space(number: int, provider_id: str) -> Document:
    """Only the first ones are supported: the provider keeps books of each that is."""
    support = {
        "provider_id": provider_id,
        "storage_id": "bench",
        "size_bytes": Int64(10**9),
        "readonly": False,
        "imported": False,
        "request_id": f"bench-{number}",
    }
    return {
        "_id": f"bs{number}",
        "name": f"space {number}",
        "description": "",
        "organization_name": "",
        "tags": [],
        "advertised": False,
        "contact_email": "",
        "owners": [],
        "supports": [support] if number < OWN_CHAINS else [],
        "parameters": {},
        "creator": "nobody",
        "created_at_ms": CREATED_MS,
        "revision": Int64(CREATED_MS),
    }


def _membership(target: str, member: str, target_kind: str, member_kind: str, mask: int) -> Document:
    return {
        "_id": f"{target}:{member}",
        "target": target,
        "member": member,
        "target_kind": target_kind,
        "member_kind": member_kind,
        "privileges": Int64(mask),
        "joined_at_ms": CREATED_MS,
    }


async def _measured(own: Subject, users: int) -> list[Limit]:
    basic = (ADMIN, admin_password(own.layout))
    with HttpApi(own.layout.first.url, basic=basic, ca_file=ca_file(own.layout)) as admin:
        tokens = [_token(admin, f"bu{number}") for number in range(FIRST_TIMES)]
        async with _provider(own) as provider:
            first = [await _first_s(provider, token) for token in tokens]
            identity, _ = await provider.authenticate(tokens[0], PEER)
            cached_us = await _cached_us(provider, tokens[0])
            changes = [await _change_s(admin, provider, tokens[0], number) for number in range(CHANGES)]
        size = f"{users:,} users, {users // 10:,} groups {DEPTH} deep, {users // 10:,} spaces"
        reach = f"{len(identity.group_ids)} groups, {len(identity.spaces)} spaces of his"
        return [
            Limit(f"{FEDERATION_ROW}, effective rights known here", cached_us, MAX_RIGHTS_US, "µs", reach),
            Limit(
                f"{FEDERATION_ROW}, effective rights asked first",
                statistics.median(first) * 1e6,
                None,
                "µs",
                size,
            ),
            Limit(
                f"{FEDERATION_ROW}, change of a group felt at a provider",
                max(changes),
                MAX_CHANGE_S,
                "s",
                f"the slowest of {CHANGES}; median {statistics.median(changes) * 1e3:.0f} ms",
            ),
            *(_list_limit(own, admin, what) for what in ("users", "groups", "spaces")),
        ]


def _token(admin: HttpApi, user_id: str) -> str:
    made = admin.request("POST", f"{ZONE_API}/users/{user_id}/tokens/named", body={"name": "bench"})
    return str(json_object(made)["token"])


@contextlib.asynccontextmanager
async def _provider(own: Subject) -> AsyncIterator[TokenAuthenticator]:
    """What each service of the provider that meets users has in it."""
    site = own.layout.first
    channel = open_channel(f"ipv4:127.0.0.1:{site.port('zone', 1)}", key=None)
    provider = TokenAuthenticator(
        channel, ProviderCredentials.load(site.provider_file), ClusterKey.load(site.cluster_key)
    )
    await provider.start()
    try:
        yield provider
    finally:
        await provider.stop()
        await channel.close()


async def _first_s(provider: TokenAuthenticator, token: str) -> float:
    began_s = time.perf_counter()
    await provider.authenticate(token, PEER)
    return time.perf_counter() - began_s


async def _cached_us(provider: TokenAuthenticator, token: str) -> float:
    """Processor time of one look at what is known."""
    began_s = time.process_time()
    for _ in range(CACHED_TIMES):
        await provider.authenticate(token, PEER)
    return (time.process_time() - began_s) / CACHED_TIMES * 1e6


async def _change_s(admin: HttpApi, provider: TokenAuthenticator, token: str, number: int) -> float:
    """From the answer about a change of what a group may to the first request that is judged by it."""
    change = {"grant": [], "revoke": [WRITE]} if number % 2 == 0 else {"grant": [WRITE], "revoke": []}
    before = _mask(await provider.authenticate(token, PEER))
    path = f"{ZONE_API}/spaces/bs0/groups/bg0/privileges"
    await asyncio.to_thread(admin.request, "PATCH", path, body=change)
    began_s = time.perf_counter()
    while _mask(await provider.authenticate(token, PEER)) == before:
        if time.perf_counter() - began_s > 30:
            raise Wrong("a change of a group never reached the provider")
        await asyncio.sleep(0.002)
    return time.perf_counter() - began_s


def _mask(authenticated: tuple[Identity, bytes]) -> int:
    return authenticated[0].spaces["bs0"].privileges


def _list_limit(own: Subject, admin: HttpApi, what: str) -> Limit:
    """What a list of all costs in memory, by process."""
    watch = MemoryWatch(own.pids)
    began_s = time.perf_counter()
    with watch.watching():
        found = len(json_object(admin.request("GET", f"{ZONE_API}/{what}"))[what])
    took_s = time.perf_counter() - began_s
    growth = watch.growth()
    worst = max(growth, key=lambda pid: growth[pid])
    detail = f"{found:,} of them in {took_s:.2f} s; most: {process_name(worst)}"
    return Limit(f"{FEDERATION_ROW}, list of {what}", growth[worst] / MIB, MAX_LIST_MIB, "MiB", detail)
