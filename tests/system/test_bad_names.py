"""Names of files and spaces that cannot be, that look alike, or that want to climb out of the space."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.support.folder import API, CLIENT, OBJECT, Folder, V, errno
from tests.support.raw_door import CONTAINER, OCTETS, Door, refusal, told
from tests.support.stack import RunningStack

pytestmark = pytest.mark.usefixtures("nothing_stumbles")

# How they are percent-encoded in a path, and what everybody says to them.
BAD_NAMES = {
    "a%2Fb": "einval",
    "..%2F..%2Fetc%2Fpasswd": "einval",
    "%2F": "einval",
    "a%00b": "badValueFilePath",
    "%00": "badValueFilePath",
    "x" * 256: "enametoolong",
    "%C5%BC" * 128: "enametoolong",
    "%ED%A0%80": "badValueFilePath",  # half of a surrogate pair
    "%FF": "badValueFilePath",
    "%C0%AF": "badValueFilePath",  # a slash, written longer than allowed
    "%F4%90%80%80": "badValueFilePath",  # beyond Unicode
}


@pytest.mark.parametrize("name", BAD_NAMES)
async def test_impossible_names_are_told_alike_everywhere(folder: Folder, door: Door, name: str) -> None:
    by_id, by_path = f"{API}/data/{folder.id}/path/{name}", f"/cdmi/{folder.path()}/{name}"
    requests: list[tuple[str, str, dict[str, str], bytes | None]] = [
        ("GET", by_id, {}, None),
        ("PUT", by_id, OCTETS, b"x"),
        ("DELETE", by_id, {}, None),
        ("POST", f"{API}/lookup-file-id/{folder.path()}/{name}", CLIENT, None),
        ("GET", by_path, {}, None),
        ("GET", by_path, V, None),
        ("PUT", by_path, OCTETS, b"x"),
        ("PUT", by_path, OBJECT, b'{"value": "x"}'),
        ("PUT", f"{by_path}/", CONTAINER, b"{}"),
        ("DELETE", by_path, {}, None),
    ]
    for method, target, headers, body in requests:
        assert refusal(await door.ask(method, target, headers, body)) == BAD_NAMES[name], (method, target)
    assert (await folder.http.get(f"{API}/data/{folder.id}/children")).json()["children"] == []


@pytest.mark.parametrize("name", ["", ".", "..", "%2e", "%2E%2e", ".%2e", "/", "//.//"])
async def test_dots_and_nothing_are_folded_and_make_no_file(folder: Folder, door: Door, name: str) -> None:
    for method in ("PUT", "DELETE", "GET"):
        answer = await door.ask(
            method, f"{API}/data/{folder.id}/path/{name}", OCTETS, b"x" if method == "PUT" else None
        )
        assert answer.status in (400, 204), answer
    for name_of_child in ("", ".", "..", "a%2Fb", "%00"):
        answer = await door.ask("POST", f"{API}/data/{folder.id}/children?name={name_of_child}", CLIENT)
        assert refusal(answer) in ("badValueEmpty", "einval")
    listed = await folder.http.get(f"{API}/data/{folder.space_id}/children")
    assert {"", ".", ".."}.isdisjoint(child["name"] for child in listed.json()["children"])


async def test_names_that_look_alike_are_different(folder: Folder) -> None:
    """Names are bytes: composed and decomposed, with and without an invisible sign, upper and lower."""
    names = [
        "é",
        "e\u0301",
        "a",
        "a\u200b",
        "A",
        "ﬁ",
        "fi",
        "שלום\u202e",
        "שלום",
        "🐢",
        "🐢\ufe0f",
        "\ufeffbom",
    ]
    ids = {name: await folder.put(name, name.encode()) for name in names}
    assert len(set(ids.values())) == len(names)
    for name in names:
        assert (await folder.http.get(folder.cdmi(name))).content == name.encode()
    listed = (await folder.http.get(f"{API}/data/{folder.id}/children")).json()["children"]
    assert [child["name"] for child in listed] == sorted(names, key=str.encode)


async def test_nothing_leaves_the_storage(stack: RunningStack, folder: Folder, door: Door) -> None:
    """Names never become paths of the storage; a link leads into the space or nowhere."""
    root = stack.layout.first.storage
    before = {path for path in root.parent.iterdir() if not path.name.startswith(".")}
    for climb in ("../" * 12, "..%2f" * 12, "%2e%2e/" * 12, "....//" * 6, "..%5c" * 6, "/" * 5):
        target = f"{climb}etc/passwd"
        for url in (f"/cdmi/{folder.path()}/{target}", f"{API}/data/{folder.id}/path/{target}"):
            assert b"root:" not in (await door.ask("GET", url)).body
            assert (await door.ask("PUT", url, OCTETS, b"x")).status >= 400
    for number, target in enumerate(("/etc/passwd", "../" * 12 + "etc/passwd", f"{root}/.isthmus")):
        made = await folder.create(f"link{number}", type="SYMLNK", target_file_path=target)
        assert made.status_code == 201
        answer = await folder.http.get(f"{API}/data/{made.json()['fileId']}/content")
        assert errno(answer) == "enoent"
    assert {path for path in root.parent.iterdir() if not path.name.startswith(".")} == before


@pytest.mark.parametrize("space", ["no-such-space", "%FF", "%00", "a%2Fb", "x" * 5000])
async def test_unknown_spaces_are_told_as_such(stack: RunningStack, door: Door, space: str) -> None:
    assert (await door.ask("GET", f"/cdmi/{space}/file")).status in (400, 404)
    assert (await door.ask("PUT", f"/cdmi/{space}/file", OCTETS, b"x")).status in (400, 404)
    looked_up = await door.ask("POST", f"{API}/lookup-file-id/{space}/file", CLIENT)
    assert refusal(looked_up) in ("enoent", "badValueFilePath", "einval", "enametoolong")
    status, id, details = told(await door.ask("GET", f"{API}/data/{quote(space, safe='')}/children"))
    assert (status, id) == (400, "spaceNotSupportedBy")
    assert details["providerId"] == stack.env["ISTHMUS_PROVIDER_ID"]
