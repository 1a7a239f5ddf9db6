"""How a CDMI request is read, whichever of both fronts answers: addresses, checks, types, queries, errors."""

from __future__ import annotations

import asyncio
import base64
import secrets

import httpx
import pytest

from clients.zone_rest import ZoneClient
from runtime.http.file_ids import crc16, encode, user_root
from tests.support.folder import CONTAINER, OBJECT, Folder, V, errno, error
from tests.support.raw_http import RawClient, request_bytes
from tests.support.stack import RunningStack

PLAIN: dict[str, str] = {}
EACCES = (
    b'{"error":{"id":"posix","description":"Operation failed with POSIX error: eacces.",'
    b'"details":{"errno":"eacces"}}}'
)


async def answers(folder: Folder, method: str, path: str, **headers: str) -> list[httpx.Response]:
    """The same request by the CDMI and by the plain front."""
    extra = {name.replace("_", "-"): value for name, value in headers.items()}
    return [await folder.http.request(method, path, headers=form | extra) for form in (PLAIN, V)]


@pytest.mark.cdmi("2.decode")
async def test_an_encoded_slash_is_no_separator(folder: Folder) -> None:
    await folder.put("dir/a", b"x", create_parents="true")
    for answer in await answers(folder, "GET", folder.cdmi("") + "/dir%2Fa"):
        assert answer.status_code in (400, 404)
    for answer in await answers(folder, "GET", folder.cdmi("dir") + "/%61"):
        assert answer.status_code == 200


@pytest.mark.cdmi("2.dots")
async def test_a_path_with_two_dots_does_not_exist(stack: RunningStack, folder: Folder) -> None:
    await folder.put("a", b"x")
    client = await RawClient.connect(stack.layout.base_port, stack.tls())
    for version in (PLAIN, V):
        for dots in ("..", "%2e%2E", "%2e."):
            target = f"{folder.cdmi()}/{dots}/{folder.name}/a"
            token = {"host": "h", "x-auth-token": stack.token}
            await client.send(request_bytes("GET", target, {**token, **version}))
            answer = await client.answer()
            assert (answer.status, answer.body) == (404, b"")
    await client.close()


@pytest.mark.cdmi("2.symlink")
async def test_symbolic_links_are_as_if_absent(folder: Folder) -> None:
    made = await folder.create("link", type="SYMLNK", target_file_path="a")
    assert made.status_code == 201, made.text
    for answer in await answers(folder, "GET", folder.cdmi("link")):
        assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.cdmi("2.reserved")
@pytest.mark.parametrize("name", ["cdmi_anything", "cdmi_domains", "no-such-space"])
async def test_nothing_is_made_at_the_top(owner: httpx.AsyncClient, name: str) -> None:
    for answer in (
        await owner.put(f"/cdmi/{name}/", headers=CONTAINER),
        await owner.put(f"/cdmi/{name}/"),
        await owner.put(f"/cdmi/{name}", json={"value": "x"}, headers=OBJECT),
        await owner.put(f"/cdmi/{name}", content=b"x"),
    ):
        assert errno(answer) == "eperm"


@pytest.mark.cdmi("2.1.redirect", "8.empty")
async def test_the_wrong_slash_is_redirected_for_every_method(stack: RunningStack, folder: Folder) -> None:
    await folder.put("dir/a b", b"x", create_parents="true")
    for wrong, right in (("dir", "dir/"), ("dir/a b/", "dir/a b")):
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            for kind in ({}, {"content_type": "application/cdmi-object"}, {"content_type": "text/plain"}):
                for answer in await answers(folder, method, folder.cdmi(wrong) + "?a;b:1", **kind):
                    assert (answer.status_code, answer.content) == (302, b""), (method, wrong, kind)
                    assert answer.headers["location"] == stack.url + folder.cdmi(right) + "?a;b:1"
                    assert answer.headers["cache-control"] == "max-age=3600"


@pytest.mark.cdmi("2.1.redirect", "2.objectid")
async def test_redirects_by_id_lead_to_the_path(stack: RunningStack, folder: Folder) -> None:
    for answer in await answers(folder, "GET", f"/cdmi/cdmi_objectid/{folder.id}"):
        assert answer.headers["location"] == stack.url + folder.cdmi("") + "/"


@pytest.mark.cdmi("3.order", "5.list", "4.401")
async def test_checks_come_in_one_order(guest: httpx.AsyncClient, folder: Folder) -> None:
    bad_version = {"x-cdmi-specification-version": "1.0.2"}
    path, known = folder.cdmi("nothing"), f"/cdmi/cdmi_objectid/{folder.id}"
    # 2 before 3: a malformed id; 3: the caller, by id; 5: the method; 6: the version; 7: the query; 9: the
    # caller; 10: Accept; 11: the path.
    steps = [
        (guest, "GET", "/cdmi/cdmi_objectid/xyz?value:a-b", bad_version, "badValueIdentifier"),
        (guest, "GET", f"{known}?value:a-b", bad_version, "unauthorized"),
        (guest, "PATCH", f"{path}?value:a-b", bad_version, "405"),
        (guest, "GET", f"{path}?value:a-b", bad_version, "badVersion"),
        (guest, "GET", f"{path}?value:a-b", {"accept": "image/png"}, "badData"),
        (guest, "GET", path, {"accept": "image/png"}, "unauthorized"),
        (folder.http, "GET", path, {"accept": "image/png", **V}, "406"),
        (folder.http, "GET", path, {}, "404"),
    ]
    for client, method, target, headers, expected in steps:
        answer = await client.request(method, target, headers=headers)
        told = answer.json()["error"]["id"] if answer.content else str(answer.status_code)
        assert told == expected, (method, target, headers)


@pytest.mark.cdmi("4.headers")
@pytest.mark.parametrize(
    ("name", "form"), [("X-Auth-Token", "{}"), ("Authorization", "Bearer {}"), ("macaroon", "{}")]
)
async def test_tokens_come_in_three_headers(
    stack: RunningStack, guest: httpx.AsyncClient, name: str, form: str
) -> None:
    for path in ("/cdmi/", f"/cdmi/{stack.space}/none"):
        answer = await guest.get(path, headers={**V, name: form.format(stack.token)})
        assert answer.status_code in (200, 404)


@pytest.mark.cdmi("4.401", "8.envelope")
async def test_who_is_not_known_is_told_so(guest: httpx.AsyncClient, folder: Folder) -> None:
    for path in (folder.cdmi("a"), folder.cdmi("") + "/", f"/cdmi/cdmi_objectid/{folder.id}/"):
        answer = await guest.get(path, headers=V)
        assert answer.json() == {
            "error": {
                "id": "unauthorized",
                "description": "You must authenticate yourself to perform this operation.",
            }
        }
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        answer = await guest.get(path, headers={**V, "x-auth-token": "rubbish"})
        told = answer.json()["error"]
        assert told["description"] == "Provided authentication is not valid (see details)."
        assert told["details"]["authError"]["id"] == "badToken"


@pytest.mark.cdmi("5.response")
async def test_answers_name_the_version_when_the_request_did(folder: Folder) -> None:
    await folder.put("a", b"x")
    for path in ("a", "nothing", "", "a/"):
        for accept in ("*/*", "application/binary"):
            answer = await folder.http.get(folder.cdmi(path), headers={**V, "accept": accept})
            assert answer.headers["x-cdmi-specification-version"] == "1.1.1"
        assert "x-cdmi-specification-version" not in (await folder.http.get(folder.cdmi(path))).headers


@pytest.mark.cdmi("6.1.accept")
@pytest.mark.parametrize(
    ("accept", "type"),
    [
        ("*/*", "application/cdmi-object"),
        ("application/*", "application/cdmi-object"),
        ("application/binary", "text/plain"),
        ("application/cdmi-object;q=0.5, application/binary", "text/plain"),
        ("application/binary;q=0.5, application/cdmi-object", "application/cdmi-object"),
        ("text/plain", None),
        ("text/*", None),
    ],
)
async def test_the_client_chooses_how_an_object_is_told(
    folder: Folder, accept: str, type: str | None
) -> None:
    await folder.object("a", {"value": "hello", "mimetype": "text/plain"})
    answer = await folder.http.get(folder.cdmi("a"), headers={**V, "accept": accept})
    if type is None:
        assert (answer.status_code, answer.content) == (406, b"")
        return
    assert (answer.status_code, answer.headers["content-type"]) == (200, type)
    assert (answer.content == b"hello") == (type == "text/plain")


@pytest.mark.cdmi("6.1.stored-type", "6.1.accept")
async def test_plain_bytes_are_taken_by_their_own_type(folder: Folder) -> None:
    await folder.object("a", {"value": "hello", "mimetype": "text/plain"})
    for accept, status in (("text/plain", 200), ("text/*", 200), ("image/png", 406)):
        assert (await folder.http.get(folder.cdmi("a"), headers={"accept": accept})).status_code == status
    cdmi = await folder.http.get(folder.cdmi("a"), headers={"accept": "application/cdmi-object"})
    assert error(cdmi) == (400, "missingRequiredValue", {"key": "version"})
    put = {"content-type": "text/plain", "accept": "image/png"}
    assert (await folder.http.put(folder.cdmi("a"), content=b"x", headers=put)).status_code == 406
    assert (await folder.http.get(folder.cdmi("a"))).content == b"hello"


@pytest.mark.cdmi("6.2.handler")
async def test_other_types_are_plain_content_whatever_the_version(folder: Folder) -> None:
    for number, headers in enumerate(({}, {"content-type": "application/binary"}, {"content-type": "a/b"})):
        for version in (PLAIN, V, {**V, "accept": "application/cdmi-object"}):
            path = folder.cdmi(f"{number}{len(version)}")
            answer = await folder.http.put(path, content=b'{"value": "x"}', headers={**version, **headers})
            assert answer.status_code == 201
            assert (await folder.http.get(path)).content == b'{"value": "x"}'


@pytest.mark.cdmi("6.2.ignored")
async def test_get_and_delete_ignore_the_type(folder: Folder) -> None:
    for kind in ("application/cdmi-object", "application/cdmi-container", "a/b"):
        await folder.put("a", b"x")
        await folder.create("dir", type="DIR")
        for path in ("a", "dir/"):
            for method, status in (("GET", 200), ("DELETE", 204)):
                headers = {**V, "content-type": kind}
                assert (
                    await folder.http.request(method, folder.cdmi(path), headers=headers)
                ).status_code == status


@pytest.mark.cdmi("6.2.parameters", "6.2.json-suffix")
@pytest.mark.parametrize(
    "kind",
    ["application/cdmi-object; charset=utf-8", "Application/CDMI-Object", "application/cdmi-object+json"],
)
async def test_a_type_is_known_however_it_is_written(folder: Folder, kind: str) -> None:
    answer = await folder.http.put(
        folder.cdmi("a"), json={"value": "hello"}, headers={**V, "content-type": kind}
    )
    assert answer.status_code == 201
    assert (await folder.http.get(folder.cdmi("a"))).content == b"hello"


@pytest.mark.cdmi("21.refused")
@pytest.mark.parametrize("kind", ["domain", "capability", "anything"])
async def test_objects_that_are_not_kept_are_refused_by_type(folder: Folder, kind: str) -> None:
    headers = {**V, "content-type": f"application/cdmi-{kind}"}
    for path in ("x", "x/"):
        answer = await folder.http.put(folder.cdmi(path), content=b"{}", headers=headers)
        assert error(answer) == (400, "notSupported", None)
        assert (await folder.http.get(folder.cdmi(path), headers=V)).status_code == 404


@pytest.mark.cdmi("7.fields", "7.decode")
async def test_queries_select_fields(folder: Folder) -> None:
    await folder.object("a", {"value": "hello", "metadata": {"my-key": 1, "my key": 2, "other": 3}})
    told = await folder.http.get(
        folder.cdmi("a") + "?objectName;example_qs=1;value:1-3;valuerange", headers=V
    )
    assert told.json() == {"objectName": "a", "valuerange": "1-3", "value": "ell"}
    assert (await folder.http.get(folder.cdmi("a") + "?unknown", headers=V)).json() == {}
    for query, found in (("metadata:my-", {"my-key": 1}), ("metadata:my%20", {"my key": 2})):
        told = await folder.http.get(folder.cdmi("a") + f"?{query}", headers=V)
        assert told.json() == {"metadata": found}


@pytest.mark.cdmi("7.ranges")
@pytest.mark.parametrize("query", ["value:a-b", "value:1-", "value:5", "value:-1-2", "value:5-2", "%ff"])
async def test_queries_that_make_no_sense_are_refused_by_both_fronts(folder: Folder, query: str) -> None:
    await folder.put("a", b"x")
    for answer in await answers(folder, "GET", folder.cdmi("a") + f"?{query}"):
        assert error(answer) == (400, "badData", {"key": "query string"})


@pytest.mark.cdmi("8.eacces", "8.envelope")
async def test_a_refused_permission_reads_to_the_letter(folder: Folder, member: httpx.AsyncClient) -> None:
    await folder.put("a", b"x", mode="600")
    for headers in (PLAIN, V):
        answer = await member.get(folder.cdmi("a"), headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json")
        assert answer.content == EACCES


@pytest.mark.cdmi("9.form", "2.objectid")
async def test_ids_carry_their_checksum_and_are_read_in_either_case(folder: Folder) -> None:
    id = await folder.put("a", b"hello")
    raw = bytes.fromhex(id)
    assert crc16(b"123456789") == 0xBB3D
    assert int.from_bytes(raw[6:8], "big") == crc16(raw[:6] + b"\0\0" + raw[8:])
    assert (raw[:5], raw[5], id) == (bytes(5), len(raw) - 8, id.upper())
    for spelled in (id, id.lower(), id[:12] + "0000" + id[16:]):
        for answer in await answers(folder, "GET", f"/cdmi/cdmi_objectid/{spelled}"):
            assert answer.status_code == 200


@pytest.mark.cdmi("9.malformed")
@pytest.mark.parametrize("id", ["xyz", "00", "0" * 16, "FF" * 20, "00" * 400])
async def test_malformed_ids_are_refused_by_both_fronts(folder: Folder, id: str) -> None:
    for answer in await answers(folder, "GET", f"/cdmi/cdmi_objectid/{id}"):
        assert error(answer) == (400, "badValueIdentifier", {"key": "file_id"})


@pytest.mark.cdmi("4.shares", "2.objectid")
async def test_ids_of_what_one_cannot_know_are_enoent(stack: RunningStack, folder: Folder) -> None:
    for id in (
        encode(stack.space_id, "nothing"),
        encode("strange", "file"),
        encode(stack.space_id, "file", "share"),
        encode(user_root("someone").space_id, user_root("someone").uuid),
    ):
        for answer in await answers(folder, "GET", f"/cdmi/cdmi_objectid/{id}"):
            assert errno(answer) == "enoent"


@pytest.mark.cdmi("18.methods", "8.empty")
async def test_other_methods_are_refused(folder: Folder) -> None:
    for method in ("PATCH", "POST"):
        for answer in await answers(folder, method, folder.cdmi("a")):
            told = (answer.status_code, answer.headers["allow"], answer.content)
            assert told == (405, "PUT, GET, DELETE", b"")
    for answer in await answers(folder, "PATCH", folder.cdmi("") + "/"):
        assert answer.headers["allow"] == "PUT, GET, DELETE, POST"
    for answer in await answers(folder, "POST", "/cdmi/cdmi_objectid/"):
        assert (answer.status_code, answer.content) == (405, b"")
    for method in ("PUT", "DELETE", "POST"):
        for answer in await answers(folder, method, "/cdmi/cdmi_capabilities/container/"):
            assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    for method in ("FETCH", "PROPFIND"):
        for answer in await answers(folder, method, folder.cdmi("a")):
            assert (answer.status_code, answer.content) == (501, b"")


@pytest.mark.cdmi("18.cors")
async def test_pages_of_any_origin_may_ask(guest: httpx.AsyncClient, folder: Folder) -> None:
    answer = await guest.options(folder.cdmi("a"))
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD, PUT, POST, DELETE, OPTIONS"
    assert "X-CDMI-Specification-Version" in answer.headers["access-control-allow-headers"]
    for answer in await answers(folder, "GET", folder.cdmi("nothing")):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "Content-Range" in answer.headers["access-control-expose-headers"]


@pytest.mark.cdmi("18.head")
async def test_head_is_get_without_a_body(folder: Folder) -> None:
    await folder.put("a", b"hello")
    for answer in await answers(folder, "HEAD", folder.cdmi("a")):
        assert (answer.status_code, answer.content) == (200, b"")
    assert (await folder.http.head(folder.cdmi("a"))).headers["content-length"] == "5"
    whole = await folder.http.get(folder.cdmi("a") + "?objectName;metadata", headers=V)
    head = await folder.http.head(folder.cdmi("a") + "?objectName;metadata", headers=V)
    assert head.headers["content-length"] == whole.headers["content-length"]
    assert (await folder.http.head(folder.cdmi("nothing"), headers=V)).status_code == 404


@pytest.mark.cdmi("4.caveats", "8.eacces")
async def test_a_token_that_may_only_read_changes_nothing(stack: RunningStack, folder: Folder) -> None:
    await folder.put("a", b"hello")
    token = await token_with(stack, {"type": "data.readonly"})
    async with stack.client(token) as reader:
        assert (await reader.get(folder.cdmi("a"))).content == b"hello"
        assert (await reader.get(folder.cdmi("a"), headers=V)).status_code == 200
        source = f"{folder.space}/{folder.name}/a"
        for method, path, body, headers in (
            ("PUT", "a", {"value": "x"}, OBJECT),
            ("PUT", "b", {"value": "x"}, OBJECT),
            ("PUT", "a", {"metadata": {"k": 1}}, OBJECT),
            ("PUT", "b", {"copy": source}, OBJECT),
            ("PUT", "b", {"move": source}, OBJECT),
            ("PUT", "dir/", {}, CONTAINER),
            ("PUT", "a", {}, {}),
            ("DELETE", "a", {}, V),
        ):
            answer = await reader.request(method, folder.cdmi(path), json=body, headers=headers)
            assert errno(answer) == "eacces", (method, path, body)
    assert (await folder.http.get(folder.cdmi("a"))).content == b"hello"


@pytest.mark.cdmi("4.caveats")
async def test_a_token_for_a_path_opens_no_other(stack: RunningStack, folder: Folder) -> None:
    await folder.put("in/a", b"hello", create_parents="true")
    await folder.put("out", b"secret")
    path = f"/{stack.space_id}/{folder.name}/in"
    caveat = {"type": "data.path", "whitelist": [base64.b64encode(path.encode()).decode()]}
    async with stack.client(await token_with(stack, caveat)) as bound:
        for headers in (PLAIN, V):
            assert (await bound.get(folder.cdmi("in/a"), headers=headers)).status_code == 200
            assert errno(await bound.get(folder.cdmi("out"), headers=headers)) == "eacces"
        listed = await bound.get(folder.cdmi("") + "/?children", headers=V)
        assert listed.json() == {"children": ["in/"]}


async def token_with(stack: RunningStack, caveat: dict[str, object]) -> str:
    """An access token of the owner with this caveat."""
    with ZoneClient(stack.url, token=stack.token, ca_file=stack.ca_file) as zone:
        _, token = await asyncio.to_thread(zone.create_token, secrets.token_hex(6), caveats=[caveat])
    return token


async def test_nobody_outside_can_ask_what_services_ask_of_each_other(
    folder: Folder, member: httpx.AsyncClient
) -> None:
    secret = await folder.put("secret", b"secret", mode="600")
    headers = {"isthmus-copy-of": secret, "isthmus-mode": "777", "isthmus-identity": "x"}
    answer = await member.put(folder.cdmi("a"), content=b"mine", headers=headers)
    assert answer.status_code == 201
    assert (await folder.http.get(folder.cdmi("a"))).content == b"mine"
