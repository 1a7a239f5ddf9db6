"""Bad input at every route of basic files: told in the form of the contract, or ignored where it says so."""

from __future__ import annotations

from itertools import product

import pytest

from tests.support.folder import API, CLIENT, Folder, errno, error

#: Routes whose parameters may come as a JSON object, below `/data/{id}`.
JSON_ROUTES = [
    ("GET", ""), ("PUT", ""), ("GET", "/children"), ("GET", "/files"), ("POST", "/restore"),
    ("GET", "/trash"),
]  # fmt: skip
DEEP = b'{"a":' * 10_000 + b"1" + b"}" * 10_000
MALFORMED = [b"{", b"[]", b'"text"', b"\xff\xfe", DEEP, b"[" * 10_000]


@pytest.mark.parametrize(("route", "body"), list(product(JSON_ROUTES, MALFORMED)))
async def test_what_is_no_object_is_malformed(folder: Folder, route: tuple[str, str], body: bytes) -> None:
    method, tail = route
    answer = await folder.http.request(method, f"{API}/data/{folder.id}{tail}", content=body, headers=CLIENT)
    assert error(answer) == (400, "malformedData", None)


@pytest.mark.parametrize("route", JSON_ROUTES)
async def test_a_body_has_a_largest_size(folder: Folder, route: tuple[str, str]) -> None:
    method, tail = route
    body = b'{"a": "' + b"x" * (1 << 20) + b'"}'
    answer = await folder.http.request(method, f"{API}/data/{folder.id}{tail}", content=body, headers=CLIENT)
    assert error(answer)[:2] == (400, "limitReached")


@pytest.mark.parametrize("route", [route for route in JSON_ROUTES if route[0] in ("PUT", "POST")])
async def test_other_bodies_are_415_and_empty_ones_pass(folder: Folder, route: tuple[str, str]) -> None:
    method, tail = route
    url = f"{API}/data/{folder.id}{tail}"
    text = {"content-type": "text/plain"}
    answer = await folder.http.request(method, url, content=b"{}", headers=text)
    assert (answer.status_code, answer.content) == (415, b"")
    assert (await folder.http.request(method, url, headers=text)).status_code == 400


@pytest.mark.parametrize(
    ("method", "tail", "wanted"),
    [
        ("GET", "", 200), ("GET", "/children", 200), ("GET", "/files", 200), ("GET", "/symlink_value", 400),
        ("GET", "/hardlinks", 400), ("DELETE", "/path/a", 204), ("PUT", "/path/b", 201),
        ("POST", "/children", 400),
    ],
)  # fmt: skip
async def test_unknown_parameters_are_ignored(folder: Folder, method: str, tail: str, wanted: int) -> None:
    await folder.put("a", b"x")
    url = f"{API}/data/{folder.id}{tail}?nobody=knows&this=&too&too"
    answer = await folder.http.request(method, url, headers=CLIENT)
    assert answer.status_code == wanted, answer.text


@pytest.mark.parametrize(
    ("query", "id", "details"),
    [
        ("", "missingRequiredValue", {"key": "name"}),
        ("name=", "badValueEmpty", {"key": "name"}),
        ("name=b&type=REGULAR", "badValueNotAllowed",
         {"key": "type", "allowed": ["REG", "DIR", "LNK", "SYMLNK"]}),
        ("name=b&mode=8", "badValueInteger", {"key": "mode"}),
        ("name=b&mode=2000", "badValueNotInRange", {"key": "mode", "low": 0, "high": 1023}),
        ("name=b&offset=-1", "badValueTooLow", {"key": "offset", "limit": 0}),
        ("name=b&offset=x", "badValueInteger", {"key": "offset"}),
        ("name=b&update_existing=maybe", "badValueBoolean", {"key": "update_existing"}),
        ("name=b&type=LNK", "missingRequiredValue", {"key": "target_file_id"}),
        ("name=b&type=LNK&target_file_id=x", "badValueIdentifier", {"key": "target_file_id"}),
        ("name=b&type=SYMLNK", "missingRequiredValue", {"key": "target_file_path"}),
        ("name=b&type=SYMLNK&target_file_path=", "badValueEmpty", {"key": "target_file_path"}),
        ("name=%FF", "malformedData", None),
    ],
)  # fmt: skip
async def test_creations_are_checked(folder: Folder, query: str, id: str, details: object) -> None:
    answer = await folder.http.post(f"{API}/data/{folder.id}/children?{query}", headers=CLIENT)
    assert error(answer) == (400, id, details)
    assert (await folder.http.get(f"{API}/data/{folder.id}/children")).json()["children"] == []


@pytest.mark.parametrize("name", ["a/b", ".", "..", "%00"])
async def test_impossible_names_of_children_are_einval(folder: Folder, name: str) -> None:
    answer = await folder.http.post(f"{API}/data/{folder.id}/children?name={name}", headers=CLIENT)
    assert errno(answer) == "einval"


@pytest.mark.parametrize(
    ("query", "id"),
    [
        ("limit=0", "badValueNotInRange"), ("limit=10001", "badValueNotInRange"),
        ("limit=1e3", "badValueInteger"), ("token=", "badValueEmpty"), ("index=", "badValueEmpty"),
        ("offset=501", "badValueNotInRange"), ("offset=-501", "badValueNotInRange"),
        ("inclusive=1", "badValueBoolean"), ("attributes=size&attributes=nope", "badValueNotAllowed"),
        ("attribute=fileId", "badValueNotAllowed"), ("limit=1&limit=2", "badValueInteger"),
    ],
)  # fmt: skip
async def test_listings_are_checked(folder: Folder, query: str, id: str) -> None:
    assert error(await folder.http.get(f"{API}/data/{folder.id}/children?{query}"))[:2] == (400, id)


async def test_positions_that_mean_nothing_are_einval(folder: Folder) -> None:
    await folder.put("dir/a", b"x", create_parents="true")
    children, files = f"{API}/data/{folder.id}/children", f"{API}/data/{folder.id}/files"
    other = (await folder.lookup("dir")).json()["fileId"]
    token = (await folder.http.get(f"{API}/data/{other}/children?limit=1")).json()["nextPageToken"]
    for url in (f"{children}?offset=-1", f"{children}?token=nonsense", f"{children}?token={token}",
                f"{files}?token=nonsense", f"{files}?token={token}"):  # fmt: skip
        assert errno(await folder.http.get(url)) == "einval"


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "PATCH", "OPTIONS", "DELETE"])
async def test_methods_that_are_not_there_are_405(folder: Folder, method: str) -> None:
    allowed = {"": "GET PUT DELETE", "/children": "GET POST", "/files": "GET", "/content": "GET PUT",
               "/hardlinks": "GET", "/symlink_value": "GET", "/restore": "POST"}  # fmt: skip
    for tail, methods in allowed.items():
        if method not in methods.split():
            answer = await folder.http.request(method, f"{API}/data/{folder.id}{tail}")
            assert (answer.status_code, answer.content) == (405, b""), tail
            assert answer.headers["allow"]


async def test_bodies_of_what_has_no_content_are_ignored(folder: Folder) -> None:
    file = await folder.put("a", b"x")
    octets = {"content-type": "application/octet-stream"}
    for query in ("name=d&type=DIR", "name=s&type=SYMLNK&target_file_path=a",
                  f"name=l&type=LNK&target_file_id={file}"):  # fmt: skip
        url = f"{API}/data/{folder.id}/children?{query}"
        answer = await folder.http.post(url, content=b"ignored", headers=octets)
        assert answer.status_code == 201, answer.text
    assert (await folder.http.get(f"{API}/data/{folder.id}/path/l")).content == b"x"


async def test_what_is_below_a_file_is_enotdir(folder: Folder) -> None:
    file = await folder.put("a", b"x")
    for kind in ("REG", "DIR", "SYMLNK&target_file_path=a"):
        url = f"{API}/data/{file}/children?name=b&type={kind}"
        assert errno(await folder.http.post(url, headers=CLIENT)) in ("enotdir", "eacces")
    for method in ("GET", "DELETE"):
        assert errno(await folder.http.request(method, f"{API}/data/{file}/path/b")) == "enotdir"
