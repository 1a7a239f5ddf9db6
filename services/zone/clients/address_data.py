"""What is known of addresses: their autonomous system and their country, from databases in MaxMind's format.

The files are the operator's to get and to keep up to date; one that was replaced is taken within a minute.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import maxminddb
import structlog

from runtime.clock import Clock
from runtime.config import BadSettings
from services.zone.domain.whereabouts import Whereabouts

log = structlog.get_logger(__name__)

#: How often it is looked whether a file was replaced.
LOOK_EVERY_S = 60.0
_REGIONS = {
    "AF": "Africa",
    "AN": "Antarctica",
    "AS": "Asia",
    "EU": "Europe",
    "NA": "NorthAmerica",
    "OC": "Oceania",
    "SA": "SouthAmerica",
}


class AddressDatabase:
    """One file. Raises BadSettings when it can't be used at first; later the last good one stays."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._looked_s = clock.monotonic_s()
        try:
            self._stamp = _stamp(path)
            self._reader = _open(path)
        except (OSError, maxminddb.InvalidDatabaseError) as error:
            raise BadSettings(f"{path} can't be used as a database of addresses: {error}") from None

    def find(self, address: str) -> Mapping[str, Any]:
        """What it says of an address; empty for one it does not know."""
        self._follow_file()
        try:
            found = self._reader.get(address)
        except (ValueError, maxminddb.InvalidDatabaseError) as error:
            # No address, one of the kind that the file has none of, or a file that is damaged there.
            log.debug("address_not_found", error=str(error))
            return {}
        return found if isinstance(found, dict) else {}

    def _follow_file(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._looked_s < LOOK_EVERY_S:
            return
        self._looked_s = now_s
        try:
            stamp = _stamp(self._path)
            if stamp == self._stamp:
                return
            reader = _open(self._path)
        except (OSError, maxminddb.InvalidDatabaseError) as error:
            log.warning("address_database_unusable", path=str(self._path), error=str(error))
            return
        self._reader, self._stamp = reader, stamp
        log.info("address_database_replaced", path=str(self._path))


class AddressData:
    """Answers `Locator` from the databases there are."""

    def __init__(self, *, asns: AddressDatabase | None, countries: AddressDatabase | None) -> None:
        self._asns = asns
        self._countries = countries

    @classmethod
    def load(cls, asn_file: Path | None, country_file: Path | None, clock: Clock) -> AddressData:
        """Raises BadSettings. Says in the log which caveats can't hold for want of a file."""
        for kind, file in (("asn", asn_file), ("geo", country_file)):
            if file is None:
                log.info("no_address_database", caveats=kind, effect="such caveats never hold")
        return cls(
            asns=AddressDatabase(asn_file, clock) if asn_file else None,
            countries=AddressDatabase(country_file, clock) if country_file else None,
        )

    def find(self, address: str) -> Whereabouts:
        """See `Locator`."""
        plain = _plain(address)
        asn = self._asns.find(plain).get("autonomous_system_number") if self._asns else None
        told = self._countries.find(plain) if self._countries else {}
        return Whereabouts(
            asn=asn if isinstance(asn, int) else None,
            country=_text(told, "country", "iso_code"),
            regions=_regions(told),
            knows_countries=self._countries is not None,
        )


def _plain(address: str) -> str:
    """The IPv4 address of one that was mapped into IPv6."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


def _regions(told: Mapping[str, Any]) -> frozenset[str]:
    region = _REGIONS.get(_text(told, "continent", "code") or "")
    country = told.get("country")
    is_in_eu = isinstance(country, dict) and country.get("is_in_european_union") is True
    return frozenset(each for each in (region, "EU" if is_in_eu else None) if each)


def _text(told: Mapping[str, Any], section: str, key: str) -> str | None:
    fields = told.get(section)
    value = fields.get(key) if isinstance(fields, dict) else None
    return value if isinstance(value, str) else None


def _open(path: Path) -> maxminddb.Reader:
    # In memory: a file that is overwritten in place must not change under a reader.
    return maxminddb.open_database(path, maxminddb.MODE_MEMORY)


def _stamp(path: Path) -> tuple[int, int, int]:
    known = path.stat()
    return known.st_ino, known.st_mtime_ns, known.st_size
