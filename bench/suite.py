"""The rows this project owes, built for one subject and its peers."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
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
    #: How long a new stack is left alone, and then watched.
    settle_s: float = 20.0
    idle_s: float = 30.0
    #: Files of the small collection; the large one has ten times as many.
    lookup_files: int = 100_000
    #: Of the large zone, which has a tenth as many groups, and spaces.
    zone_users: int = 100_000

    @classmethod
    def quick(cls) -> Sizes:
        """Under two minutes."""
        return cls(
            bulk_mib=256,
            rounds=2,
            seconds=1,
            settle_s=0.0,
            idle_s=3.0,
            lookup_files=10_000,
            zone_users=4_000,
        )


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
    isthmus_plain: Place
    isthmus_direct: Place
    nginx: Place
    nginx_tcp: Place
    nginx_direct: Place
    nginx_https: Place
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
    name = f"{sizes.bulk_mib} MiB" if sizes.bulk_mib < 1024 else f"{sizes.bulk_mib // 1024} GiB"

    def get(place: Place) -> float:
        return load.bulk_get(place.target, place.file.format(name="bulk"), sizes.bulk_mib)

    def put(place: Place) -> float:
        return load.bulk_put(place.target, place.file.format(name="bulk-put"), sizes.bulk_mib)

    def ready_to_put() -> None:
        touch_memory(2 * sizes.bulk_mib * MIB + 256 * MIB)

    owed_to_read = Owed(by_socket=0.95, by_tcp=1.3, direct=1.0, nginx_tls=1.15, nginx_plain=0.90, wsgidav=3.0)
    owed_to_write = Owed(
        by_socket=0.98, by_tcp=None, direct=1.05, nginx_tls=None, nginx_plain=0.85, wsgidav=2.5
    )
    return [
        *_bulk_rows(f"GET {name}", get, places, owed_to_read, lambda: None),
        *_bulk_rows(f"PUT {name}", put, places, owed_to_write, ready_to_put),
    ]


NGINX_TLS, NGINX_PLAIN, WSGIDAV = "nginx, TLS", "nginx, plain HTTP", "wsgidav, plain HTTP"
THROUGH, THROUGH_PLAIN = "isthmus through its door", "isthmus through a door without TLS"


@dataclass(frozen=True)
class Owed:
    """Ratios that large transfers owe."""

    by_socket: float
    by_tcp: float | None
    direct: float
    nginx_tls: float | None
    nginx_plain: float
    wsgidav: float


def _bulk_rows(
    what: str,
    action: Callable[[Place], float],
    places: Places,
    owed: Owed,
    ready: Callable[[], None],
) -> list[Row]:
    return [
        Row(
            f"{what}, same door",
            "MB/s",
            {
                "isthmus": partial(action, places.isthmus),
                "nginx by Unix socket": partial(action, places.nginx),
                "nginx by TCP": partial(action, places.nginx_tcp),
            },
            (
                Ratio("isthmus", "nginx by Unix socket", owed.by_socket),
                Ratio("isthmus", "nginx by TCP", owed.by_tcp),
            ),
            ready,
        ),
        Row(
            f"{what}, direct",
            "MB/s",
            {
                "isthmus data port": partial(action, places.isthmus_direct),
                "nginx": partial(action, places.nginx_direct),
            },
            (Ratio("isthmus data port", "nginx", owed.direct),),
            ready,
        ),
        Row(
            f"{what}, peers without a door",
            "MB/s",
            {
                THROUGH: partial(action, places.isthmus),
                NGINX_TLS: partial(action, places.nginx_https),
                THROUGH_PLAIN: partial(action, places.isthmus_plain),
                NGINX_PLAIN: partial(action, places.nginx_direct),
                WSGIDAV: partial(action, places.wsgidav_direct),
            },
            (
                Ratio(THROUGH, NGINX_TLS, owed.nginx_tls),
                Ratio(THROUGH_PLAIN, NGINX_PLAIN, owed.nginx_plain),
                Ratio(THROUGH_PLAIN, WSGIDAV, owed.wsgidav),
            ),
            ready,
        ),
    ]


def small_get(sizes: Sizes, place: Place, connections: int = 16) -> float:
    """Requests per second for files of 4 KiB."""
    names = tuple(f"small-{number}" for number in range(SMALL_FILES))
    plan = Small("GET", place.file, 200, connections, sizes.seconds, SMALL_BODY, names)
    return load.storm(place.target, plan)


def small_put(places: Places, sizes: Sizes, place: Place, connections: int = 16) -> float:
    """New files of 4 KiB a second."""
    prefix = places.fresh("put")
    plan = Small("PUT", place.new, place.created, connections, sizes.seconds, SMALL_BODY, prefix=prefix)
    speed = load.storm(place.target, plan)
    # The first name of the first thread is only what wrk tries its script with.
    status, got = load.request(place.target, "GET", place.file.format(name=f"{prefix}-1-2"))
    if (status, got) != (200, SMALL_BODY):
        raise Wrong(f"a file that was put reads as {status}, {len(got)} bytes")
    return speed


def small_rows(places: Places, sizes: Sizes) -> list[Row]:
    """4 KiB, by 16 connections and by one."""
    get, put = partial(small_get, sizes), partial(small_put, places, sizes)
    return [
        *_small_rows("GET", get, places, owed_direct=0.24, owed_alone=1.4),
        *_small_rows("PUT", put, places, owed_direct=0.15, owed_alone=0.35),
        Row(
            "GET 4 KiB, 16 connections, direct",
            "/s",
            {
                "isthmus data port": partial(get, places.isthmus_direct),
                "nginx": partial(get, places.nginx_direct),
            },
            (Ratio("isthmus data port", "nginx", 0.60),),
        ),
    ]


def _small_rows(
    verb: str, action: Callable[..., float], places: Places, *, owed_direct: float, owed_alone: float
) -> list[Row]:
    return [
        Row(
            f"{verb} 4 KiB, 16 connections, same door",
            "/s",
            {
                "isthmus": partial(action, places.isthmus),
                "wsgidav": partial(action, places.wsgidav),
                "nginx by Unix socket": partial(action, places.nginx),
            },
            (Ratio("isthmus", "wsgidav", 3.0), Ratio("isthmus", "nginx by Unix socket", None)),
        ),
        Row(
            f"{verb} 4 KiB, 16 connections, peers without a door",
            "/s",
            {
                THROUGH_PLAIN: partial(action, places.isthmus_plain),
                NGINX_PLAIN: partial(action, places.nginx_direct),
            },
            (Ratio(THROUGH_PLAIN, NGINX_PLAIN, owed_direct),),
        ),
        Row(
            f"{verb} 4 KiB, one connection",
            "/s",
            {
                THROUGH_PLAIN: partial(action, places.isthmus_plain, 1),
                WSGIDAV: partial(action, places.wsgidav_direct, 1),
                THROUGH: partial(action, places.isthmus, 1),
                "nginx by Unix socket, same door": partial(action, places.nginx, 1),
            },
            (
                Ratio(THROUGH_PLAIN, WSGIDAV, owed_alone),
                Ratio(THROUGH, "nginx by Unix socket, same door", None),
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
    for place in (places.isthmus, places.nginx, places.wsgidav_direct):
        # Whole PUTs replace; the first one makes the file.
        load.request(place.target, "PUT", place.new.format(name="bulk-put"), b"-")
        load.request(place.target, "PUT", place.new.format(name="bulk"), b"-")
        load.bulk_put(place.target, place.file.format(name="bulk"), sizes.bulk_mib)


def storage_folder(root: Path, name: str) -> Path:
    """A folder for one server on the disk all share."""
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
