from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.auth import as_caller
from runtime.errors import (
    AccessDenied,
    FileExists,
    FileTooLarge,
    InputOutputError,
    NoSpace,
    ReadOnlyStorage,
    SpaceNotSupported,
    Unavailable,
)
from services.storage_router.domain import allowed
from services.storage_router.domain import uploads as rules
from services.storage_router.domain.contents import FileRef, Mode, StaleUpload, Wish
from services.storage_router.domain.drivers import SpaceLeft, StorageUnreachable
from services.storage_router.domain.storages import Health
from services.storage_router.domain.uploads import Uploads
from tests.support.contents_twin import ContentsTwin
from tests.support.metadata import member
from tests.support.router_rules import SPACE, Router


def wish(name: str = "file", **more: Any) -> Wish:
    return Wish("req", FileRef(SPACE, path=(name,)), create=True, **more)


async def store(router: Router, uploads: Uploads, asked: Wish, data: bytes) -> Any:
    upload = await uploads.begin(asked, large=False)
    await upload.put(data)
    return await uploads.commit(upload, len(data))


@pytest.fixture
async def router() -> Router:
    return await Router().open()


@pytest.fixture
def uploads(router: Router) -> Uploads:
    return Uploads(router.contents, router.catalog)


async def test_whole_content_gets_a_name_of_its_own(router: Router, uploads: Uploads) -> None:
    for _ in range(2):
        await store(router, uploads, wish(), b"data")
    first, second = await router.stored()
    assert first != second
    assert first.split("/")[1:5] == [SPACE, *first.rpartition("/")[2][:3]]
    assert router.contents.garbage == [("st1", first)] or router.contents.garbage == [("st1", second)]


async def test_no_byte_lies_beyond_what_a_file_can_hold(router: Router, uploads: Uploads) -> None:
    for offset, size in ((2**63, None), (10**23, 2), (rules.MAX_FILE_BYTES, 1)):
        with pytest.raises(FileTooLarge):
            await uploads.begin(wish(mode=Mode.PATCH, offset=offset, size_bytes=size), large=False)
    assert await router.stored() == []


async def test_an_empty_body_needs_no_storage_file(router: Router, uploads: Uploads) -> None:
    committed = await store(router, uploads, wish(), b"")
    assert committed.created
    assert await router.stored() == []


async def test_patchers_of_an_empty_file_share_its_name(router: Router, uploads: Uploads) -> None:
    await store(router, uploads, wish(), b"")
    for offset in (3, 0):
        await store(router, uploads, wish(mode=Mode.PATCH, offset=offset), b"abc")
    [stored] = await router.stored()
    [file_id] = router.contents.files
    assert stored.endswith(file_id)


async def test_a_patch_of_a_new_file_starts_a_storage_file(router: Router, uploads: Uploads) -> None:
    committed = await store(router, uploads, wish(mode=Mode.PATCH, offset=2), b"abc")
    file, _ = router.contents.files[committed.file_id]
    assert (committed.created, file.size_bytes) == (True, 5)


async def test_a_replaced_storage_file_makes_a_patch_stale(router: Router, uploads: Uploads) -> None:
    await store(router, uploads, wish(), b"data")
    upload = await uploads.begin(wish(mode=Mode.PATCH), large=False)
    await router.driver.delete(upload.storage_file_id)
    with pytest.raises(StaleUpload):
        await upload.put(b"x")


async def test_refusals_come_before_bytes(router: Router, uploads: Uploads) -> None:
    with pytest.raises(SpaceNotSupported):
        await uploads.begin(Wish("r", FileRef("elsewhere")), large=False)
    await store(router, uploads, wish(), b"data")
    router.contents.denied.update(router.contents.files)
    with pytest.raises(AccessDenied):
        await uploads.begin(wish(), large=False)
    with pytest.raises(AccessDenied):
        await uploads.begin(wish(mode=Mode.PATCH), large=True)


async def test_a_dead_or_readonly_storage_is_not_asked(router: Router, uploads: Uploads) -> None:
    opened = router.catalog.storage("st1")
    opened.health = Health.UNREACHABLE
    with pytest.raises(StorageUnreachable):
        await uploads.begin(wish(), large=False)
    readonly = await Router().open(readonly=True)
    with pytest.raises(ReadOnlyStorage):
        await Uploads(readonly.contents, readonly.catalog).begin(wish(), large=False)
    assert router.contents.begun == []


async def test_what_does_not_fit_is_refused_and_forgotten(router: Router, uploads: Uploads) -> None:
    router.contents.quota_bytes = 10
    with pytest.raises(NoSpace):
        await uploads.begin(wish(size_bytes=11), large=True)
    assert router.contents.aborted == ["req"]

    async def tiny() -> SpaceLeft:
        return SpaceLeft(100, 5)

    router.driver.inner.space_left = tiny  # type: ignore[method-assign]
    with pytest.raises(NoSpace):
        await uploads.begin(wish(size_bytes=6), large=True)


async def test_a_ticket_bounds_the_body(router: Router, uploads: Uploads) -> None:
    with pytest.raises(NoSpace):
        await uploads.begin(wish(size_bytes=6, max_bytes=5), large=False)
    upload = await uploads.begin(wish(max_bytes=5), large=False)
    assert upload.limit_bytes == 5


async def test_a_refused_commit_leaves_nothing(router: Router, uploads: Uploads) -> None:
    router.contents.stale_commits = 1
    with pytest.raises(StaleUpload):
        await store(router, uploads, wish(), b"data")
    assert await router.stored() == []


async def test_a_refused_patch_leaves_the_file(router: Router, uploads: Uploads) -> None:
    await store(router, uploads, wish(), b"data")
    router.contents.stale_commits = 1
    with pytest.raises(StaleUpload):
        await store(router, uploads, wish(mode=Mode.PATCH), b"x")
    assert len(await router.stored()) == 1


class SometimesAway(ContentsTwin):
    """Fails some commits without telling whether they were taken."""

    def __init__(self, failures: int, *, takes: bool) -> None:
        super().__init__()
        self.failures = failures
        self.takes = takes

    async def commit(self, *args: Any, **kwargs: Any) -> Any:
        self.failures -= 1
        if self.failures >= 0:
            if self.takes:
                await super().commit(*args, **kwargs)
            raise Unavailable
        return await super().commit(*args, **kwargs)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "COMMIT_PAUSES_S", (0.0, 0.0))


@pytest.mark.usefixtures("no_pauses")
async def test_a_commit_is_repeated_while_metadata_is_away(router: Router) -> None:
    router.contents = SometimesAway(2, takes=False)
    committed = await store(router, Uploads(router.contents, router.catalog), wish(), b"data")
    assert committed.created


@pytest.mark.usefixtures("no_pauses")
async def test_bytes_stay_when_nobody_says_what_became_of_them(router: Router) -> None:
    router.contents = SometimesAway(9, takes=True)
    with pytest.raises(Unavailable):
        await store(router, Uploads(router.contents, router.catalog), wish(), b"data")
    assert len(await router.stored()) == 1


async def test_giving_up_never_raises(router: Router, uploads: Uploads) -> None:
    upload = await uploads.begin(wish(size_bytes=5), large=True)
    await upload.put(b"12345")
    router.driver.failures["delete"] = InputOutputError()
    await uploads.give_up(upload)
    assert router.contents.aborted == []
    del router.driver.failures["delete"]
    await uploads.give_up(upload)
    assert (await router.stored(), router.contents.aborted) == ([], ["req"])


async def test_an_id_in_use_is_never_overwritten(router: Router) -> None:
    uploads = Uploads(router.contents, router.catalog, lambda: "abc" + "0" * 29)
    await store(router, uploads, wish("one"), b"one")
    upload = await uploads.begin(wish("two"), large=False)
    with pytest.raises(FileExists):
        await upload.put(b"two")


# --- written first, asked then ---


async def store_small(router: Router, uploads: Uploads, asked: Wish, data: bytes) -> Any:
    """As the data port does it."""
    if uploads.may_write_first(asked):
        committed = await uploads.write_first(asked, data)
        if committed is not None:
            return committed
    return await store(router, uploads, asked, data)


async def test_nothing_is_written_first_for_somebody_unknown(router: Router, uploads: Uploads) -> None:
    assert not uploads.may_write_first(wish())
    await store(router, uploads, wish("a"), b"a")
    for other in (
        Wish("req", FileRef(SPACE, path=("folder", "b")), create=True),
        Wish("req", FileRef("other", path=("b",)), create=True),
        wish("b", mode=Mode.PATCH),
        wish("b", max_bytes=10),
    ):
        assert not uploads.may_write_first(other)
    with as_caller(member("bob"), b"bob"):
        assert not uploads.may_write_first(wish("b"))
    assert uploads.may_write_first(wish("b"))


async def test_who_was_let_write_is_asked_about_once(router: Router, uploads: Uploads) -> None:
    await store_small(router, uploads, wish("a"), b"a")
    committed = await store_small(router, uploads, wish("b", mimetype="text/plain"), b"more")
    file, location = router.contents.files[committed.file_id]
    assert (committed.created, file.name, file.mimetype, location.size_bytes) == (True, "b", "text/plain", 4)
    assert (len(router.contents.published), len(router.contents.begun)) == (1, 1)
    assert location.storage_file_id in await router.stored()


async def test_an_empty_body_is_published_without_a_storage_file(router: Router, uploads: Uploads) -> None:
    await store_small(router, uploads, wish("a"), b"")
    committed = await store_small(router, uploads, wish("b"), b"")
    assert router.contents.files[committed.file_id][1].storage_file_id == ""
    assert await router.stored() == []


async def test_what_was_written_first_goes_when_it_is_refused(router: Router, uploads: Uploads) -> None:
    first = await store_small(router, uploads, wish("a"), b"a")
    router.contents.denied.add(first.file_id)
    with pytest.raises(AccessDenied):
        await store_small(router, uploads, wish("a"), b"b")
    assert len(await router.stored()) == 1
    assert not uploads.may_write_first(wish("a"))
    router.driver.calls.clear()
    with pytest.raises(AccessDenied):
        await store_small(router, uploads, wish("a"), b"b")
    assert router.driver.calls == [], "bytes were written for somebody who was refused before"


async def test_a_full_quota_is_told_before_bytes_the_next_time(router: Router, uploads: Uploads) -> None:
    await store_small(router, uploads, wish("a"), b"a")
    router.contents.quota_bytes = 0
    with pytest.raises(NoSpace):
        await store_small(router, uploads, wish("b", size_bytes=1), b"b")
    router.driver.calls.clear()
    with pytest.raises(NoSpace):
        await store_small(router, uploads, wish("b", size_bytes=1), b"b")
    assert "put" not in router.driver.calls
    assert len(await router.stored()) == 1


async def test_a_storage_that_fails_is_told_after_a_refusal(router: Router, uploads: Uploads) -> None:
    first = await store_small(router, uploads, wish("a"), b"a")
    router.driver.failures["put"] = NoSpace()
    with pytest.raises(NoSpace):
        await store_small(router, uploads, wish("b"), b"b")
    router.contents.denied.add(first.file_id)
    with pytest.raises(AccessDenied):
        await store_small(router, uploads, wish("a"), b"b")


async def test_a_storage_that_became_readonly_is_not_written_to(router: Router, uploads: Uploads) -> None:
    await store_small(router, uploads, wish("a"), b"a")
    router.catalog.storage("st1").health = Health.UNREACHABLE
    router.driver.calls.clear()
    with pytest.raises(StorageUnreachable):
        await store_small(router, uploads, wish("b"), b"b")
    assert router.driver.calls == []


async def test_what_only_two_steps_can_tell_takes_two(router: Router, uploads: Uploads) -> None:
    await store_small(router, uploads, wish("a"), b"a")
    router.contents.stale_commits = 1
    await store_small(router, uploads, wish("b"), b"b")
    assert len(await router.stored()) == 2
    assert uploads.may_write_first(wish("c"))


@pytest.mark.usefixtures("no_pauses")
async def test_bytes_written_first_stay_when_nobody_says_what_became_of_them(router: Router) -> None:
    router.contents = away = SometimesAway(0, takes=True)
    uploads = Uploads(away, router.catalog)
    await store_small(router, uploads, wish("a"), b"a")
    away.failures = 9
    with pytest.raises(Unavailable):
        await store_small(router, uploads, wish("b"), b"b")
    assert len(await router.stored()) == 2


async def test_a_write_that_is_cancelled_leaves_nothing(router: Router, uploads: Uploads) -> None:
    await store_small(router, uploads, wish("a"), b"a")
    router.driver.waits["put"] = asyncio.Event()
    writing = asyncio.create_task(store_small(router, uploads, wish("b"), b"b"))
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert len(await router.stored()) == 1


async def test_only_so_many_are_remembered(
    router: Router, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allowed, "MAX_REMEMBERED", 2)
    for number in range(3):
        asked = Wish("req", FileRef(SPACE, path=(f"d{number}", "f")), create=True)
        await store(router, uploads, asked, b"x")
    known = [uploads.may_write_first(Wish("r", FileRef(SPACE, path=(f"d{n}", "g")))) for n in range(3)]
    assert known == [False, True, True]
