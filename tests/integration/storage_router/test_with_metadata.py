"""The data port over the real metadata service: what users see of files, rights, quota and removal."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from isthmus.storage_router.v1 import storages_pb2

from runtime.errors import FailedPrecondition, PermissionDenied, Unauthenticated
from runtime.http.file_ids import encode
from tests.integration.storage_router.conftest import Connect
from tests.support.raw_http import chunked, request_bytes
from tests.support.storage_router import (
    ALICE,
    BOB,
    OPERATOR,
    OWNER,
    SERVICE,
    SPACE,
    Provider,
    errno_of,
    file_id_of,
    member,
    random_bytes,
    root_id,
    running_provider,
)

DATA = "/api/v3/oneprovider/data"
LARGE = random_bytes(1_500_000)


@pytest.fixture
async def provider(
    tmp_path: Path, mongo_url: str, mongo_database: str, consul_url: str
) -> AsyncIterator[Provider]:
    async with running_provider(
        tmp_path, mongo_url=mongo_url, database=mongo_database, consul_url=consul_url
    ) as made:
        yield made


async def until(condition: Callable[[], bool], timeout_s: float = 15.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.05)


async def test_files_of_every_size_come_back(provider: Provider) -> None:
    for size in (0, 1, 4096, 262_144, 262_145, 1_500_000):
        data = random_bytes(size)
        assert (await provider.put(f"file{size}", data)).status == 201
        assert (await provider.get(f"file{size}")).body == data


async def test_a_replacement_is_seen_at_once_and_the_old_bytes_go(provider: Provider) -> None:
    for round_ in range(4):
        data = b"round %d " % round_ * (1 if round_ % 2 else 40_000)
        assert (await provider.put("file", data)).status == (204 if round_ else 201)
        assert (await provider.get("file")).body == data
    await until(lambda: len(provider.stored()) == 1, 90)
    assert (await provider.get("file")).body == data


async def test_put_at_a_path_makes_parents(provider: Provider) -> None:
    target = f"{DATA}/{SPACE}/path/a/b/c%20d.txt?create_parents=true"
    made = await provider.request("PUT", target, b"deep", content_type="application/octet-stream")
    assert made.status == 201
    assert made.headers["location"] == f"https://localhost:8443{DATA}/{file_id_of(made)}"
    got = await provider.request("GET", f"{DATA}/{file_id_of(made)}/content")
    assert (got.status, got.body) == (200, b"deep")
    assert got.headers["content-disposition"] == 'attachment; filename="c d.txt"'
    assert (await provider.request("GET", f"{DATA}/{root_id()}/path/a/b/c%20d.txt")).body == b"deep"


BAD_CREATIONS = [
    ("path/file", "eexist"),
    ("path/none/file", "enoent"),
    ("path/file/below", "enotdir"),
    ("path/file/below?create_parents=true", "enotdir"),
    ("path/", "missingRequiredValue"),
    ("path/a%00b", "badValueFilePath"),
    ("path/" + "x" * 256, "enametoolong"),
    ("path/x?type=nope", "badValueNotAllowed"),
    ("path/x?mode=9", "badValueInteger"),
    ("path/x?mode=2000", "badValueNotInRange"),
    ("path/x?offset=-1", "badValueTooLow"),
    ("path/x?update_existing=perhaps", "badValueBoolean"),
    ("path/x?type=SYMLNK", "missingRequiredValue"),
    ("path/x?type=LNK&target_file_id=zz", "badValueIdentifier"),
]


async def test_creations_that_cannot_be(provider: Provider) -> None:
    await provider.put("file", b"x")
    for target, wanted in BAD_CREATIONS:
        answer = await provider.request("PUT", f"{DATA}/{SPACE}/{target}", b"body")
        assert (answer.status, errno_of(answer)) == (400, wanted), target
    assert (await provider.get("file")).body == b"x"


async def test_children_need_a_possible_name(provider: Provider) -> None:
    for name in ("a%2Fb", "..", ".", "%00"):
        answer = await provider.request("POST", f"{DATA}/{SPACE}/children?name={name}", b"body")
        assert (answer.status, errno_of(answer)) == (400, "einval"), name
    nameless = await provider.request("POST", f"{DATA}/{SPACE}/children", b"body")
    assert errno_of(nameless) == "missingRequiredValue"


async def test_children_of_all_types(provider: Provider) -> None:
    children = f"{DATA}/{SPACE}/children"
    for query in ("name=dir&type=DIR&mode=700", "name=link&type=SYMLNK&target_file_path=file", "name=empty"):
        assert (await provider.request("POST", f"{children}?{query}")).status == 201
    made = await provider.request("POST", f"{children}?name=file&mode=640", b"text")
    hard = f"{children}?name=hard&type=LNK&target_file_id={file_id_of(made)}"
    assert (await provider.request("POST", hard)).status == 201
    assert (await provider.request("GET", f"{DATA}/{SPACE}/path/hard")).body == b"text"
    link = f"{DATA}/{SPACE}/path/link"
    assert (await provider.request("GET", link)).body == b"text"
    assert (await provider.request("GET", f"{link}?follow_symlinks=false")).body == b"file"
    assert (await provider.request("GET", "/cdmi/space1/link")).status == 404
    answer = await provider.request("GET", f"{DATA}/{SPACE}/path/dir")
    assert (answer.status, "/download/" in answer.headers["location"]) == (302, True)


async def test_updating_an_existing_child_keeps_the_rest(provider: Provider) -> None:
    target = f"{DATA}/{SPACE}/children?name=file"
    await provider.request("POST", target, b"0123456789")
    again = f"{target}&update_existing=true"
    assert (await provider.request("POST", f"{again}&offset=3", b"abc")).status == 201
    assert (await provider.get("file")).body == b"012abc6789"
    assert (await provider.request("POST", f"{again}&mode=600")).status == 201
    assert (await provider.get("file")).body == b"012abc6789"
    assert errno_of(await provider.get("file", who=BOB)) == "eacces"


async def test_a_new_child_may_begin_with_a_hole(provider: Provider) -> None:
    made = await provider.request("POST", f"{DATA}/{SPACE}/children?name=file&offset=5", b"end")
    assert made.status == 201
    assert (await provider.get("file")).body == bytes(5) + b"end"


async def test_content_is_replaced_or_patched(provider: Provider) -> None:
    made = await provider.request("POST", f"{DATA}/{SPACE}/children?name=file", b"0123456789")
    content = f"{DATA}/{file_id_of(made)}/content"
    for query, body, wanted in (
        ("?offset=0", b"abc", b"abc3456789"),
        ("?offset=12", b"x", b"abc3456789\0\0x"),
        ("", b"new", b"new"),
        ("", b"", b""),
        ("?offset=2", b"z", b"\0\0z"),
        ("?offset=1", LARGE, b"\0" + LARGE),
    ):
        assert (await provider.request("PUT", content + query, body)).status == 204
        got = await provider.request("GET", content)
        assert got.body == wanted, query


async def test_patchers_at_the_same_time_keep_all_bytes(provider: Provider) -> None:
    made = await provider.request("POST", f"{DATA}/{SPACE}/children?name=file")
    content = f"{DATA}/{file_id_of(made)}/content"
    answers = await asyncio.gather(
        *(provider.request("PUT", f"{content}?offset={n * 4}", b"%04d" % n) for n in range(30))
    )
    assert {answer.status for answer in answers} == {204}
    assert (await provider.request("GET", content)).body == b"".join(b"%04d" % n for n in range(30))


async def test_creators_at_the_same_time_make_one_file(provider: Provider) -> None:
    answers = await asyncio.gather(*(provider.put("file", b"%d" % n * 1000) for n in range(12)))
    assert {answer.status for answer in answers} <= {201, 204}
    assert sum(answer.status == 201 for answer in answers) == 1
    body = (await provider.get("file")).body
    assert body in [b"%d" % n * 1000 for n in range(12)]


async def test_exclusive_creators_have_one_winner(provider: Provider) -> None:
    target = f"{DATA}/{SPACE}/path/file"
    answers = await asyncio.gather(*(provider.request("PUT", target, b"%d" % n) for n in range(12)))
    winners = [n for n, answer in enumerate(answers) if answer.status == 201]
    assert {errno_of(answer) for answer in answers if answer.status != 201} == {"eexist"}
    assert len(winners) == 1
    assert (await provider.get("file")).body == b"%d" % winners[0]


async def test_cdmi_keeps_type_and_encoding(provider: Provider) -> None:
    await provider.put("file", b"text", content_type="text/plain; charset=UTF-8")
    assert (await provider.get("file")).headers["content-type"] == "text/plain"
    await provider.put("file", b"other")
    got = await provider.get("file")
    assert (got.headers["content-type"], got.body) == ("text/plain", b"other")


async def test_cdmi_redirects_to_containers(provider: Provider) -> None:
    made = await provider.request("POST", f"{DATA}/{SPACE}/children?name=d%20ir&type=DIR")
    for path in ("space1/d%20ir", f"cdmi_objectid/{file_id_of(made)}"):
        for method in ("GET", "PUT"):
            answer = await provider.request(method, f"/cdmi/{path}?example_qs=1", host="h:1")
            assert answer.status == 302
            assert answer.headers["location"] == "https://h:1/cdmi/space1/d%20ir/?example_qs=1"


async def test_cdmi_by_id_reads_and_writes(provider: Provider) -> None:
    made = await provider.request("POST", f"{DATA}/{SPACE}/children?name=file", b"one")
    by_id = f"/cdmi/cdmi_objectid/{file_id_of(made)}"
    assert (await provider.request("PUT", by_id, b"two")).status == 204
    assert (await provider.request("GET", by_id)).body == b"two"
    below = f"/cdmi/cdmi_objectid/{root_id()}/file"
    assert (await provider.request("GET", below)).body == b"two"


VERSION = {"x_cdmi_specification_version": "1.1.1"}
CDMI_CHECKS: list[tuple[str, str, dict[str, str], int, str]] = [
    ("GET", "/cdmi/space1/none", {}, 404, ""),
    ("GET", "/cdmi/nospace/none", {}, 404, ""),
    ("GET", "/cdmi/space1/file/below", {}, 404, ""),
    ("PUT", "/cdmi/space1/none/file", {}, 400, "enoent"),
    ("PUT", "/cdmi/nospace/file", {}, 400, "eperm"),
    ("GET", "/cdmi/cdmi_objectid/xyz", {}, 400, "badValueIdentifier"),
    ("GET", "/cdmi/space1/file", {"x_cdmi_specification_version": "1.0.2"}, 400, "badVersion"),
    ("GET", "/cdmi/space1/file?value:a-b", {}, 400, "badData"),
    ("GET", "/cdmi/space1/file", {"accept": "application/cdmi-object"}, 400, "missingRequiredValue"),
    ("GET", "/cdmi/space1/file", {"accept": "application/cdmi-queue"}, 400, "missingRequiredValue"),
    ("GET", "/cdmi/space1/file", {"accept": "image/png"}, 406, ""),
    ("PUT", "/cdmi/space1/x", {"accept": "image/png"}, 406, ""),
    ("PUT", "/cdmi/space1/file", {"accept": "application/cdmi-object", **VERSION}, 204, ""),
    ("GET", "/cdmi/space1/file", {"accept": "application/*", **VERSION}, 406, ""),
    ("GET", "/cdmi/space1/file?value:5", {}, 400, "badData"),
    ("PUT", "/cdmi/space1/../x", {}, 400, "enoent"),
    ("GET", f"/cdmi/cdmi_objectid/{encode('strange', 'f')}", {}, 400, "enoent"),
    ("GET", f"/cdmi/cdmi_objectid/{encode('space1', 'f', 'share')}", {}, 400, "enoent"),
    ("PUT", "/cdmi/space1/x", {"content_type": "application/cdmi-domain", **VERSION}, 400, "notSupported"),
    ("GET", "/cdmi/space1/file", {"accept": "text/*"}, 200, ""),
    ("PUT", "/cdmi/space1/x", {"content_type": "application/cdmi-object"}, 400, "missingRequiredValue"),
    ("DELETE", "/cdmi/space1/file", {}, 405, ""),
]


async def test_cdmi_checks(provider: Provider) -> None:
    await provider.put("file", b"x", content_type="text/plain")
    for method, target, headers, status, wanted in CDMI_CHECKS:
        body = b"body" if method == "PUT" else None
        answer = await provider.request(method, target, body, **headers)
        assert answer.status == status, (method, target)
        if wanted:
            assert errno_of(answer) == wanted, (method, target)


async def test_who_may_not_is_refused_before_a_byte(provider: Provider) -> None:
    await provider.request("POST", f"{DATA}/{SPACE}/children?name=private&type=DIR&mode=700")
    await provider.request("PUT", f"{DATA}/{SPACE}/path/private/file?mode=600", b"secret")
    target = f"{DATA}/{SPACE}/path/private/file"
    assert errno_of(await provider.request("GET", target, who=BOB)) == "eacces"
    assert errno_of(await provider.request("PUT", target, b"x", who=BOB)) == "eacces"
    assert (await provider.request("GET", target, who=OWNER)).body == b"secret"
    stranger = member("eve")
    outside = type(stranger)(stranger.kind, "eve", spaces={}, expires_at_ms=stranger.expires_at_ms)
    answer = await provider.request("GET", f"{DATA}/{root_id()}/path/private/file", who=outside)
    assert (answer.status, errno_of(answer)) == (403, "forbidden")
    answer = await provider.request("GET", f"{DATA}/nonsense/content")
    assert json.loads(answer.body)["error"]["details"] == {"spaceId": "nonsense", "providerId": "provider1"}


async def test_ranges_are_judged_before_rights(provider: Provider) -> None:
    await provider.request("PUT", f"{DATA}/{SPACE}/path/file?mode=600", b"0123456789")
    answer = await provider.get("file", who=BOB, range="bytes=10-12")
    assert (answer.status, answer.headers["content-range"]) == (416, "bytes */10")
    assert errno_of(await provider.get("file", who=BOB, range="bytes=1-2")) == "eacces"


async def test_without_a_token_nothing_is_told(provider: Provider, connect: Connect) -> None:
    client = await connect(provider.uds)
    await client.send(f"GET {DATA}/{SPACE}/content HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    answer = await client.answer()
    assert (answer.status, "details" in json.loads(answer.body)["error"]) == (401, False)
    forged = request_bytes("GET", f"{DATA}/{SPACE}/content", {"isthmus-identity": "AAAA"})
    await client.send(forged)
    assert (await client.answer()).status == 401


async def test_the_quota_is_kept_and_given_back(provider: Provider) -> None:
    assert (await provider.put("half", bytes(6 << 20))).status == 201
    refused = await provider.put("more", bytes(6 << 20))
    assert (refused.status, errno_of(refused)) == (400, "enospc")
    stream = chunked(*[bytes(1 << 20)] * 6)
    refused = await provider.request(
        "PUT", "/cdmi/space1/more", stream, transfer_encoding="chunked", content_type="text/plain"
    )
    assert errno_of(refused) == "enospc"
    assert (await provider.get("more")).status == 404
    assert len(provider.stored()) == 1


async def test_a_client_that_goes_away_leaves_nothing(provider: Provider, connect: Connect) -> None:
    await provider.put("file", b"old")
    client = await connect(provider.uds)
    headers = {"content-length": "3000000"}
    client_headers = headers | {"isthmus-identity": provider.as_caller(ALICE)[0][1].removeprefix("Bearer ")}
    await client.send(request_bytes("PUT", "/cdmi/space1/file", client_headers) + LARGE)
    await until(lambda: len(provider.stored()) == 2)
    client.abort()
    await until(lambda: len(provider.stored()) == 1)
    assert (await provider.get("file")).body == b"old"


async def test_a_repeated_request_is_one_upload(provider: Provider) -> None:
    target = f"{DATA}/{SPACE}/path/file"
    for _ in range(3):
        made = await provider.request("PUT", target, b"once", x_request_id="same")
        assert made.status == 201
    assert errno_of(await provider.request("PUT", target, b"other", x_request_id="new")) == "eexist"
    assert (await provider.get("file")).body == b"once"


async def test_a_sweep_removes_what_nobody_refers_to(provider: Provider) -> None:
    await provider.put("file", LARGE)
    [kept] = provider.stored()
    orphan = kept.parent / (kept.name[:3] + "0" * 29)
    young = kept.parent / (kept.name[:3] + "1" * 29)
    foreign = kept.parent.parent / "notes.txt"
    for path in (orphan, young, foreign):
        path.write_bytes(b"x")
    old = time.time() - 3600
    for path in (kept, orphan, foreign):
        os.utime(path, (old, old))
    swept = await provider.storages.SweepStorage(
        storages_pb2.SweepStorageRequest(storage_id=provider.storage_id, min_age_s=60),
        metadata=provider.as_caller(OPERATOR),
    )
    assert (swept.examined, swept.removed) == (4, 1)
    assert sorted(provider.stored()) == sorted([kept, young, foreign])


async def test_a_dead_storage_is_refused_quickly_and_comes_back(provider: Provider) -> None:
    await provider.put("file", b"here")
    provider.folder.rename(provider.folder.with_name("away"))

    async def health() -> int:
        listed = await provider.storages.ListStorages(
            storages_pb2.ListStoragesRequest(), metadata=provider.as_caller(SERVICE)
        )
        return int(listed.storages[0].health)

    async with asyncio.timeout(10):
        while await health() != storages_pb2.STORAGE_HEALTH_UNREACHABLE:
            await asyncio.sleep(0.1)
    for answer in (await provider.get("file"), await provider.put("file", b"new")):
        assert (answer.status, errno_of(answer)) == (503, "serviceUnavailable")
    provider.folder.with_name("away").rename(provider.folder)
    async with asyncio.timeout(10):
        while await health() != storages_pb2.STORAGE_HEALTH_OK:
            await asyncio.sleep(0.1)
    assert (await provider.get("file")).body == b"here"


async def test_storages_are_the_operators_business(provider: Provider, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    request = storages_pb2.CreateStorageRequest(
        request_id="r", name="other", driver="posix", parameters={"mount_point": str(other)}
    )
    with pytest.raises(PermissionDenied):
        await provider.storages.CreateStorage(request, metadata=provider.as_caller(ALICE))
    with pytest.raises(Unauthenticated):
        await provider.storages.CreateStorage(request)
    first = await provider.storages.CreateStorage(request, metadata=provider.as_caller(OPERATOR))
    again = await provider.storages.CreateStorage(request, metadata=provider.as_caller(OPERATOR))
    assert first.storage.storage_id == again.storage.storage_id
    page = await provider.storages.ListStorages(
        storages_pb2.ListStoragesRequest(page_size=1), metadata=provider.as_caller(OPERATOR)
    )
    rest = await provider.storages.ListStorages(
        storages_pb2.ListStoragesRequest(page_token=page.next_page_token),
        metadata=provider.as_caller(OPERATOR),
    )
    assert [storage.name for storage in (*page.storages, *rest.storages)] == ["disk", "other"]
    in_use = storages_pb2.DeleteStorageRequest(storage_id=provider.storage_id)
    with pytest.raises(FailedPrecondition):
        await provider.storages.DeleteStorage(in_use, metadata=provider.as_caller(OPERATOR))
    gone = storages_pb2.DeleteStorageRequest(storage_id=first.storage.storage_id)
    await provider.storages.DeleteStorage(gone, metadata=provider.as_caller(OPERATOR))
    supports = await provider.storages.ListSupports(
        storages_pb2.ListSupportsRequest(), metadata=provider.as_caller(SERVICE)
    )
    assert [support.space_id for support in supports.supports] == [SPACE]


async def test_a_storage_that_does_not_work_is_not_added(provider: Provider, tmp_path: Path) -> None:
    request = storages_pb2.CreateStorageRequest(
        request_id="r", name="none", driver="posix", parameters={"mount_point": str(tmp_path / "none")}
    )
    with pytest.raises(FailedPrecondition) as caught:
        await provider.storages.CreateStorage(request, metadata=provider.as_caller(OPERATOR))
    assert (caught.value.reason, caught.value.facts["operation"]) == ("STORAGE_TEST_FAILED", "access")
    assert not (tmp_path / "none").exists()


async def make(provider: Provider, name: str, data: bytes, mode: str = "664") -> str:
    """A file of the space with this content; its object id."""
    made = await provider.request("PUT", f"{DATA}/{SPACE}/path/{name}?mode={mode}", data)
    assert made.status == 201
    return file_id_of(made)


async def test_content_is_copied_inside_the_storage(provider: Provider) -> None:
    for size in (0, 1, 4096, 1_500_000):
        data = random_bytes(size)
        id = await make(provider, f"source{size}", data)
        copied = await provider.put(f"copy{size}", b"", isthmus_copy_of=id, isthmus_mode="600")
        assert copied.status == 201
        assert (await provider.get(f"copy{size}")).body == data
        refused = await provider.request("GET", f"/cdmi/space1/copy{size}", who=BOB)
        assert errno_of(refused) == "eacces"
    assert len(provider.stored()) == 6


async def test_holes_are_copied_as_holes(provider: Provider) -> None:
    id = await make(provider, "source", b"begin")
    await provider.put("source", b"end", content_range="bytes 5000000-5000002/*")
    assert (await provider.put("copy", b"", isthmus_copy_of=id)).status == 201
    assert (await provider.get("copy")).body == b"begin" + bytes(4_999_995) + b"end"
    assert max(path.stat().st_blocks * 512 for path in provider.stored()) < 1_000_000


async def test_a_copy_replaces_nothing_and_needs_the_right_to_read(provider: Provider) -> None:
    id = await make(provider, "source", b"hello")
    await make(provider, "taken", b"other")
    assert errno_of(await provider.put("taken", b"", isthmus_copy_of=id)) == "eexist"
    assert (await provider.get("taken")).body == b"other"
    assert errno_of(await provider.put("no/copy", b"", isthmus_copy_of=id)) == "enoent"
    assert errno_of(await provider.put("copy", b"", isthmus_copy_of=encode(SPACE, "nothing"))) == "enoent"
    assert errno_of(await provider.put("copy", b"", isthmus_copy_of="xyz")) == "badValueIdentifier"
    secret = await make(provider, "private", b"secret", mode="600")
    answer = await provider.request("PUT", "/cdmi/space1/copy", b"", who=BOB, isthmus_copy_of=secret)
    assert errno_of(answer) == "eacces"
    assert (await provider.get("copy")).status == 404
