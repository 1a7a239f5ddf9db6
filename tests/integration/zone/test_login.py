"""Log-in by an account at a real OpenID Connect provider."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
import stat
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx
import pytest
import pytest_asyncio
from click.testing import Result
from typer.testing import CliRunner

from clients.cli import login
from clients.cli.__main__ import app
from tests.support.oidc import OidcServer, running_oidc_provider, write_settings
from tests.support.ports import free_port
from tests.support.zone import BASE, ZONE_DOMAIN, RunningZone, running_zone, user_token, zone_settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALLBACK = f"https://{ZONE_DOMAIN}{BASE}/login/home/callback"


@pytest.fixture(scope="module")
def oidc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OidcServer]:
    """The provider, for all tests of the file."""
    with running_oidc_provider(tmp_path_factory.mktemp("oidc"), CALLBACK) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def oidc_zone(
    tmp_path_factory: pytest.TempPathFactory,
    mongo_url: str,
    module_database: str,
    consul_url: str,
    oidc: OidcServer,
) -> AsyncIterator[RunningZone]:
    """A zone that knows this provider, and one that is not there."""
    folder = tmp_path_factory.mktemp("zone")
    file = folder / "oidc.json"
    write_settings(file, home=oidc.issuer, gone=f"http://127.0.0.1:{free_port()}")
    settings = zone_settings(
        folder, mongo_url, module_database, consul_url, instance_id="zone-oidc", oidc_file=file
    )
    async with running_zone(settings) as running:
        yield running


@dataclass
class Browser:
    """What a browser does at the zone; it keeps its cookie."""

    zone: RunningZone
    oidc: OidcServer
    cookie: str = ""

    async def begin(self, token: str | None = None, idp: str = "home", query: str = "") -> str:
        async with self.zone.client(token) as client:
            answer = await client.get(f"/login/{idp}{query}")
        assert answer.status_code == 302, answer.text
        set_cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in set_cookie
        assert "Secure" in set_cookie
        assert "SameSite=lax" in set_cookie
        self.cookie = set_cookie.partition(";")[0].partition("=")[2]
        return answer.headers["location"]

    async def come_back(self, url: str) -> httpx.Response:
        assert url.startswith(CALLBACK)
        async with self.zone.client() as client:
            headers = {"cookie": f"isthmus_login={self.cookie}"} if self.cookie else {}
            return await client.get(f"/login/home/callback?{urlsplit(url).query}", headers=headers)

    async def log_in(self, username: str, token: str | None = None) -> httpx.Response:
        return await self.come_back(await self.oidc.log_in(await self.begin(token), username))


@pytest.fixture
def browser(oidc_zone: RunningZone, oidc: OidcServer) -> Browser:
    mine = replace(oidc_zone, suffix=secrets.token_hex(4))
    mine.admin = oidc_zone.admin
    return Browser(mine, oidc)


def _name() -> str:
    return f"joe{secrets.token_hex(4)}"


def _error(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    nested = error.get("details", {}).get("authError", {})
    return str(nested.get("id", error["id"]))


async def test_first_log_in_makes_a_user_and_later_ones_find_him(browser: Browser) -> None:
    name = _name()
    first = await browser.log_in(name)
    assert first.status_code == 200, first.text
    assert first.headers["cache-control"] == "no-store"
    async with browser.zone.client(first.json()["token"]) as client:
        me = (await client.get("/user")).json()
    assert me["userId"] == first.json()["userId"]
    assert (me["fullName"], me["emails"]) == (f"{name.capitalize()} Test", [f"{name}@example.org"])
    (account,) = me["linkedAccounts"]
    assert (account["idp"], account["subjectId"], account["username"]) == ("home", name, name)
    again = await browser.log_in(name)
    assert again.json()["userId"] == me["userId"]


async def test_the_request_is_bound_by_pkce_state_and_nonce(browser: Browser) -> None:
    asked = parse_qs(urlsplit(await browser.begin()).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == [CALLBACK]
    assert len(asked["state"][0]) > 30
    assert len(asked["nonce"][0]) > 30
    assert asked["state"][0] not in browser.cookie


async def test_log_in_ends_in_the_browser_that_began_it(browser: Browser) -> None:
    back = await browser.oidc.log_in(await browser.begin(), _name())
    other = Browser(browser.zone, browser.oidc)
    assert _error(await other.come_back(back), 400) == "badData"
    await other.begin()
    assert _error(await other.come_back(back), 400) == "badData"
    other.cookie = browser.cookie[:-4] + "AAAA"
    assert _error(await other.come_back(back), 400) == "badData"


async def test_code_is_good_once(browser: Browser) -> None:
    back = await browser.oidc.log_in(await browser.begin(), _name())
    assert (await browser.come_back(back)).status_code == 200
    assert _error(await browser.come_back(back), 401) == "badIdpAccessToken"


async def test_code_of_another_log_in_does_not_fit(browser: Browser) -> None:
    other = Browser(browser.zone, browser.oidc)
    stolen = parse_qs(urlsplit(await other.oidc.log_in(await other.begin(), _name())).query)["code"][0]
    own = parse_qs(urlsplit(await browser.begin()).query)["state"][0]
    answer = await browser.come_back(f"{CALLBACK}?code={stolen}&state={own}")
    assert _error(answer, 401) == "badIdpAccessToken"


async def test_blocked_user_does_not_get_in(browser: Browser) -> None:
    name = _name()
    user_id = (await browser.log_in(name)).json()["userId"]
    await browser.zone.admin.patch(f"/users/{user_id}/access_block", json={"blocked": True})
    assert _error(await browser.log_in(name), 401) == "userBlocked"


async def test_account_is_linked_to_who_asks(browser: Browser) -> None:
    name = _name()
    user_id, token = await user_token(browser.zone, "ann")
    assert (await browser.log_in(name, token)).json()["userId"] == user_id
    assert (await browser.log_in(name)).json()["userId"] == user_id
    _, other = await user_token(browser.zone, "bob")
    assert _error(await browser.log_in(name, other), 401) == "badValueIdentifierOccupied"


async def _notes_of(browser: Browser, user_id: str) -> list[dict[str, Any]]:
    answer = await browser.zone.admin.get("/audit", params={"who": f"usr-{user_id}"})
    notes: list[dict[str, Any]] = answer.json()["notes"]
    return [note for note in notes if note["action"] in ("link_account", "create_user_by_login")]


async def test_linked_account_is_noted_and_a_refused_one_is_not(browser: Browser) -> None:
    name = _name()
    user_id, token = await user_token(browser.zone, "ann")
    await browser.log_in(name, token)
    (note,) = await _notes_of(browser, user_id)
    assert (note["action"], note["about"], note["done"]) == ("link_account", [user_id], True)
    assert note["details"] == {"idp": "home", "subjectId": name}
    assert note["from"]
    other_id, other = await user_token(browser.zone, "bob")
    await browser.log_in(name, other)
    assert await _notes_of(browser, other_id) == []


async def test_user_made_by_his_first_log_in_is_noted_once(browser: Browser) -> None:
    name = _name()
    user_id = (await browser.log_in(name)).json()["userId"]
    await browser.log_in(name)
    (note,) = await _notes_of(browser, user_id)
    assert (note["action"], note["details"]) == ("create_user_by_login", {"idp": "home", "subjectId": name})


async def test_address_that_nobody_verified_is_not_taken_over(browser: Browser) -> None:
    answer = await browser.log_in("mallory")
    async with browser.zone.client(answer.json()["token"]) as client:
        assert (await client.get("/user")).json()["emails"] == []


async def test_what_the_provider_refuses_is_told(browser: Browser) -> None:
    async with browser.zone.client() as client:
        assert _error(await client.get("/login/home/callback?error=access_denied&state=x"), 400) == "badData"
        assert _error(await client.get("/login/home/callback"), 400) == "missingRequiredValue"
        assert _error(await client.get("/login/nobody"), 404) == "notFound"
        assert _error(await client.get("/login/gone"), 503) == "serviceUnavailable"
        idps = (await client.get("/configuration")).json()["supportedIdPs"]
    assert [idp["id"] for idp in idps] == ["gone", "home"]


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


async def _code_for_a_program(browser: Browser, verifier: str) -> str:
    back = await browser.oidc.log_in(await browser.begin(query=_listener(_challenge(verifier))), _name())
    answer = await browser.come_back(back)
    assert answer.status_code == 302, answer.text
    address = urlsplit(answer.headers["location"])
    assert (address.scheme, address.netloc) == ("http", "127.0.0.1:5000")
    return parse_qs(address.query)["code"][0]


def _listener(challenge: str, port: object = 5000) -> str:
    return f"?{urlencode({'loopbackPort': port, 'codeChallenge': challenge})}"


async def _redeem(zone: RunningZone, **body: object) -> httpx.Response:
    async with zone.client() as client:
        return await client.post("/login/redeem", json=body)


async def test_program_gets_a_token_for_the_code_its_browser_brings(browser: Browser) -> None:
    verifier = secrets.token_urlsafe(48)
    code = await _code_for_a_program(browser, verifier)
    answer = await _redeem(browser.zone, code=code, codeVerifier=verifier)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    async with browser.zone.client(answer.json()["token"]) as client:
        assert (await client.get("/user")).json()["userId"] == answer.json()["userId"]


async def test_code_is_worth_nothing_to_who_did_not_ask_for_it(browser: Browser) -> None:
    code = await _code_for_a_program(browser, secrets.token_urlsafe(48))
    zone = browser.zone
    assert _error(await _redeem(zone, code=code, codeVerifier="another"), 400) == "badData"
    assert _error(await _redeem(zone, code=code), 400) == "missingRequiredValue"
    assert _error(await _redeem(zone, code=code[:-4] + "AAAA", codeVerifier="x"), 400) == "badData"
    assert _error(await _redeem(zone, code=browser.cookie, codeVerifier="x"), 400) == "badData"
    assert _error(await _redeem(zone, code="ż", codeVerifier="ż"), 400) == "badData"


async def test_user_who_is_blocked_meanwhile_gets_no_token(browser: Browser) -> None:
    verifier = secrets.token_urlsafe(48)
    code = await _code_for_a_program(browser, verifier)
    user_id = (await _redeem(browser.zone, code=code, codeVerifier=verifier)).json()["userId"]
    await browser.zone.admin.patch(f"/users/{user_id}/access_block", json={"blocked": True})
    assert _error(await _redeem(browser.zone, code=code, codeVerifier=verifier), 401) == "userBlocked"


@pytest.mark.parametrize(
    ("query", "error"),
    [
        (_listener("short"), "badData"),
        (_listener("a" * 43, port=80), "badValueTooLow"),
        (_listener("a" * 43, port=70000), "badValueNotInRange"),
        (_listener("a" * 43, port="example.org"), "badValueInteger"),
        ("?loopbackPort=5000", "missingRequiredValue"),
    ],
)
async def test_program_is_named_rightly_or_not_at_all(browser: Browser, query: str, error: str) -> None:
    async with browser.zone.client() as client:
        assert _error(await client.get(f"/login/home{query}"), 400) == error


def _command(zone: RunningZone, *words: str, stdin: str = "") -> Result:
    env = {"ONEZONE_HOST": zone.http_url, "ISTHMUS_URL": zone.http_url}
    return CliRunner().invoke(app, ["login", *words], stdin, env)


async def _browse(browser: Browser, url: str) -> str:
    """What a user's browser does once a program opened it; gives the last address."""
    query = f"?{urlsplit(url).query}"
    answer = await browser.come_back(await browser.oidc.log_in(await browser.begin(query=query), _name()))
    return answer.headers["location"]


async def test_login_command_opens_a_browser_and_saves_the_token(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    monkeypatch.setattr("webbrowser.open", lambda url: loop.call_soon_threadsafe(opened.put_nowait, url))
    words = ("--idp", "home", "--save", str(tmp_path / "token"))
    running = asyncio.create_task(asyncio.to_thread(_command, browser.zone, *words))
    last = await _browse(browser, await asyncio.wait_for(opened.get(), 20))
    async with httpx.AsyncClient() as user:
        assert (await user.get(urljoin(last, "/favicon.ico"))).status_code == 404
        assert "You are logged in" in (await user.get(last)).text
    done = await running
    assert done.exit_code == 0, done.output
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    token = (tmp_path / "token").read_text().strip()
    assert token not in done.output
    async with browser.zone.client(token) as client:
        assert (await client.get("/user")).status_code == 200


async def test_login_command_says_which_providers_there_are(browser: Browser) -> None:
    refused = await asyncio.to_thread(_command, browser.zone)
    assert refused.exit_code == 1
    assert "--idp: gone, home" in refused.stderr


async def test_login_command_takes_the_address_of_a_browser_elsewhere(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    loop = asyncio.get_running_loop()

    def show(*parts: Any) -> str:
        shown.append(begin_url(*parts))
        return shown[0]

    def paste(*_words: object, **_options: object) -> str:
        return asyncio.run_coroutine_threadsafe(_browse(browser, shown[0]), loop).result(20)

    begin_url = login._begin_url
    monkeypatch.setattr(login, "_begin_url", show)
    monkeypatch.setattr("typer.prompt", paste)
    file = tmp_path / "token"
    file.write_text("an old one")
    file.chmod(0o644)
    done = await asyncio.to_thread(_command, browser.zone, "--idp", "home", "--paste", "--save", str(file))
    assert done.exit_code == 0, done.output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    async with browser.zone.client(file.read_text().strip()) as client:
        assert (await client.get("/user")).status_code == 200


async def test_login_command_refuses_a_pasted_address_without_a_code(browser: Browser) -> None:
    words = ("--idp", "home", "--paste")
    refused = await asyncio.to_thread(_command, browser.zone, *words, stdin="http://127.0.0.1:5000/\n")
    assert refused.exit_code == 1
    assert "holds no code" in refused.stderr
