"""A directory of 100,000 entries through the front door: listed while it changes, and deleted at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from tests.support.folder import API, Folder, errno
from tests.support.stack import RunningStack

ENTRIES = 100_000
IN_ONE_REQUEST = 1000
AT_ONCE = 4
#: Of a listing; the largest page there is.
PAGE = 10_000
#: Listing must not make a process grow by more: a page of this size is a few MiB in each of them.
GROWTH_BYTES = 128 << 20
LISTERS = ("gateway-1", "gateway-2", "metadata-1", "metadata-2")
#: So many have content, of a size that no other file of the stack has.
WITH_BYTES, SIZE = 20, 5003


def name_of(number: int) -> str:
    return f"f{number:06}"


async def fill(folder: Folder) -> dict[str, str]:
    """Makes all entries; ids by name."""
    ids: dict[str, str] = {}
    firsts: Iterator[int] = iter(range(0, ENTRIES, IN_ONE_REQUEST))

    async def work() -> None:
        for first in firsts:
            names = [name_of(number) for number in range(first, first + IN_ONE_REQUEST)]
            operations = [{"operation": "create", "parentFileId": folder.id, "name": name} for name in names]
            answer = await folder.http.post(f"{API}/data/bulk", json={"operations": operations})
            assert answer.status_code == 200, answer.text
            results = answer.json()["results"]
            ids.update((name, result["fileId"]) for name, result in zip(names, results, strict=True))

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return ids


async def listed(folder: Folder, page_size: int) -> AsyncIterator[tuple[str, str]]:
    """Name and id of each entry, page by page."""
    query = {"limit": str(page_size), "attributes": ["name", "fileId"]}
    while True:
        answer = await folder.http.get(f"{API}/data/{folder.id}/children", params=query)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        for child in told["children"]:
            yield child["name"], child["fileId"]
        if told["isLast"]:
            return
        query["token"] = told["nextPageToken"]


async def churn(folder: Folder, ended: asyncio.Event) -> None:
    """Others create and delete among the entries, as fast as they can."""
    number = 0
    while not ended.is_set():
        number += 1
        name = f"{name_of(number * 7919 % ENTRIES)}-new{number % 10}"
        operations = [{"operation": "create", "parentFileId": folder.id, "name": name}]
        await folder.http.post(f"{API}/data/bulk", json={"operations": operations})
        await folder.http.delete(f"{API}/data/{folder.id}/path/{name}")


def resident_bytes(stack: RunningStack) -> dict[str, int]:
    """Memory of the processes that list, by name."""
    sizes = {}
    for name in LISTERS:
        with open(f"/proc/{stack.pid(name)}/statm") as statm:
            sizes[name] = int(statm.read().split()[1]) * 4096
    return sizes


async def test_a_hundred_thousand_entries_are_listed_while_others_change_them(
    stack: RunningStack, folder: Folder
) -> None:
    made = await fill(folder)
    # A first listing fills what caches there are, which have bounds of their own.
    assert [name async for name, _ in listed(folder, PAGE)] == sorted(made)
    before = resident_bytes(stack)
    ended = asyncio.Event()
    others = [asyncio.ensure_future(churn(folder, ended)) for _ in range(2)]
    try:
        for page_size in (PAGE, 1000):
            seen = [entry async for entry in listed(folder, page_size)]
            old = [(name, file_id) for name, file_id in seen if name in made]
            assert old == sorted(made.items()), "each that was there all the time, once and in order"
            assert len({name for name, _ in seen}) == len(seen)
    finally:
        ended.set()
        await asyncio.gather(*others)
    grown = {name: size - before[name] for name, size in resident_bytes(stack).items()}
    assert max(grown.values()) < GROWTH_BYTES, grown
    await delete(stack, folder, made)


async def delete(stack: RunningStack, folder: Folder, made: dict[str, str]) -> None:
    """The answer comes when nobody sees the entries any more, and long before any of them is gone."""
    for number in range(0, ENTRIES, ENTRIES // WITH_BYTES):
        url = f"{API}/data/{made[name_of(number)]}/content"
        assert (await folder.http.put(url, content=bytes(SIZE))).status_code == 204
    assert (await folder.http.delete(f"{API}/data/{folder.id}")).status_code == 204
    assert stored(stack) == WITH_BYTES, "the answer waited for the work"
    gone = [
        await folder.http.get(f"{API}/data/{made[name_of(number)]}") for number in range(0, ENTRIES, 9973)
    ]
    assert {errno(answer) for answer in gone} == {"enoent"}


def stored(stack: RunningStack) -> int:
    """Files of these on the storage."""
    files = stack.layout.run_dir.rglob(f"{stack.space_id}/*/*/*/*")
    return sum(path.is_file() and path.stat().st_size == SIZE for path in files)
