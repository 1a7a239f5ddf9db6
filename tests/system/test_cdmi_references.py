"""References over the front door, and the symbolic links that the REST API shows of them."""

from __future__ import annotations

import httpx
import pytest

from tests.support.folder import OBJECT, Folder, V, errno, error


def leads_to(answer: httpx.Response) -> str:
    """Where a redirect of either front end leads."""
    assert (answer.status_code, answer.content) == (302, b""), answer.text
    return str(answer.headers["location"])


@pytest.mark.cdmi("21.3.references")
async def test_a_reference_leads_on_whatever_is_asked(folder: Folder) -> None:
    uri = folder.cdmi("a") + "?value:0-1"
    await folder.put("a", b"hello")
    assert (await folder.object("ref", {"reference": uri})).status_code == 201
    for method, headers in (
        ("GET", V), ("GET", {}), ("HEAD", {}), ("PUT", {}), ("PUT", OBJECT), ("GET", {"range": "bytes=0-0"}),
        ("PUT", {**V, "content-type": "multipart/mixed; boundary=b"}),
        ("GET", {**V, "accept": "multipart/mixed"}),
    ):  # fmt: skip
        assert leads_to(await folder.http.request(method, folder.cdmi("ref"), headers=headers)) == uri
    followed = await folder.http.get(folder.cdmi("ref"), headers=V, follow_redirects=True)
    assert followed.json() == {"value": "aGU="}
    assert (await folder.http.get(folder.cdmi("a"))).content == b"hello"


@pytest.mark.cdmi("21.3.references")
async def test_references_are_links_of_the_rest_api(folder: Folder) -> None:
    uri = folder.cdmi("a")
    await folder.object("ref", {"reference": uri})
    id = (await folder.lookup("ref")).json()["fileId"]
    assert (await folder.attributes(id, "type", "name")) == {"type": "SYMLNK", "name": "ref"}
    value = await folder.http.get(f"/api/v3/oneprovider/data/{id}/symlink_value")
    assert value.text == uri
    for name, target in (("made", uri), ("other", "a")):
        assert (await folder.create(name, type="SYMLNK", target_file_path=target)).status_code == 201
    listed = await folder.http.get(folder.cdmi("") + "/?children", headers=V)
    assert listed.json() == {"children": ["made?", "other", "ref?"]}
    for headers in (V, {}):
        assert leads_to(await folder.http.get(folder.cdmi("made"), headers=headers)) == uri
        assert (await folder.http.get(folder.cdmi("other"), headers=headers)).status_code == 404
    assert errno(await folder.http.put(folder.cdmi("other"), content=b"x")) == "enotsup"
    for name, status in (("made", 204), ("ref", 204), ("other", 404)):
        assert (await folder.http.delete(folder.cdmi(name), headers=V)).status_code == status


@pytest.mark.cdmi("21.3.references")
async def test_a_reference_leads_nowhere_but_to_cdmi_here(folder: Folder) -> None:
    for uri in ("https://example.org/cdmi/a", "//example.org/cdmi/a", "/cdmi/../api/v3/oneprovider/data"):
        answer = await folder.object("ref", {"reference": uri})
        assert error(answer) == (400, "badData", {"key": "reference"})
        assert (
            await folder.create(f"link{len(uri)}", type="SYMLNK", target_file_path=uri)
        ).status_code == 201
        assert (await folder.http.get(folder.cdmi(f"link{len(uri)}"), headers=V)).status_code == 404
