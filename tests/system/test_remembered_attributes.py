"""Attributes that gateways remember: whatever one of them changes, the next answer of each tells it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import quote

import httpx
import pytest

from tests.support.folder import API, CLIENT, Folder, errno
from tests.support.gateway_memory import told_from_memory
from tests.support.load import until
from tests.support.stack import RunningStack

#: Answers in a row: the front door asks the gateways in turn.
MANY = 12
#: What has just changed is not remembered for some seconds, and a new stack not for some more.
REMEMBERED_S = 60.0
NAMES = ("posixPermissions", "size", "mtime", "hasCustomMetadata", "hardlinkCount", "path")


class Watched:
    """A file or directory, and what all gateways tell of it."""

    def __init__(self, stack: RunningStack, folder: Folder, path: str, id: str) -> None:
        self.folder = folder
        self.path = path
        self.id = id
        self._stack = stack

    @property
    def url(self) -> str:
        return f"{API}/data/{self.id}"

    async def told(self) -> dict[str, object]:
        """What they tell, which must be one and the same thing."""
        first, *others = [await self.folder.attributes(self.id, *NAMES) for _ in range(MANY)]
        assert all(other == first for other in others), (first, others)
        return first

    async def remembered(self) -> None:
        """Returns when all of them answer from memory."""

        async def is_so() -> bool:
            before = await told_from_memory(self._stack)
            await self.told()
            return await told_from_memory(self._stack) - before >= MANY

        await until(is_so, REMEMBERED_S, f"memory of {self.path}", 0.5)


Change = Callable[[Folder, Watched], Awaitable[httpx.Response]]


def _put(url: str, **more: object) -> Change:
    return lambda folder, watched: folder.http.put(url.format(watched.url), **more)  # type: ignore[arg-type]


async def _link(folder: Folder, watched: Watched) -> httpx.Response:
    params = {"name": f"of-{watched.path}", "type": "LNK", "target_file_id": watched.id}
    return await folder.http.post(f"{API}/data/{folder.id}/children", params=params, headers=CLIENT)


async def _rename_directory(folder: Folder, watched: Watched) -> httpx.Response:
    above = watched.path.partition("/")[0]
    body = {"move": f"{folder.path()}/{above}/"}
    headers = {"x-cdmi-specification-version": "1.1.1", "content-type": "application/cdmi-container"}
    return await folder.http.put(folder.cdmi(f"{above}-renamed/"), json=body, headers=headers)


async def _upload(folder: Folder, watched: Watched) -> httpx.Response:
    path = quote(f"{folder.name}/{watched.path}/new")
    return await folder.http.put(f"{API}/data/{folder.space_id}/path/{path}?type=REG", content=b"x")


#: What is changed, of what, and which attributes are others then.
CHANGES: Mapping[str, tuple[str, Change, Mapping[str, object]]] = {
    "mode": ("f", _put("{}", json={"mode": "640"}), {"posixPermissions": "640"}),
    "content": ("f", _put("{}/content", content=b"1234567"), {"size": 7}),
    "xattr": ("f", _put("{}/metadata/xattrs", json={"key": "value"}), {"hasCustomMetadata": True}),
    "link": ("f", _link, {"hardlinkCount": 2}),
    "mode of a directory": ("d", _put("{}", json={"mode": "700"}), {"posixPermissions": "700"}),
    "new file": (
        "d",
        lambda folder, watched: folder.create(f"{watched.path}/new", type="REG"),
        {},
    ),
    "upload": ("d", _upload, {}),
    "directory above": ("d/f", _rename_directory, {}),
}


@pytest.fixture
async def watched(stack: RunningStack, folder: Folder) -> dict[str, Watched]:
    """One file or directory for each change, remembered by all gateways."""
    made: dict[str, Watched] = {}
    for number, (change, (kind, _, _)) in enumerate(CHANGES.items()):
        path = "/".join(f"{part}{number}" for part in kind.split("/"))
        if kind != "f":
            answer = await folder.create(path.partition("/")[0], type="DIR")
            id = str(answer.json()["fileId"])
        if kind != "d":
            id = await folder.put(path, b"abc")
        made[change] = Watched(stack, folder, path, id)
    for each in made.values():
        await each.remembered()
    return made


async def test_what_changes_is_told_by_all_at_once(folder: Folder, watched: dict[str, Watched]) -> None:
    for name, (kind, change, others) in CHANGES.items():
        each = watched[name]
        await each.remembered()
        before = await each.told()
        answer = await change(folder, each)
        assert answer.status_code < 300, (name, answer.text)
        after = await each.told()
        assert {key: after[key] for key in others} == others, name
        if kind == "d" and not others:
            assert after["mtime"] != before["mtime"], name
        if name == "directory above":
            assert after["path"] == f"/{folder.space}/{folder.name}/d7-renamed/f7"


async def test_what_is_removed_is_gone_everywhere(folder: Folder, watched: dict[str, Watched]) -> None:
    each = watched["mode"]
    assert (await folder.http.delete(each.url)).status_code == 204
    for _ in range(MANY):
        assert errno(await folder.http.get(each.url)) == "enoent"


async def test_a_closed_directory_is_closed_everywhere(
    folder: Folder, watched: dict[str, Watched], member: httpx.AsyncClient
) -> None:
    each = watched["directory above"]
    for _ in range(MANY):
        assert (await member.get(each.url)).status_code == 200
    directory = await folder.lookup(each.path.partition("/")[0])
    answer = await folder.http.put(f"{API}/data/{directory.json()['fileId']}", json={"mode": "700"})
    assert answer.status_code == 204
    for _ in range(MANY):
        assert errno(await member.get(each.url)) == "eacces"
    await each.told()


async def test_a_path_leads_where_it_leads_now(folder: Folder) -> None:
    made = (await folder.create("a/b", type="DIR", create_parents="true")).json()["fileId"]
    for _ in range(2 * MANY):
        assert (await folder.lookup("a/b")).json() == {"fileId": made}
    body = {"move": f"{folder.path('a')}/"}
    headers = {"x-cdmi-specification-version": "1.1.1", "content-type": "application/cdmi-container"}
    answer = await folder.http.put(folder.cdmi("c/"), json=body, headers=headers)
    assert answer.status_code < 300, answer.text
    for _ in range(MANY):
        assert errno(await folder.lookup("a/b")) == "enoent"
        assert (await folder.lookup("c/b")).json() == {"fileId": made}
