"""The direct road: a ticket is all it takes, and no more than it says."""

from __future__ import annotations

from typing import Any

from isthmus.storage_router.v1 import tickets_pb2

from runtime import tickets
from tests.support.data_port import SPACE, USER, RunningPort
from tests.support.raw_http import RawClient

FAR_MS = 1 << 50
NO_TOKEN = {"x-auth-token": "bad"}


def url(port: RunningPort, **fields: Any) -> str:
    ticket = tickets_pb2.Ticket(**{"space_id": SPACE, "expires_at_ms": FAR_MS, **fields})
    return tickets.PATH_PREFIX + tickets.sign(port.key, ticket)


def reading(port: RunningPort, **more: Any) -> str:
    [(file, location)] = port.twin.files.values()
    fields = {
        "method": "GET",
        "file_id": file.file_id,
        "storage_id": location.storage_id,
        "storage_file_id": location.storage_file_id,
        "size_bytes": location.size_bytes,
        "content_type": "text/plain",
        "file_name": "näme",
    }
    return url(port, **{**fields, **more})


def writing(port: RunningPort, **more: Any) -> str:
    [file_id] = port.twin.files
    fields = {"method": "PUT", "file_id": file_id, "identity": port.key.sign(USER)}
    return url(port, **{**fields, **more})


async def test_a_reading_ticket_asks_nobody(client: RawClient, port: RunningPort) -> None:
    await client.request("PUT", "/cdmi/space1/file", body=b"0123456789")
    target = reading(port)
    port.twin.files.clear()
    answer = await client.request("GET", target, NO_TOKEN)
    assert (answer.status, answer.body) == (200, b"0123456789")
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["content-disposition"].endswith("filename*=UTF-8''n%C3%A4me")
    assert (await client.request("HEAD", target, NO_TOKEN)).headers["content-length"] == "10"
    assert (await client.request("GET", target, {**NO_TOKEN, "range": "bytes=-2"})).body == b"89"


async def test_a_writing_ticket_replaces_the_content(client: RawClient, port: RunningPort) -> None:
    await client.request("PUT", "/cdmi/space1/file", body=b"old")
    target = writing(port, max_bytes=400_000)
    for body in (b"new", bytes(300_000)):
        assert (await client.request("PUT", target, NO_TOKEN, body)).status == 204
        assert (await client.request("GET", "/cdmi/space1/file")).body == body
    refused = await client.request("PUT", target, NO_TOKEN, bytes(400_001))
    assert (refused.status, '"errno":"enospc"' in refused.text) == (400, True)


async def test_a_ticket_is_good_for_one_method(client: RawClient, port: RunningPort) -> None:
    await client.request("PUT", "/cdmi/space1/file", body=b"old")
    assert (await client.request("PUT", reading(port), body=b"x")).status == 405
    answer = await client.request("GET", writing(port))
    assert (answer.status, answer.headers["allow"]) == (405, "PUT")


async def test_a_ticket_for_replaced_content_is_void(client: RawClient, port: RunningPort) -> None:
    await client.request("PUT", "/cdmi/space1/file", body=b"old")
    target = reading(port)
    port.stored()[0].unlink()
    answer = await client.request("GET", target)
    assert (answer.status, '"errno":"enoent"' in answer.text) == (400, True)


async def test_forged_and_old_tickets_are_refused(client: RawClient, port: RunningPort) -> None:
    await client.request("PUT", "/cdmi/space1/file", body=b"old")
    good = reading(port)
    forged = good[:-4] + ("AAAA" if not good.endswith("AAAA") else "BBBB")
    for target in (
        forged,
        reading(port, expires_at_ms=1),
        "/ticket/",
        "/ticket/x",
        "/ticket/%00",
        "/ticket/a/b",
    ):
        assert (await client.request("GET", target)).status == 401
    unsigned = writing(port, identity=b"nobody")
    assert (await client.request("PUT", unsigned, body=b"x")).status == 401
    assert (await client.request("GET", "/cdmi/space1/file")).body == b"old"
