"""The first start: one administrator, however many zones start at once and whatever was there before."""

from __future__ import annotations

import asyncio
import contextlib
import stat
from pathlib import Path

import pytest

from runtime.clock import SystemClock
from runtime.config import BadSettings
from services.zone.domain.first_start import FirstStart
from services.zone.domain.guesses import Guesses
from services.zone.domain.passwords import Passwords
from services.zone.store.memory import MemoryUserStore
from services.zone.store.memory_guesses import MemoryGuessStore
from services.zone.wiring import _PasswordFile
from tests.support.zone import running_zone, zone_settings


async def test_two_zones_make_one_administrator(
    tmp_path: Path, mongo_url: str, mongo_database: str, consul_url: str
) -> None:
    settings = [
        zone_settings(tmp_path, mongo_url, mongo_database, consul_url, instance_id=f"zone-first{number}")
        for number in range(2)
    ]
    async with contextlib.AsyncExitStack() as stack:
        zones = await asyncio.gather(*(stack.enter_async_context(running_zone(each)) for each in settings))
        assert zones[0].admin_password == zones[1].admin_password
        for zone in zones:
            assert len((await zone.admin.get("/users")).json()["users"]) == 1
            privileges = (await zone.admin.get("/user/privileges")).json()["privileges"]
            assert "oz_users_create" in privileges
    assert stat.S_IMODE((tmp_path / "admin-password").stat().st_mode) == 0o600


async def test_zones_on_two_hosts_agree_by_the_database(
    tmp_path: Path, mongo_url: str, mongo_database: str, consul_url: str
) -> None:
    files = [tmp_path / "one", tmp_path / "two"]
    for number, file in enumerate(files):
        settings = zone_settings(
            tmp_path,
            mongo_url,
            mongo_database,
            consul_url,
            instance_id=f"zone-host{number}",
            admin_password_file=file,
        )
        if number == 0:
            async with running_zone(settings):
                pass
            continue
        with pytest.raises(FileNotFoundError):
            async with running_zone(settings):
                pass
    assert [file.exists() for file in files] == [True, False]


async def test_given_password_is_used(
    tmp_path: Path, mongo_url: str, mongo_database: str, consul_url: str
) -> None:
    (tmp_path / "admin-password").write_text("my own password\n")
    settings = zone_settings(tmp_path, mongo_url, mongo_database, consul_url, instance_id="zone-given")
    async with running_zone(settings) as zone:
        assert zone.admin_password == "my own password"
        assert (await zone.admin.get("/user")).json()["username"] == "admin"


async def test_later_start_makes_nobody(
    tmp_path: Path, mongo_url: str, mongo_database: str, consul_url: str
) -> None:
    settings = zone_settings(tmp_path, mongo_url, mongo_database, consul_url, instance_id="zone-later")
    async with running_zone(settings) as zone:
        await zone.admin.post("/users", json={"username": "second", "password": "password1"})
        await zone.admin.delete("/user")
    async with running_zone(settings) as zone:
        assert (await zone.admin.get("/user")).status_code == 401


async def test_bad_password_file_is_one_clear_line(
    tmp_path: Path, mongo_url: str, mongo_database: str, consul_url: str
) -> None:
    (tmp_path / "admin-password").write_text("short")
    settings = zone_settings(tmp_path, mongo_url, mongo_database, consul_url, instance_id="zone-bad")
    with pytest.raises(BadSettings, match="ISTHMUS_ADMIN_PASSWORD_FILE"):
        async with running_zone(settings):
            pass


async def test_loser_of_the_race_takes_its_own_password_back(tmp_path: Path) -> None:
    users, clock = MemoryUserStore(), SystemClock()
    passwords = Passwords(Guesses(MemoryGuessStore(), clock), clock)
    files = [_PasswordFile(tmp_path / name) for name in ("one", "two")]
    starts = [FirstStart(users, passwords, file, clock) for file in files]
    await asyncio.gather(*(start.run() for start in starts))
    passwords.close()
    assert len(list(tmp_path.iterdir())) == 1
    assert len(await users.list_ids()) == 1
