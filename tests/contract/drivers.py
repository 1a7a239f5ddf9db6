"""What every driver promises. A driver's test class inherits this and says how to make the driver."""

from __future__ import annotations

import asyncio

import pytest

from runtime.errors import FileExists, InputOutputError, InvalidArgument, NameTooLong, NoSuchFile
from services.storage_router.domain.drivers import Driver

BAD_IDS = ["", "/", "a", "//a", "/a/", "/a//b", "/..", "/a/../b", "/./a", "/a\0b", "/" + "/".join("x" * 65)]


async def content(driver: Driver, storage_file_id: str) -> bytes:
    """All bytes of a storage file."""
    handle = await driver.open(storage_file_id)
    try:
        return await handle.read(0, handle.size_bytes)
    finally:
        handle.close()


class DriverContract:
    """Inherit, and give a fixture `driver`: prepared and empty."""

    @pytest.fixture(autouse=True)
    def _skip_what_it_cannot(self, request: pytest.FixtureRequest, driver: Driver) -> None:
        for marker in request.node.iter_markers("needs"):
            if not getattr(driver.capabilities, marker.args[0]):
                pytest.skip(f"the driver has no {marker.args[0]}")

    async def test_what_was_put_is_read(self, driver: Driver) -> None:
        await driver.put("/space/a/b/c/one", b"hello", sync=True)
        assert await content(driver, "/space/a/b/c/one") == b"hello"

    async def test_put_takes_empty_files(self, driver: Driver) -> None:
        await driver.put("/space/empty", b"", sync=False)
        assert await content(driver, "/space/empty") == b""

    async def test_put_never_replaces(self, driver: Driver) -> None:
        await driver.put("/space/one", b"first", sync=False)
        with pytest.raises(FileExists):
            await driver.put("/space/one", b"second", sync=False)
        assert await content(driver, "/space/one") == b"first"

    async def test_pieces_make_one_file(self, driver: Driver) -> None:
        handle = await driver.create("/space/one")
        for offset, piece in ((0, b"abc"), (3, b"def"), (6, b"g")):
            await handle.write(offset, piece)
        await handle.sync()
        await handle.close()
        assert await content(driver, "/space/one") == b"abcdefg"

    async def test_create_never_replaces(self, driver: Driver) -> None:
        await driver.put("/space/one", b"first", sync=False)
        with pytest.raises(FileExists):
            await driver.create("/space/one")

    async def test_closing_twice_is_harmless(self, driver: Driver) -> None:
        handle = await driver.create("/space/one")
        await handle.close()
        await handle.close()
        reader = await driver.open("/space/one")
        reader.close()
        reader.close()

    async def test_reading_stops_at_the_end(self, driver: Driver) -> None:
        await driver.put("/space/one", b"0123456789", sync=False)
        handle = await driver.open("/space/one")
        assert await handle.read(2, 3) == b"234"
        assert await handle.read(8, 100) == b"89"
        assert await handle.read(10, 1) == b""
        handle.close()

    async def test_large_files_come_back_whole(self, driver: Driver) -> None:
        data = bytes(range(256)) * 8192
        handle = await driver.create("/space/large")
        await handle.write(0, memoryview(data))
        await handle.close()
        assert await content(driver, "/space/large") == data

    async def test_an_open_file_outlives_its_name(self, driver: Driver) -> None:
        await driver.put("/space/one", b"still here", sync=False)
        handle = await driver.open("/space/one")
        await driver.delete("/space/one")
        assert await handle.read(0, 100) == b"still here"
        handle.close()

    async def test_what_is_not_there_cannot_be_opened(self, driver: Driver) -> None:
        with pytest.raises(NoSuchFile):
            await driver.open("/space/none")
        with pytest.raises(NoSuchFile):
            await driver.open("/nospace/a/b/none")

    async def test_deleting_is_idempotent(self, driver: Driver) -> None:
        await driver.put("/space/one", b"x", sync=False)
        await driver.delete("/space/one")
        await driver.delete("/space/one")
        await driver.delete("/never/was/here")
        with pytest.raises(NoSuchFile):
            await driver.open("/space/one")

    @pytest.mark.parametrize("storage_file_id", BAD_IDS)
    async def test_ids_that_lead_elsewhere_are_refused(self, driver: Driver, storage_file_id: str) -> None:
        with pytest.raises(InvalidArgument):
            await driver.open(storage_file_id)
        with pytest.raises(InvalidArgument):
            await driver.put(storage_file_id, b"x", sync=False)
        with pytest.raises(InvalidArgument):
            await driver.delete(storage_file_id)

    async def test_names_have_at_most_255_bytes(self, driver: Driver) -> None:
        await driver.put("/space/" + "é" * 127, b"x", sync=False)
        with pytest.raises(NameTooLong):
            await driver.put("/space/" + "é" * 128, b"x", sync=False)

    @pytest.mark.needs("stat")
    async def test_stat_shows_size_and_time(self, driver: Driver) -> None:
        await driver.put("/space/one", b"12345", sync=False)
        shown = await driver.stat("/space/one")
        assert (shown.storage_file_id, shown.size_bytes) == ("/space/one", 5)
        assert min(shown.atime_ms, shown.mtime_ms, shown.ctime_ms) > 1_600_000_000_000
        assert shown.mode & 0o777 == 0o640
        with pytest.raises(NoSuchFile):
            await driver.stat("/space/none")

    @pytest.mark.needs("random_write")
    async def test_bytes_are_overwritten_in_place(self, driver: Driver) -> None:
        await driver.put("/space/one", b"0123456789", sync=False)
        handle = await driver.open_for_write("/space/one")
        await handle.write(3, b"abc")
        await handle.close()
        assert await content(driver, "/space/one") == b"012abc6789"

    @pytest.mark.needs("random_write")
    async def test_gaps_read_as_zeros(self, driver: Driver) -> None:
        handle = await driver.open_for_write("/space/one", create=True)
        await handle.write(4, b"end")
        await handle.close()
        assert await content(driver, "/space/one") == b"\0\0\0\0end"

    @pytest.mark.needs("random_write")
    async def test_patching_needs_a_file(self, driver: Driver) -> None:
        with pytest.raises(NoSuchFile):
            await driver.open_for_write("/space/none")

    @pytest.mark.needs("random_write")
    async def test_truncating_cuts_and_grows(self, driver: Driver) -> None:
        handle = await driver.open_for_write("/space/one", create=True)
        await handle.write(0, b"0123456789")
        await handle.truncate(4)
        await handle.truncate(6)
        await handle.close()
        assert await content(driver, "/space/one") == b"0123\0\0"

    @pytest.mark.needs("random_write")
    async def test_patchers_at_the_same_time_keep_all_bytes(self, driver: Driver) -> None:
        async def patch(number: int) -> None:
            handle = await driver.open_for_write("/space/one", create=True)
            await handle.write(number * 3, b"%03d" % number)
            await handle.close()

        await asyncio.gather(*(patch(number) for number in range(20)))
        assert await content(driver, "/space/one") == b"".join(b"%03d" % number for number in range(20))

    @pytest.mark.needs("rename")
    async def test_renaming_moves_the_bytes(self, driver: Driver) -> None:
        await driver.put("/space/one", b"bytes", sync=False)
        await driver.rename("/space/one", "/space/deep/er/two")
        assert await content(driver, "/space/deep/er/two") == b"bytes"
        with pytest.raises(NoSuchFile):
            await driver.open("/space/one")

    @pytest.mark.needs("rename")
    async def test_renaming_never_replaces(self, driver: Driver) -> None:
        await driver.put("/space/one", b"1", sync=False)
        await driver.put("/space/two", b"2", sync=False)
        with pytest.raises(FileExists):
            await driver.rename("/space/one", "/space/two")
        with pytest.raises(NoSuchFile):
            await driver.rename("/space/none", "/space/three")
        assert await content(driver, "/space/two") == b"2"

    @pytest.mark.needs("sendfile")
    async def test_handles_have_descriptors(self, driver: Driver) -> None:
        await driver.put("/space/one", b"x", sync=False)
        handle = await driver.open("/space/one")
        assert handle.has_descriptor
        assert handle.fileno() >= 0
        handle.close()

    async def test_listing_goes_on_where_it_stopped(self, driver: Driver) -> None:
        names = [f"/space/{a}/{b}/{name}" for a in "ab" for b in "xy" for name in ("1", "10", "2")]
        for name in names:
            await driver.put(name, name.encode(), sync=False)
        await driver.put("/other/file", b"", sync=False)
        found: list[str] = []
        while page := await driver.list_files("/space", after=found[-1] if found else "", limit=5):
            found += [file.storage_file_id for file in page]
            assert all(file.size_bytes == len(file.storage_file_id) for file in page)
        assert found == sorted(names)

    async def test_listing_resumes_behind_what_is_gone(self, driver: Driver) -> None:
        for name in ("a", "b", "c"):
            await driver.put(f"/space/{name}", b"", sync=False)
        await driver.delete("/space/b")
        page = await driver.list_files("/space", after="/space/b")
        assert [file.storage_file_id for file in page] == ["/space/c"]
        assert await driver.list_files("/space", after="/space/c") == []

    async def test_a_folder_that_is_not_there_has_no_files(self, driver: Driver) -> None:
        assert await driver.list_files("/nospace") == []

    async def test_it_knows_how_full_it_is(self, driver: Driver) -> None:
        left = await driver.space_left()
        assert 0 <= left.free_bytes <= left.total_bytes

    async def test_preparing_twice_is_harmless(self, driver: Driver) -> None:
        await driver.prepare()
        await driver.prepare()
        await driver.check()

    async def test_bytes_are_taken_from_another_file_to_the_same_place(self, driver: Driver) -> None:
        data = bytes(range(256)) * 9000
        await driver.put("/space/one", data, sync=False)
        source, target = await driver.open("/space/one"), await driver.create("/space/two")
        await target.copy_from(source, 0, 1000)
        await target.copy_from(source, 1000, len(data) - 1000)
        await target.close()
        source.close()
        assert await content(driver, "/space/two") == data

    async def test_a_source_that_is_too_short_is_told(self, driver: Driver) -> None:
        await driver.put("/space/one", b"hello", sync=False)
        source, target = await driver.open("/space/one"), await driver.create("/space/two")
        with pytest.raises(InputOutputError):
            await target.copy_from(source, 0, 10)
        await target.close()
        source.close()
