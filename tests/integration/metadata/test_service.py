"""The service over its wire: gRPC, the multiplexed stream, MongoDB."""

from __future__ import annotations

import contextlib

import pytest
from isthmus.metadata.v1 import (
    changes_pb2,
    contents_pb2,
    dir_stats_pb2,
    files_pb2,
    files_pb2_grpc,
    links_pb2,
    xattrs_pb2,
)

from runtime.errors import (
    FailedPrecondition,
    FileExists,
    InvalidArgument,
    InvalidName,
    NoSuchFile,
    PermissionDenied,
    SpaceNotSupported,
    Unauthenticated,
)
from runtime.identity import GUEST
from runtime.rpc.channel import open_channel
from services.metadata.domain.errors import Forbidden
from tests.support.metadata import OWNER, SPACE, STORAGE, fresh_id, member
from tests.support.metadata_instances import Client, a_ref
from tests.support.waiting import until


async def test_files_are_made_found_listed_moved_and_deleted(client: Client) -> None:
    with client.as_user():
        directory = await client.mkdir("d")
        file = await client.create("d", "ä b%2F")
        found = await client.get("d", "ä b%2F")
        assert found.file_id == file.file_id
        assert (found.parent_id, found.owner_id, found.mode, found.hard_link_count) == (
            directory.file_id,
            "alice",
            0o664,
            1,
        )
        await client.rename("d/ä b%2F", "x")
        assert await client.names() == ["d", "x"]
        await client.delete("d")
        assert await client.names() == ["x"]


async def test_paths_come_when_asked_for(client: Client) -> None:
    with client.as_user():
        await client.mkdir("d")
        file = await client.create("d", "f")
        by_id = files_pb2.FileRef(space_id=SPACE, file_id=file.file_id)
        asked = files_pb2.GetFileRequest(file=by_id, with_path=True)
        assert list((await client.api.get_file(asked)).file.path) == ["d", "f"]


async def test_uploads_are_located_and_replaced(client: Client) -> None:
    with client.as_user():
        first = await client.put("a", size_bytes=10)
        await client.put("a", size_bytes=4)
        located = await client.api.locate_content(contents_pb2.LocateContentRequest(file=a_ref("a")))
        assert located.file.file_id == first.file_id
        assert (located.location.size_bytes, located.location.storage_id) == (4, STORAGE)
        assert [(block.offset, block.size_bytes) for block in located.location.blocks] == [(0, 4)]
        assert dict(located.location.version_vector) == {"provider1": 4}
        empty = await client.create("empty")
        located = await client.api.locate_content(contents_pb2.LocateContentRequest(file=a_ref("empty")))
        assert located.file.file_id == empty.file_id
        assert not located.HasField("location")
    assert await client.used_bytes() == 14


async def test_errors_keep_class_and_reason_on_the_wire(client: Client) -> None:
    with client.as_user():
        await client.create("a")
        for call, error in (
            (client.create("a"), FileExists),
            (client.get("b"), NoSuchFile),
            (client.get(".."), InvalidName),
            (client.api.get_file(files_pb2.GetFileRequest()), InvalidArgument),
        ):
            with pytest.raises(error):
                await call
    with client.as_user(member(space_id="other")), pytest.raises(PermissionDenied) as refused:
        await client.get("a")
    assert refused.value.reason == Forbidden.reason
    other = files_pb2.GetFileRequest(file=files_pb2.FileRef(space_id="other"))
    with client.as_user(member(space_id="other")), pytest.raises(SpaceNotSupported) as unsupported:
        await client.api.get_file(other)
    assert unsupported.value.facts == {"space_id": "other"}


async def test_guests_are_asked_for_credentials(client: Client) -> None:
    guest = type(GUEST)(GUEST.kind, expires_at_ms=10**14)
    with client.as_user(guest), pytest.raises(Unauthenticated):
        await client.get()


async def test_hard_links_travel(client: Client) -> None:
    with client.as_user():
        file = await client.create("a")
        request = files_pb2.CreateFileRequest(
            parent=a_ref(), name="l", type=files_pb2.FILE_TYPE_REGULAR, hard_link_target_id=file.file_id
        )
        link = (await client.api.create_file(request)).file
        told = await client.api.list_hard_links(links_pb2.ListHardLinksRequest(file=a_ref("l")))
    assert list(told.file_ids) == [file.file_id, link.file_id]
    assert link.hard_link_count == 2


async def test_who_asks_for_the_id_alone_is_told_no_more(client: Client) -> None:
    with client.as_user():
        for more in ({}, {"hard_link_target_id": (await client.create("a")).file_id}):
            request = files_pb2.CreateFileRequest(
                parent=a_ref(), name=f"f{len(more)}", type=files_pb2.FILE_TYPE_REGULAR, id_only=True, **more
            )
            told = (await client.api.create_file(request)).file
            assert told == files_pb2.File(file_id=(await client.get(request.name)).file_id)


async def test_single_calls_reach_the_same_handlers(client: Client) -> None:
    channel = open_channel(client.watch.instances[0].address, key=client.key)
    stub = files_pb2_grpc.FileServiceStub(channel)
    with client.as_user():
        file = await client.create("a")
        request = files_pb2.GetFileRequest(file=a_ref("a"))
        assert (await stub.GetFile(request)).file == file
    await channel.close()


async def test_attributes_of_files_travel(client: Client) -> None:
    with client.as_user():
        await client.create("a")
        await client.api.update_xattrs(
            xattrs_pb2.UpdateXattrsRequest(
                request_id=fresh_id(),
                file=a_ref("a"),
                set=[xattrs_pb2.Xattr(name="k.1", value_json=b'"v"')],
                mimetype="text/plain",
            )
        )
        listed = await client.api.list_xattrs(xattrs_pb2.ListXattrsRequest(file=a_ref("a")))
        assert [(item.name, item.value_json) for item in listed.xattrs] == [("k.1", b'"v"')]
        file = await client.get("a")
        assert (file.mimetype, file.has_custom_metadata) == ("text/plain", True)


async def test_a_deleted_tree_is_cleaned_by_the_workers(client: Client) -> None:
    with client.as_user():
        await client.mkdir("d")
        await client.mkdir("d", "e")
        await client.put("d", "e", "f", size_bytes=7)
        await client.delete("d")

    async def removed() -> bool:
        asked = contents_pb2.ListRemovalsRequest(storage_ids=[STORAGE], page_size=10)
        removals = (await client.api.list_removals(asked)).removals
        await client.api.confirm_removals(contents_pb2.ConfirmRemovalsRequest(removals=removals))
        return await client.used_bytes() == 0

    await until(removed, timeout_s=30)


async def test_changes_are_numbered_without_gaps(client: Client) -> None:
    with client.as_user():
        for number in range(20):
            await client.put(f"f{number}", size_bytes=1)
        await client.delete("f0")

    async def changes() -> list[changes_pb2.Change]:
        listed = []
        after = 0
        while True:
            page = await client.api.list_changes(
                changes_pb2.ListChangesRequest(space_id=SPACE, after_sequence=after, page_size=7)
            )
            if not page.changes:
                return listed
            listed += page.changes
            after = listed[-1].sequence

    async def complete() -> bool:
        return any(change.collection == "files" and change.deleted for change in await changes())

    await until(complete)
    log = await changes()
    assert [change.sequence for change in log] == list(range(1, len(log) + 1))
    assert {change.collection for change in log} >= {"files", "locations"}


async def test_changed_documents_are_told_from_the_real_log(client: Client) -> None:
    with client.as_user():
        await client.put("f", size_bytes=3)
        await client.create("d", type=files_pb2.FILE_TYPE_DIRECTORY)
    request = changes_pb2.ListChangedDocumentsRequest(
        space_id=SPACE,
        page_size=200,
        documents=[
            changes_pb2.CHANGED_DOCUMENT_KIND_FILE_META,
            changes_pb2.CHANGED_DOCUMENT_KIND_FILE_LOCATION,
        ],
        with_location=True,
    )
    told: list[changes_pb2.ChangedDocument] = []

    async def complete() -> bool:
        with client.as_user(OWNER):
            told[:] = (await client.api.list_changed_documents(request)).changes
        return {"f", "d"} <= {each.name for each in told}

    await until(complete)
    locations = [each for each in told if each.kind == changes_pb2.CHANGED_DOCUMENT_KIND_FILE_LOCATION]
    assert [(each.name, each.location.size_bytes) for each in locations] == [("f", 3)]
    heads = await client.api.get_change_heads(changes_pb2.GetChangeHeadsRequest(space_ids=[SPACE]))
    assert heads.heads[SPACE] >= told[-1].number


async def test_directories_are_counted_from_the_real_log(client: Client) -> None:
    with client.as_user():
        await client.put("before", size_bytes=3)
    await client.api.set_dir_stats(dir_stats_pb2.SetDirStatsRequest(space_id=SPACE, enabled=True))
    with client.as_user():
        await client.create("d", type=files_pb2.FILE_TYPE_DIRECTORY)
        await client.put("d", "f", size_bytes=4)
    request = dir_stats_pb2.GetDirStatsRequest(directory=a_ref())

    async def counted() -> bool:
        with client.as_user(), contextlib.suppress(FailedPrecondition):
            sums = (await client.api.get_dir_stats(request)).sums
            return (sums.file_count, sums.logical_size, dict(sums.physical_sizes)) == (2, 7, {STORAGE: 7})
        return False

    await until(counted, timeout_s=30)
    windows = dir_stats_pb2.ListDirStatsRequest(directory=a_ref("d"), step_s=60, limit=10)
    with client.as_user():
        told = (await client.api.list_dir_stats(windows)).windows
    assert told[0].sums.virtual_size == 4
