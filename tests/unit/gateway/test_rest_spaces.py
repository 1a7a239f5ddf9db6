"""`/spaces`: what a user sees of his spaces, and what a confined token leaves of that."""

from __future__ import annotations

import base64
from dataclasses import replace

import httpx
import pytest

from runtime.http.file_ids import encode
from runtime.identity import DataCaveats
from tests.support.gateway import PROVIDER_ID, GatewayTwin

API = "/api/v3/oneprovider"


def error(answer: httpx.Response) -> tuple[int, str, object]:
    told = answer.json()["error"]
    return answer.status_code, told["id"], told.get("details")


async def test_all_spaces_are_listed_wherever_they_are(gateway: GatewayTwin) -> None:
    told = (await gateway.http.get(f"{API}/spaces")).json()
    assert [space["spaceId"] for space in told] == ["away1", "home1", "twin1", "twin2"]
    assert told[0]["providers"] == []


async def test_a_space_is_told_whole(gateway: GatewayTwin) -> None:
    answer = await gateway.http.get(f"{API}/spaces/home1")
    directory = encode("home1", "space_home1")
    assert answer.json() == {
        "name": "home",
        "spaceId": "home1",
        "fileId": directory,
        "dirId": directory,
        "trashDirId": encode("home1", "trash_home1"),
        "archivesDirId": encode("home1", "archivesRoot_home1"),
        "providers": [{"providerId": PROVIDER_ID, "providerName": "krakow"}],
    }
    listed = (await gateway.http.get(f"{API}/spaces")).json()
    assert answer.json() in listed


@pytest.mark.parametrize(
    ("space_id", "status", "id"),
    [
        ("other1", 403, "forbidden"),
        ("nowhere", 403, "forbidden"),
        ("away1", 400, "spaceNotSupportedBy"),
        ("rootDirVirtualSpaceId", 403, "forbidden"),
    ],
)
async def test_other_spaces_are_refused(gateway: GatewayTwin, space_id: str, status: int, id: str) -> None:
    assert error(await gateway.http.get(f"{API}/spaces/{space_id}"))[:2] == (status, id)


async def test_guests_have_no_spaces(gateway: GatewayTwin) -> None:
    del gateway.http.headers["x-auth-token"]
    for path in ("/spaces", "/spaces/home1"):
        assert error(await gateway.http.get(API + path)) == (401, "unauthorized", None)


@pytest.mark.parametrize(
    ("caveats", "left", "refused"),
    [
        (
            DataCaveats(paths=(("/home1/dir", "/twin1"), ("/home1",))),
            ["home1"],
            {"type": "data.path", "whitelist": [base64.b64encode(b"/home1").decode()]},
        ),
        (
            DataCaveats(object_ids=((encode("home1", "f"),),)),
            ["home1"],
            {"type": "data.objectid", "whitelist": [encode("home1", "f")]},
        ),
    ],
)
async def test_a_confined_token_leaves_few(
    gateway: GatewayTwin, caveats: DataCaveats, left: list[str], refused: object
) -> None:
    owner = gateway.tokens.identities["owner"]
    gateway.tokens.identities["confined"] = replace(owner, caveats=caveats)
    gateway.http.headers["x-auth-token"] = "confined"
    listed = (await gateway.http.get(f"{API}/spaces")).json()
    assert [space["spaceId"] for space in listed] == left
    assert (await gateway.http.get(f"{API}/spaces/home1")).status_code == 200
    status, id, details = error(await gateway.http.get(f"{API}/spaces/twin1"))
    assert (status, id) == (401, "unauthorized")
    assert details["authError"]["details"] == {"caveat": refused}  # type: ignore[index]


async def test_a_readonly_token_leaves_all(gateway: GatewayTwin) -> None:
    owner = gateway.tokens.identities["owner"]
    gateway.tokens.identities["readonly"] = replace(owner, caveats=DataCaveats(readonly=True))
    answer = await gateway.http.get(f"{API}/spaces", headers={"x-auth-token": "readonly"})
    assert len(answer.json()) == 4
