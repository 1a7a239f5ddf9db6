"""Bad input on every route of the zone: told in the envelope by an id of the catalogue, never a stumble."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from runtime.http.errors import CATALOGUE
from tests.support.zone import BASE, RunningZone, user_token

pytestmark = pytest.mark.asyncio(loop_scope="module")

ODD_IDS = ("nothing", "é\u0000ü", "x" * 3000, "..%2f..", "$where", "a b", "-1", "{}")
ODD_BODIES: tuple[bytes, ...] = (
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"\xff\xfe",
    b'{"name": "\\ud800"}',
    b"[" * 5000,
    b'{"a": ' * 2000,
)
ODD_VALUES: tuple[Any, ...] = (
    5, -1, 1e308, 2**70, True, "", "x", "\u0000", "$set", "x" * 5000, [], [1], ["x"], [[]], {}, {"$gt": ""},
    {"type": "x"}, [{"type": "time"}], [{"type": "api", "whitelist": ["x"]}],
    {"inviteToken": {"inviteType": 5}},
)  # fmt: skip


async def _routes(zone: RunningZone) -> list[tuple[str, str, list[str]]]:
    """Method, path and names of parameters of the body, of all there are."""
    async with zone.client() as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    return [
        (method.upper(), path.removeprefix(BASE), list(_properties(told)))
        for path, methods in paths.items()
        for method, told in methods.items()
    ]


def _properties(told: dict[str, Any]) -> Iterator[str]:
    content = told.get("requestBody", {}).get("content", {})
    for body in content.values():
        yield from body["schema"].get("properties", {})


def _filled(path: str, value: str) -> str:
    parts = (quote(value, safe="") if part.startswith("{") else part for part in path.split("/"))
    return "/".join(parts)


def _check(answer: httpx.Response, asked: str) -> None:
    assert answer.status_code < 500 or answer.status_code == 503, f"{asked}: {answer.text}"
    if answer.status_code >= 400 and answer.content:
        error = answer.json()["error"]
        assert error["id"] in CATALOGUE, f"{asked}: {error}"
        assert error["description"], asked


@pytest.mark.parametrize("who", ["admin", "user", "guest"])
async def test_odd_ids_are_not_found(zone: RunningZone, who: str) -> None:
    token = (await user_token(zone, "joe"))[1] if who == "user" else None
    basic = ("admin", zone.admin_password) if who == "admin" else None
    async with zone.client(token, basic) as client:
        for method, path, _ in await _routes(zone):
            for odd in ODD_IDS if "{" in path else ():
                asked = f"{method} {path} {odd[:20]!r}"
                answer = await client.request(
                    method, _filled(path, odd), json={} if method != "GET" else None
                )
                _check(answer, asked)
                assert answer.status_code >= 400, asked


async def test_bodies_that_are_no_objects_are_malformed(zone: RunningZone) -> None:
    for method, path, names in await _routes(zone):
        if not names:
            continue
        for body in ODD_BODIES:
            headers = {"content-type": "application/json"}
            answer = await zone.admin.request(method, _filled(path, "nothing"), content=body, headers=headers)
            _check(answer, f"{method} {path} {body[:20]!r}")
            assert 400 <= answer.status_code < 500, f"{method} {path} {body[:20]!r}"


async def test_values_of_wrong_types_are_told(zone: RunningZone) -> None:
    """On things that exist, so that the values themselves are looked at."""
    _, token = await user_token(zone, "joe")
    async with zone.client(token) as joe:
        own = {
            "/spaces/": (await joe.post("/user/spaces", json={"name": "space 1"})).headers["location"],
            "/groups/": (await joe.post("/user/groups", json={"name": "group 1"})).headers["location"],
        }
        for method, path, names in await _routes(zone):
            if method not in ("POST", "PATCH", "PUT") or path.startswith(("/users", "/provider")):
                continue
            place = next((place for place in own if path.startswith(place)), "")
            id = own[place].rpartition("/")[2] if place else "nothing"
            for name in names:
                for value in ODD_VALUES:
                    body = json.dumps({name: value})
                    headers = {"content-type": "application/json"}
                    answer = await joe.request(method, _filled(path, id), content=body, headers=headers)
                    _check(answer, f"{method} {path} {body[:60]}")


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("x-auth-token", ""),
        ("x-auth-token", "x" * 100_000),
        ("x-auth-token", "MDAx"),
        ("authorization", "Basic"),
        ("authorization", "Basic !!!"),
        ("authorization", "Basic YWRtaW4="),
        ("authorization", "Bearer  x"),
        ("macaroon", "\u00ff"),
        ("x-onedata-consumer-token", "x"),
        ("x-onedata-service-token", "opw-x"),
    ],
)
async def test_odd_credentials_are_refused(zone: RunningZone, header: str, value: str) -> None:
    _, token = await user_token(zone, "joe")
    headers = {"x-auth-token": token, header: value} if header.startswith("x-onedata") else {header: value}
    encoded = {name: text.encode("latin-1") for name, text in headers.items()}
    async with zone.client() as client:
        answer = await client.get("/user", headers=encoded)
    _check(answer, f"{header}: {value[:20]}")
    assert answer.status_code in (401, 431)
