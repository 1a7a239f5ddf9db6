"""The rows this project owes, built for one subject and its peers."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench import load
from bench.load import Small, Target
from bench.machine import MIB, touch_memory
from bench.rows import Ratio, Row, Wrong

SMALL_BODY = os.urandom(4096)
SMALL_FILES = 256


@dataclass(frozen=True)
class Sizes:
    """How much is done: whole runs give numbers, quick ones show that everything works."""

    bulk_mib: int = 1024
    rounds: int = 5
    seconds: int = 3
    idle_s: float = 10.0
    #: Files of the small collection; the large one has ten times as many.
    lookup_files: int = 100_000
    #: Of the large zone, which has a tenth as many groups, and spaces.
    zone_users: int = 100_000

    @classmethod
    def quick(cls) -> Sizes:
        """Under two minutes."""
        return cls(bulk_mib=256, rounds=2, seconds=1, idle_s=3.0, lookup_files=10_000, zone_users=4_000)


@dataclass(frozen=True)
class Place:
    """Where a way reads and writes: a server, and the paths of a folder there.

    `file` is the path of one file for GET and whole PUT, with `{name}`; `new` that of a PUT that makes one.
    `created` is the status of making, `create` the path of an empty create by POST.
    """

    target: Target
    file: str
    new: str
    created: int = 201
    create: str = ""


@dataclass(frozen=True)
class Instances:
    """Every instance of a pipeline, asked without a front door, and what for.

    `looking` take `look`, the path of one directory's attributes; `making` take `create`, as in `Place`.
    """

    looking: tuple[Target, ...]
    making: tuple[Target, ...]
    look: str
    create: str


@dataclass(frozen=True)
class Places:
    """Every server under test, by the name it has in the tables."""

    isthmus: Place
    isthmus_direct: Place
    nginx: Place
    nginx_tcp: Place
    nginx_direct: Place
    wsgidav: Place
    wsgidav_direct: Place
    unbatched: Place
    isthmus_instances: Instances
    unbatched_instances: Instances
    _fresh: itertools.count[int] = field(default_factory=itertools.count)

    def fresh(self, word: str) -> str:
        """A prefix for names that no earlier round used."""
        return f"{word}-{next(self._fresh)}"


def bulk_rows(places: Places, sizes: Sizes) -> list[Row]:
    """1 GiB on one connection."""

    def get(place: Place) -> float:
        return load.bulk_get(place.target, place.file.format(name="bulk"), sizes.bulk_mib)

    def put(place: Place) -> float:
        return load.bulk_put(place.target, place.file.format(name="bulk-put"), sizes.bulk_mib)

    name = f"{sizes.bulk_mib} MiB" if sizes.bulk_mib < 1024 else f"{sizes.bulk_mib // 1024} GiB"
    rows = []
    for verb, action in (("GET", get), ("PUT", put)):

        def ready(verb: str = verb) -> None:
            if verb == "PUT":
                touch_memory(2 * sizes.bulk_mib * MIB + 256 * MIB)

        rows.append(
            Row(
                f"{verb} {name}, same door",
                "MB/s",
                {
                    "isthmus": partial(action, places.isthmus),
                    "nginx by Unix socket": partial(action, places.nginx),
                    "nginx by TCP": partial(action, places.nginx_tcp),
                },
                (
                    Ratio("isthmus", "nginx by Unix socket", 0.90),
                    Ratio("isthmus", "nginx by TCP", None),
                ),
                ready,
            )
        )
        rows.append(
            Row(
                f"{verb} {name}, direct",
                "MB/s",
                {
                    "isthmus data port": partial(action, places.isthmus_direct),
                    "nginx": partial(action, places.nginx_direct),
                },
                (Ratio("isthmus data port", "nginx", 1.0),),
                ready,
            )
        )
    return rows


def small_get(place: Place, sizes: Sizes, connections: int = 16) -> float:
    """Requests per second for files of 4 KiB."""
    names = tuple(f"small-{number}" for number in range(SMALL_FILES))
    plan = Small("GET", place.file, 200, connections, sizes.seconds, SMALL_BODY, names)
    return load.storm(place.target, plan)


def small_rows(places: Places, sizes: Sizes) -> list[Row]:
    """4 KiB at 16 connections, behind the same door."""

    def get(place: Place) -> float:
        return small_get(place, sizes)

    def put(place: Place) -> float:
        prefix = places.fresh("put")
        plan = Small("PUT", place.new, place.created, 16, sizes.seconds, SMALL_BODY, prefix=prefix)
        speed = load.storm(place.target, plan)
        status, got = load.request(place.target, "GET", place.file.format(name=f"{prefix}-2-1"))
        if (status, got) != (200, SMALL_BODY):
            raise Wrong(f"a file that was put reads as {status}, {len(got)} bytes")
        return speed

    rows = []
    for verb, action in (("GET", get), ("PUT", put)):
        rows.append(
            Row(
                f"{verb} 4 KiB, 16 connections, same door",
                "/s",
                {
                    "isthmus": partial(action, places.isthmus),
                    "wsgidav": partial(action, places.wsgidav),
                    "nginx by Unix socket": partial(action, places.nginx),
                },
                (Ratio("isthmus", "wsgidav", 3.0), Ratio("isthmus", "nginx by Unix socket", None)),
            )
        )
    return rows


def other_small_rows(places: Places, sizes: Sizes) -> list[Row]:
    """Reads of 4 KiB without the door, and by one client alone."""
    one = partial(small_get, sizes=sizes, connections=1)
    direct = partial(small_get, sizes=sizes)
    return [
        Row(
            "GET 4 KiB, 16 connections, direct",
            "/s",
            {
                "isthmus data port": partial(direct, places.isthmus_direct),
                "nginx": partial(direct, places.nginx_direct),
            },
            (Ratio("isthmus data port", "nginx", 0.60),),
        ),
        Row(
            "GET 4 KiB, one connection",
            "/s",
            {
                "isthmus through its door": partial(one, places.isthmus),
                "wsgidav direct": partial(one, places.wsgidav_direct),
                "nginx by Unix socket, same door": partial(one, places.nginx),
            },
            (
                Ratio("isthmus through its door", "wsgidav direct", 1.4),
                Ratio("isthmus through its door", "nginx by Unix socket, same door", None),
            ),
        ),
    ]


def fill(places: Places, sizes: Sizes) -> None:
    """Puts the files there that GET rows read, through each server itself."""
    for place in (places.isthmus, places.nginx, places.wsgidav):
        for number in range(SMALL_FILES):
            path = place.new.format(name=f"small-{number}")
            status, got = load.request(place.target, "PUT", path, SMALL_BODY)
            if status not in (200, 201, 204):
                raise Wrong(f"PUT {path}: {status} {got[:200]!r}")
    for place in (places.isthmus, places.nginx):
        # Whole PUTs replace; the first one makes the file.
        load.request(place.target, "PUT", place.new.format(name="bulk-put"), b"-")
        load.request(place.target, "PUT", place.new.format(name="bulk"), b"-")
        load.bulk_put(place.target, place.file.format(name="bulk"), sizes.bulk_mib)


def storage_folder(root: Path, name: str) -> Path:
    """A folder for one server on the disk all share."""
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
