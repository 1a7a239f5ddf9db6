from __future__ import annotations

import errno
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runtime.errors import (
    AccessDenied,
    FileExists,
    InputOutputError,
    InvalidArgument,
    IsthmusError,
    NoSpace,
)
from services.storage_router.domain.drivers import StorageUnreachable, is_of_storage
from services.storage_router.domain.storages import StorageTestFailed, probe
from services.storage_router.drivers import openat2
from services.storage_router.drivers.posix import PosixDriver
from services.storage_router.drivers.posix_tree import Tree, is_local
from tests.contract.drivers import DriverContract, content
from tests.support.nobody import as_nobody

NETWORK_MOUNTS = """\
22 1 254:0 / / rw - ext4 /dev/vda rw
30 22 0:50 / /mnt/nfs rw - nfs4 server:/x rw
31 22 0:51 / /mnt/with\\040blank rw - tmpfs t rw
"""


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "mnt"
    made.mkdir()
    return made


@pytest.fixture
async def driver(folder: Path, pool: ThreadPoolExecutor) -> AsyncIterator[PosixDriver]:
    made = PosixDriver(str(folder), storage_id="st1", pool=pool)
    await made.prepare()
    before = list(Path("/proc/self/fd").iterdir())
    yield made
    assert len(list(Path("/proc/self/fd").iterdir())) <= len(before), "descriptors were left open"


class TestPosixDriver(DriverContract):
    """One call of the kernel for each path."""


class TestWalkingPosixDriver(DriverContract):
    """Folder after folder, as where the kernel has no `openat2`."""

    @pytest.fixture
    async def driver(self, driver: PosixDriver) -> PosixDriver:
        driver._tree = Tree(driver._tree.mount_point, storage_id="st1", whole_paths=False)
        return driver


class TestNetworkPosixDriver(DriverContract):
    """Every call in a thread, as on a network file system."""

    @pytest.fixture
    async def driver(self, driver: PosixDriver, monkeypatch: pytest.MonkeyPatch) -> PosixDriver:
        monkeypatch.setattr("services.storage_router.drivers.posix.is_local", lambda mount_point: False)
        driver._local = False
        return driver


def test_the_kernel_opens_whole_paths_here() -> None:
    assert openat2.AVAILABLE


@pytest.fixture(params=["whole", "walk"])
def either(request: pytest.FixtureRequest, driver: PosixDriver) -> PosixDriver:
    driver._tree = Tree(driver._tree.mount_point, storage_id="st1", whole_paths=request.param == "whole")
    return driver


async def refused(driver: PosixDriver, storage_file_id: str) -> None:
    """Nothing can be done through this id."""
    with pytest.raises(IsthmusError):
        await driver.open(storage_file_id)
    with pytest.raises(IsthmusError):
        await driver.open_for_write(storage_file_id)
    with pytest.raises(IsthmusError):
        await driver.put(storage_file_id, b"x", sync=False)
    with pytest.raises(IsthmusError):
        await driver.stat(storage_file_id)


async def test_the_mount_point_itself_may_be_a_link(
    folder: Path, tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    mounted = tmp_path / "mounted"
    mounted.symlink_to(folder)
    driver = PosixDriver(str(mounted), storage_id="st1", pool=pool)
    await driver.prepare()
    for name in ("one", "two"):  # the first makes the folder, the second finds it there
        await driver.put(f"/space/0/{name}", name.encode(), sync=False)
        assert (folder / "space" / "0" / name).read_bytes() == name.encode()
        handle = await driver.open(f"/space/0/{name}")
        assert await handle.read(0, 9) == name.encode()
        handle.close()


async def test_a_small_file_that_could_not_be_written_leaves_nothing(
    driver: PosixDriver, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    await driver.put("/space/0/there", b"before", sync=False)
    with pytest.raises(FileExists):
        await driver.put("/space/0/there", b"again", sync=False)
    monkeypatch.setattr("services.storage_router.drivers.posix.write_all", full)
    with pytest.raises(NoSpace):
        await driver.put("/space/0/new", b"new", sync=False)
    assert [path.name for path in (folder / "space" / "0").iterdir()] == ["there"]
    assert (folder / "space" / "0" / "there").read_bytes() == b"before"


async def test_a_planted_folder_link_leads_nowhere(either: PosixDriver, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (folder / "space").mkdir()
    (folder / "space" / "0").symlink_to(outside)
    (folder / "up").symlink_to("..")
    await refused(either, "/space/0/secret")
    await refused(either, "/up/outside/secret")
    with pytest.raises(IsthmusError):
        await either.delete("/space/0/secret")
    assert [file.storage_file_id for file in await either.list_files("/space")] == []
    assert sorted(path.name for path in outside.iterdir()) == ["secret"]


async def test_a_planted_file_link_leads_nowhere(either: PosixDriver, folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (folder / "space").mkdir()
    (folder / "space" / "link").symlink_to(secret)
    (folder / "space" / "dangling").symlink_to(tmp_path / "made")
    await refused(either, "/space/link")
    with pytest.raises(IsthmusError):
        await either.open_for_write("/space/dangling", create=True)
    assert not (tmp_path / "made").exists()
    assert await either.list_files("/space") == []
    await either.delete("/space/link")
    assert secret.read_bytes() == b"secret"


async def test_what_is_no_file_is_not_opened(either: PosixDriver, folder: Path) -> None:
    (folder / "space" / "folder").mkdir(parents=True)
    os.mkfifo(folder / "space" / "pipe")
    for storage_file_id in ("/space/folder", "/space/pipe"):
        with pytest.raises(InputOutputError):
            await either.open(storage_file_id)
        with pytest.raises(InputOutputError):
            await either.open_for_write(storage_file_id)


@pytest.mark.cdmi("8.eacces")
@pytest.mark.parametrize("whole_paths", [True, False])
async def test_what_the_storage_denies_us_is_denied(pool: ThreadPoolExecutor, whole_paths: bool) -> None:
    # Not below the folder of the tests, into which only who runs them may look.
    with tempfile.TemporaryDirectory() as folder:
        driver = PosixDriver(folder, storage_id="st1", pool=pool)
        driver._tree = Tree(driver._tree.mount_point, storage_id="st1", whole_paths=whole_paths)
        await driver.prepare()
        await driver.put("/space/one", b"x", sync=False)
        for shown in (Path(folder), *Path(folder).iterdir()):
            shown.chmod(0o755)
        Path(folder, "space", "one").chmod(0)
        with as_nobody():
            with pytest.raises(AccessDenied) as denied:
                await driver.open("/space/one")
            with pytest.raises(AccessDenied):
                await driver.open_for_write("/space/one")
        assert is_of_storage(denied.value)


async def test_a_missing_mount_point_is_never_made(driver: PosixDriver, folder: Path) -> None:
    await driver.put("/space/one", b"x", sync=False)
    folder.rename(folder.with_name("away"))
    for attempt in (
        driver.check(), driver.prepare(), driver.open("/space/one"), driver.delete("/space/one"),
        driver.put("/space/two", b"x", sync=True), driver.list_files("/space"), driver.space_left(),
    ):  # fmt: skip
        with pytest.raises(StorageUnreachable):
            await attempt
    assert not folder.exists()
    folder.with_name("away").rename(folder)
    assert await content(driver, "/space/one") == b"x"


async def test_a_bare_mount_point_is_not_written_to(driver: PosixDriver, folder: Path) -> None:
    folder.rename(folder.with_name("away"))
    folder.mkdir()
    with pytest.raises(StorageUnreachable):
        await driver.put("/space/one", b"x", sync=False)
    with pytest.raises(StorageUnreachable):
        await driver.check()
    with pytest.raises(StorageUnreachable):
        await driver.delete("/space/one")
    assert list(folder.iterdir()) == []


async def test_a_folder_belongs_to_one_storage(
    driver: PosixDriver, folder: Path, pool: ThreadPoolExecutor
) -> None:
    other = PosixDriver(str(folder), storage_id="st2", pool=pool)
    with pytest.raises(StorageUnreachable):
        await other.prepare()
    with pytest.raises(StorageUnreachable):
        await other.put("/newspace/one", b"x", sync=False)


async def test_probing_names_the_step_that_failed(driver: PosixDriver, folder: Path) -> None:
    await probe(driver, probe_id="p1", data=b"data")
    assert [path.name for path in (folder / ".isthmus").iterdir()] == ["storage"]
    (folder / ".isthmus" / "storage").unlink()
    with pytest.raises(StorageTestFailed) as caught:
        await probe(driver, probe_id="p1", data=b"data")
    assert caught.value.facts["operation"] == "access"


@pytest.mark.parametrize("mount_point", ["", "relative", "/", "//", "/x/..", "/a\0b"])
def test_mount_points_are_absolute_and_not_the_root(mount_point: str, pool: ThreadPoolExecutor) -> None:
    with pytest.raises(InvalidArgument):
        PosixDriver(mount_point, storage_id="st1", pool=pool)


@pytest.mark.parametrize(
    ("mount_point", "local"),
    [("/data", True), ("/mnt/nfs/x", False), ("/mnt/with blank/x", True), ("/mnt/nfsx", True)],
)
def test_network_file_systems_are_known(mount_point: str, local: bool) -> None:
    assert is_local(mount_point, NETWORK_MOUNTS) is local


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mounted = tmp_path / "small"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mounted)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    yield mounted
    subprocess.run(["umount", str(mounted)], check=True)


async def test_a_full_disk_leaves_nothing(small_disk: Path, pool: ThreadPoolExecutor) -> None:
    driver = PosixDriver(str(small_disk), storage_id="st1", pool=pool)
    await driver.prepare()
    with pytest.raises(NoSpace):
        await driver.put("/space/big", bytes(2 << 20), sync=True)
    assert await driver.list_files("/space") == []
    handle = await driver.create("/space/pieces")
    with pytest.raises(NoSpace):
        await handle.write(0, bytes(2 << 20))
    await handle.close()
    await driver.delete("/space/pieces")
    await driver.put("/space/small", b"fits", sync=True)
    assert await content(driver, "/space/small") == b"fits"
