"""Rows about the namespace: looking at files, making them one by one and many at once, listing them."""

from __future__ import annotations

import itertools
import json
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench import load
from bench.load import Small, Target
from bench.rows import Limit, Ratio, Row, Wrong
from bench.subject import Subject
from bench.suite import Instances, Place, Places, Sizes

CREATE_ROW = "create, 64 connections, same door"
STAT_ROW = "stat, 64 connections, same door"
CREATE_DIRECT_ROW = "create, 64 connections, direct"
STAT_DIRECT_ROW = "stat, 64 connections, direct"
TWIN = "its own code, one call and one record each"
BARE_TWIN = "bare pipeline, one call and one insert each"
BARE_STAT_TWIN = "bare pipeline, one call and one find each"
THROUGH_DOOR = "isthmus through its door"
LISTED_FILES = 10_000
LIST_ROW = f"list {LISTED_FILES:,} entries, same door"
CHANGED_ROW = f"list {LISTED_FILES:,} entries after a change of one, same door"
BULK_ROW = "create by bulk requests"
LISTED_PAGE = 10_000
BULK_FILES = 1000
BULK_CONNECTIONS = 4
#: A request of a thousand takes a while, and only whole ones count.
MIN_BULK_SECONDS = 5
#: 10,000 creates a second.
MAX_BULK_CREATE_US = 100.0
API = "/api/v3/oneprovider"
LISTED_ATTRIBUTES = "&".join(
    f"attributes={name}" for name in ("fileId", "name", "type", "size", "mtime", "posixPermissions")
)


def stat_and_create_rows(places: Places, sizes: Sizes, twin: Subject) -> list[Row]:
    """Attributes of one directory, which every instance has in memory; and empty files, one request each.

    The peer is Isthmus itself, with its checks and its documents, but without batches. The bare pipeline
    beside it checks no token and no permission and knows no path: how fast one call and one round trip to
    the database can be at best. Behind a door each, and every instance asked directly; and Isthmus through
    its door against what it owes more than without one.
    """

    def stat(targets: tuple[Target, ...], path: str) -> float:
        body = _asked(targets[0], "GET", path)
        return load.storms(targets, Small("GET", path, 200, 64, sizes.seconds, body, names=("-",)))

    def stat_through(place: Place) -> Callable[[], float]:
        return partial(stat, (place.target,), place.create.partition("/children")[0] + "?attributes=fileId")

    def stat_at(instances: Instances) -> Callable[[], float]:
        return partial(stat, instances.looking, instances.look)

    def create(targets: tuple[Target, ...], path: str) -> float:
        plan = Small("POST", path, 201, 64, sizes.seconds, prefix=places.fresh("new"))
        return load.storms(targets, plan)

    def create_through(place: Place) -> Callable[[], float]:
        return partial(create, (place.target,), place.create)

    def create_at(instances: Instances) -> Callable[[], float]:
        return partial(create, instances.making, instances.create)

    return [
        Row(
            STAT_ROW,
            "/s",
            {"isthmus": stat_through(places.isthmus), TWIN: stat_through(twin.door)},
            (Ratio("isthmus", TWIN, None),),
        ),
        Row(
            STAT_DIRECT_ROW,
            "/s",
            {
                "isthmus gateways": stat_at(places.isthmus_instances),
                TWIN: stat_at(twin.instances),
                BARE_STAT_TWIN: stat_at(places.unbatched_instances),
            },
            (Ratio("isthmus gateways", TWIN, 7.0), Ratio("isthmus gateways", BARE_STAT_TWIN, None)),
        ),
        Row(
            CREATE_ROW,
            "/s",
            {
                "isthmus": create_through(places.isthmus),
                TWIN: create_through(twin.door),
                BARE_TWIN: create_through(places.unbatched),
            },
            (Ratio("isthmus", TWIN, 4.0), Ratio("isthmus", BARE_TWIN, None)),
        ),
        Row(
            CREATE_DIRECT_ROW,
            "/s",
            {
                "isthmus data ports": create_at(places.isthmus_instances),
                THROUGH_DOOR: create_through(places.isthmus),
                TWIN: create_at(twin.instances),
                BARE_TWIN: create_at(places.unbatched_instances),
            },
            (
                Ratio("isthmus data ports", TWIN, 6.0),
                Ratio("isthmus data ports", BARE_TWIN, None),
                Ratio(THROUGH_DOOR, TWIN, 3.5),
                Ratio(THROUGH_DOOR, BARE_TWIN, None),
            ),
        ),
    ]


def list_rows(places: Places, listed_id: str) -> list[Row]:
    """A directory of 10,000 files with six attributes each; each server on a connection it keeps.

    Isthmus is asked for pages as long as it gives, its peers for all at once, which is all they can. First
    it is listed again and again, as it is in the page cache of the peers; then with a file changed just
    before, another one each time. The peers read the directory each time anyway.
    """
    children = f"{API}/data/{listed_id}/children?limit={LISTED_PAGE}&{LISTED_ATTRIBUTES}"

    def isthmus(ask: load.Asked) -> int:
        count, token = 0, ""
        while True:
            answer = json.loads(_expected(ask, "GET", f"{children}{token}"))
            count += len(answer["children"])
            if answer["isLast"]:
                return count
            token = f"&token={answer['nextPageToken']}"

    modes = itertools.cycle(("600", "640"))
    numbers = itertools.cycle(range(LISTED_FILES))

    def change(ask: load.Asked) -> None:
        body = b'{"mode": "0%b"}' % next(modes).encode()
        one = f"{API}/data/{listed_id}/children?limit=1&index=file-{next(numbers):05}"
        file_id = json.loads(_expected(ask, "GET", one))["children"][0]["fileId"]
        _expected(ask, "PUT", f"{API}/data/{file_id}", body, expect=204)

    def nginx(ask: load.Asked) -> int:
        return len(json.loads(_expected(ask, "GET", "/listed/")))

    def wsgidav(ask: load.Asked) -> int:
        return _expected(ask, "PROPFIND", "/listed/", expect=207).count(b":href>") // 2 - 1

    peers = {
        "nginx, JSON index": partial(_listings, places.nginx, nginx),
        "wsgidav": partial(_listings, places.wsgidav, wsgidav),
    }
    return [
        Row(
            LIST_ROW,
            "/s",
            {"isthmus": partial(_listings, places.isthmus, isthmus), **peers},
            (Ratio("isthmus", "nginx, JSON index", 0.4), Ratio("isthmus", "wsgidav", 30.0)),
        ),
        Row(
            CHANGED_ROW,
            "/s",
            {"isthmus": partial(_listings, places.isthmus, isthmus, change), **peers},
            (Ratio("isthmus", "nginx, JSON index", None), Ratio("isthmus", "wsgidav", None)),
        ),
    ]


def _listings(
    place: Place, list_all: Callable[[load.Asked], int], before: Callable[[load.Asked], None] = lambda _: None
) -> float:
    """Whole listings a second. `before`: done before each, and not counted."""
    with load.connected(place.target) as ask:
        before(ask)
        started = time.perf_counter()
        count = list_all(ask)
        took_s = time.perf_counter() - started
    if count != LISTED_FILES:
        raise Wrong(f"{count} entries are listed, not {LISTED_FILES}")
    return 1 / took_s


def fill_listed(places: Places, folders: Iterable[Path]) -> str:
    """Makes the files to be listed, for the peers in their folders; the directory's id at Isthmus."""
    for folder in folders:
        (folder / "listed").mkdir()
        for number in range(LISTED_FILES):
            (folder / "listed" / f"file-{number:05}").touch()
    path = places.isthmus.create.format(name="listed").replace("type=REG", "type=DIR")
    listed_id = str(json.loads(_asked(places.isthmus.target, "POST", path, expect=201))["fileId"])
    for first in range(0, LISTED_FILES, BULK_FILES):
        operations = [_create(listed_id, f"file-{first + number:05}") for number in range(BULK_FILES)]
        body = json.dumps({"operations": operations}).encode()
        answer = json.loads(_asked(places.isthmus.target, "POST", f"{API}/data/bulk", body))
        if any("error" in result for result in answer["results"]):
            raise Wrong("the files to be listed are not made")
    return listed_id


def bulk_limit(places: Places, sizes: Sizes) -> Limit:
    """What one of many files made by bulk requests takes, at several connections."""
    folder_id = places.isthmus.create.partition("/data/")[2].partition("/")[0]
    operations = [_create(folder_id, f"{{name}}-{number}") for number in range(BULK_FILES)]
    body = json.dumps({"operations": operations}).encode()
    plan = Small(
        "POST",
        f"{API}/data/bulk",
        200,
        BULK_CONNECTIONS,
        max(sizes.seconds, MIN_BULK_SECONDS),
        body,
        json=True,
        refusal='"error"',
    )
    speeds = [
        load.storm(places.isthmus.target, replace(plan, prefix=places.fresh("bulk")))
        for _ in range(sizes.rounds)
    ]
    creates = statistics.median(speeds) * BULK_FILES
    detail = f"{creates:,.0f} creates a second, {BULK_FILES} in a request"
    return Limit(BULK_ROW, 1e6 / creates, MAX_BULK_CREATE_US, "µs", detail)


def _create(parent_id: str, name: str) -> dict[str, str]:
    return {"operation": "create", "parentFileId": parent_id, "name": name}


def _asked(target: Target, method: str, path: str, body: bytes = b"", *, expect: int = 200) -> bytes:
    with load.connected(target) as ask:
        return _expected(ask, method, path, body, expect=expect)


def _expected(ask: load.Asked, method: str, path: str, body: bytes = b"", *, expect: int = 200) -> bytes:
    status, answer = ask(method, path, body, "application/json")
    if status != expect:
        raise Wrong(f"{method} {path}: {status} {answer[:200]!r}")
    return answer
