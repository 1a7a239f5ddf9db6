"""Where addresses are, from real files in MaxMind's format, up to a token that is good in one country."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from runtime.clock import ManualClock
from runtime.config import BadSettings
from services.zone.clients.address_data import LOOK_EVERY_S, AddressData, AddressDatabase
from services.zone.domain.whereabouts import Whereabouts
from tests.support.zone import running_zone, user_token, zone_settings

POLAND = {"country": {"iso_code": "PL", "is_in_european_union": True}, "continent": {"code": "EU"}}
JAPAN = {"country": {"iso_code": "JP"}, "continent": {"code": "AS"}}


def write(file: Path, kind: str, networks: dict[str, dict[str, Any]], **options: Any) -> Path:
    """A database; appears whole, as operators are told to replace one."""
    writer = MMDBWriter(ip_version=4, database_type=kind, **options)
    for network, record in networks.items():
        writer.insert_network(IPSet([network]), record)
    draft = file.with_suffix(".draft")
    writer.to_db_file(str(draft))
    draft.rename(file)
    return file


@pytest.fixture
def countries(tmp_path: Path) -> Path:
    networks = {"198.51.100.0/24": POLAND, "203.0.113.0/24": JAPAN}
    return write(tmp_path / "country.mmdb", "Test-Country", networks)


@pytest.fixture
def asns(tmp_path: Path) -> Path:
    networks = {"198.51.100.0/24": {"autonomous_system_number": 64496}}
    return write(tmp_path / "asn.mmdb", "Test-ASN", networks, int_type="u32")


def test_an_address_is_found_in_both(asns: Path, countries: Path) -> None:
    data = AddressData.load(asns, countries, ManualClock())
    poland = Whereabouts(64496, "PL", frozenset({"Europe", "EU"}), knows_countries=True)
    assert data.find("198.51.100.7") == poland
    assert data.find("::ffff:198.51.100.7") == poland
    assert data.find("203.0.113.1") == Whereabouts(None, "JP", frozenset({"Asia"}), knows_countries=True)


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "nonsense", ""])
def test_what_is_not_in_them_is_not_known(asns: Path, countries: Path, address: str) -> None:
    assert AddressData.load(asns, countries, ManualClock()).find(address) == Whereabouts(knows_countries=True)


def test_without_files_nothing_is_known() -> None:
    assert AddressData.load(None, None, ManualClock()).find("198.51.100.7") == Whereabouts()


def test_a_file_that_is_none_is_a_bad_setting(tmp_path: Path) -> None:
    bad = tmp_path / "bad.mmdb"
    with pytest.raises(BadSettings, match=r"bad\.mmdb"):
        AddressDatabase(bad, ManualClock())
    bad.write_bytes(b"no database")
    with pytest.raises(BadSettings, match=r"bad\.mmdb"):
        AddressDatabase(bad, ManualClock())


def test_a_replaced_file_is_taken_and_a_damaged_one_is_not(countries: Path) -> None:
    clock = ManualClock()
    data = AddressData.load(None, countries, clock)
    write(countries, "Test-Country", {"198.51.100.0/24": JAPAN})
    assert data.find("198.51.100.7").country == "PL"
    clock.advance(LOOK_EVERY_S)
    assert data.find("198.51.100.7").country == "JP"
    countries.write_bytes(b"cut off")
    clock.advance(LOOK_EVERY_S)
    assert data.find("198.51.100.7").country == "JP"


async def test_a_token_is_good_in_its_country_only(
    tmp_path: Path, mongo_url: str, mongo_database: str, consul_url: str, countries: Path, asns: Path
) -> None:
    files = {"country_database": countries, "asn_database": asns}
    settings = zone_settings(tmp_path, mongo_url, mongo_database, consul_url, **files)
    async with running_zone(settings) as zone:
        caveats = [
            {"type": "geo.country", "filter": "whitelist", "list": ["PL"]},
            {"type": "geo.region", "filter": "blacklist", "list": ["Asia"]},
            {"type": "asn", "whitelist": [64496]},
        ]
        _, token = await user_token(zone, "joe", caveats=caveats)
        async with zone.client(token) as joe:
            told = {
                address: (await joe.get("/user", headers={"x-forwarded-for": address})).status_code
                for address in ("198.51.100.7", "203.0.113.1", "192.0.2.1")
            }
    assert told == {"198.51.100.7": 200, "203.0.113.1": 401, "192.0.2.1": 401}
