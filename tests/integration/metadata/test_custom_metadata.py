"""Custom metadata and ACLs in a real database, changed through two instances that share nothing else."""

from __future__ import annotations

import asyncio
import json

from isthmus.metadata.v1 import files_pb2, xattrs_pb2

from clients.file_columns import files_of
from runtime.errors import AccessDenied
from tests.support.metadata import BOB
from tests.support.metadata_instances import Client, a_ref
from tests.support.waiting import until

Pair = tuple[Client, Client]

READ, READ_ACL, WRITE_ACL = 0x1, 0x20000, 0x40000


async def update(client: Client, name: str, request_id: str, **what: object) -> None:
    await client.api.update_xattrs(
        xattrs_pb2.UpdateXattrsRequest(request_id=request_id, file=a_ref(name), **what)  # type: ignore[arg-type]
    )


async def xattrs_of(client: Client, name: str, **asked: object) -> dict[str, object]:
    answer = await client.api.list_xattrs(
        xattrs_pb2.ListXattrsRequest(file=a_ref(name), **asked)  # type: ignore[arg-type]
    )
    return {item.name: json.loads(item.value_json) for item in answer.xattrs}


async def json_of(client: Client, name: str, keypath: str = "") -> object:
    request = xattrs_pb2.GetJsonRequest(file=a_ref(name), keypath=keypath)
    return json.loads((await client.api.get_json(request)).value_json)


async def test_changes_at_both_instances_all_count(pair: Pair) -> None:
    one, two = pair
    with one.as_user():
        await one.put("f", size_bytes=1)
        await asyncio.gather(
            *(
                update(pair[n % 2], "f", f"x{n}", set=[xattrs_pb2.Xattr(name=f"k{n}", value_json=b"%d" % n)])
                for n in range(24)
            ),
            *(
                update(
                    pair[n % 2], "f", f"j{n}", json=xattrs_pb2.JsonUpdate(value_json=b"1", keypath=f"a.k{n}")
                )
                for n in range(24)
            ),
        )
        assert await xattrs_of(two, "f") == {f"k{n}": n for n in range(24)}
        assert await json_of(one, "f", "a") == {f"k{n}": 1 for n in range(24)}


async def test_a_request_repeated_at_the_other_instance_changes_nothing_more(pair: Pair) -> None:
    one, two = pair
    with one.as_user():
        await one.put("f", size_bytes=1)
        acl = xattrs_pb2.Acl(entries=[files_pb2.AclEntry(allow=True, identifier="alice", mask=0x7019B)])
        what = {
            "acl": acl,
            "rdf": b"<x/>",
            "set": [xattrs_pb2.Xattr(name="$a.b", value_json=b'{"$x": [1]}')],
        }
        await update(one, "f", "same", **what)
        before = await one.get("f")
        await update(two, "f", "same", **what)
        assert (await two.get("f")).revision == before.revision
        assert before.has_acl
        assert before.has_custom_metadata
        assert await xattrs_of(two, "f", internal=True) == {"$a.b": {"$x": [1]}, "onedata_rdf": "<x/>"}


async def test_an_acl_set_at_one_instance_binds_at_the_other(pair: Pair) -> None:
    one, two = pair

    async def told_to_bob() -> list[str] | None:
        request = files_pb2.GetFileRequest(file=a_ref("f"), wanted=files_pb2.WantedAttributes(acl=True))
        with two.as_user(BOB):
            try:
                return [entry.identifier for entry in (await two.api.get_file(request)).file.acl]
            except AccessDenied:
                return None

    with one.as_user():
        await one.put("f", size_bytes=1)
        owner = files_pb2.AclEntry(allow=True, identifier="OWNER@", mask=WRITE_ACL)
        for mask, told in ((READ, None), (READ_ACL, ["bob", "OWNER@"])) * 2:
            entry = files_pb2.AclEntry(allow=True, identifier="bob", mask=mask)
            await update(one, "f", f"acl{mask}", acl=xattrs_pb2.Acl(entries=[entry, owner]))

            async def is_felt(told: list[str] | None = told) -> bool:
                return await told_to_bob() == told

            await until(is_felt)


async def test_listings_tell_what_was_set(client: Client) -> None:
    with client.as_user():
        for n in range(30):
            await client.put(f"f{n:02}", size_bytes=1)
            if n % 2:
                await update(
                    client, f"f{n:02}", f"x{n}", set=[xattrs_pb2.Xattr(name="$n", value_json=b"%d" % n)]
                )
        answer = await client.api.list_children(
            files_pb2.ListChildrenRequest(
                directory=a_ref(),
                page_size=100,
                inclusive=True,
                wanted=files_pb2.WantedAttributes(xattrs=["$n", "$$ROOT"]),
            )
        )
        assert [dict(file.xattrs) for file in files_of(answer.columns)] == [
            {"$n": b"%d" % n} if n % 2 else {} for n in range(30)
        ]
