"""`isthmus login` through the front door, at an identity provider that is real."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.documents import REPO
from tests.support.oidc import OidcServer, running_oidc_provider
from tests.support.stack import OIDC_FILE, RunningStack

ZONE = "/api/v3/onezone"
LONG_S = 60


@pytest.fixture(scope="module")
def oidc(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OidcServer]:
    """The identity provider that the stack knows."""
    [known] = json.loads((stack.layout.run_dir / OIDC_FILE).read_text())
    callback = f"https://{stack.layout.zone_domain}{ZONE}/login/{known['id']}/callback"
    port = urlsplit(known["issuer"]).port
    with running_oidc_provider(tmp_path_factory.mktemp("oidc"), callback, port=port or 0) as server:
        yield server


async def browse(stack: RunningStack, oidc: OidcServer, url: str, username: str) -> httpx.Response:
    """What a browser does with an address that a program opens: to the provider, back, and to the program."""
    async with httpx.AsyncClient(verify=stack.tls(), timeout=LONG_S) as browser:
        begun = await browser.get(url)
        assert begun.status_code == 302, begun.text
        back = await browser.get(await oidc.log_in(begun.headers["location"], username))
        assert back.status_code == 302, back.text
        return await browser.get(back.headers["location"])


async def log_in(stack: RunningStack, oidc: OidcServer, username: str, file: Path) -> dict[str, str]:
    """Runs the command while somebody logs in; what it printed."""
    known = {key: value for key, value in stack.env.items() if "TOKEN" not in key}
    running = await asyncio.create_subprocess_exec(
        str(REPO / ".venv/bin/isthmus"), "--json", "login", "--save", str(file),
        env={"PATH": "/usr/bin:/bin", "BROWSER": "true", **known},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert running.stderr is not None
    async with asyncio.timeout(LONG_S):
        told = (await running.stderr.readline()).decode()
        found = re.search(r"https://\S+", told)
        assert found is not None, told + (await running.stderr.read()).decode()
        farewell = await browse(stack, oidc, found[0], username)
        assert "You are logged in" in farewell.text
        printed, _ = await running.communicate()
    assert running.returncode == 0
    answer: dict[str, str] = json.loads(printed)
    return answer


async def test_who_logs_in_gets_a_token_that_is_good_at_the_front_door(
    stack: RunningStack, oidc: OidcServer, tmp_path: Path
) -> None:
    username, file = f"joe{secrets.token_hex(4)}", tmp_path / "token"
    told = await log_in(stack, oidc, username, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    async with stack.client(file.read_text().strip()) as client:
        me = (await client.get(f"{ZONE}/user")).json()
        assert (me["userId"], me["emails"]) == (told["user_id"], [f"{username}@example.org"])
        made = await client.post(f"{ZONE}/user/spaces", json={"name": "of my own"})
        assert made.status_code == 201
    again = await log_in(stack, oidc, username, file)
    assert again["user_id"] == told["user_id"]
