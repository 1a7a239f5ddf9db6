"""`isthmus login`: a token by an account at an identity provider."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import typer

from clients.cli.context import context, told
from clients.http_api import ClientError, HttpApi, json_object
from clients.zone_things import API
from runtime.secret_file import OWNER_ONLY, write_secret

#: How long a user may take in the browser.
LOGIN_TIMEOUT_S = 600
#: How long anybody who connects to us may take to say what he wants.
REQUEST_TIMEOUT_S = 5
POLL_S = 0.5
FAREWELL = b"You are logged in. This page can be closed.\n"


def register(app: typer.Typer) -> None:
    """Adds the command to the main program."""
    app.command("login")(log_in)


@told
def log_in(
    ctx: typer.Context,
    idp: Annotated[
        str, typer.Option("--idp", help="Id of the identity provider, if there are several.")
    ] = "",
    save: Annotated[
        Path | None, typer.Option("--save", help="File for the token (mode 0600); else it is printed.")
    ] = None,
    paste: Annotated[
        bool, typer.Option("--paste", help="The browser is on another machine: give back its last address.")
    ] = False,
) -> None:
    """Log in with an account at an identity provider; gives a token that is good for some hours.

    A browser opens, and comes back to this command. With --paste open the address shown in any browser; it
    ends at an address that begins with http://127.0.0.1 and can't be reached: paste that address here.

    Example: isthmus login --save token.txt && isthmus --token-file token.txt ls
    """
    run = context(ctx)
    verifier = secrets.token_urlsafe(48)
    with run.zone_http("") as zone, _listening() as waiting:
        url = _begin_url(run.settings.zone_url(), _chosen(zone, idp), waiting.port, verifier)
        run.output.warn(f"log in at {url}")
        code = _pasted() if paste else _brought(waiting, url)
        body = {"code": code, "codeVerifier": verifier}
        got = json_object(zone.request("POST", f"{API}/login/redeem", body=body))
    shown = {"user_id": got["userId"], "valid_until": got["validUntil"]}
    if save is None:
        run.output.record({**shown, "token": got["token"]})
        return
    if save.exists():
        save.chmod(OWNER_ONLY)  # or the token would be as readable as what was there
    write_secret(save, f"{got['token']}\n".encode())
    run.output.record({**shown, "token_file": str(save)})


def _chosen(zone: HttpApi, wanted: str) -> str:
    """The identity provider to use. Raises ClientError that names those there are."""
    known = json_object(zone.request("GET", f"{API}/configuration"))["supportedIdPs"]
    ids = [str(each["id"]) for each in known]
    if not ids:
        raise ClientError("the zone knows no identity provider; log in with a token or a password")
    if wanted in ids or (not wanted and len(ids) == 1):
        return wanted or ids[0]
    raise ClientError(f"choose an identity provider with --idp: {', '.join(ids)}")


def _begin_url(zone_url: str, idp: str, port: int, verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    query = urlencode({"loopbackPort": port, "codeChallenge": challenge})
    return f"{zone_url.rstrip('/')}{API}/login/{quote(idp)}?{query}"


def _code_in(address: str) -> str:
    """Empty where there is none."""
    return parse_qs(urlsplit(address.strip()).query).get("code", [""])[0]


def _pasted() -> str:
    code = _code_in(typer.prompt("Address where the browser ended", err=True))
    if not code:
        raise ClientError("that address holds no code; it ends with ?code=...")
    return code


@dataclass(slots=True)
class _Waiting:
    """A server for the one request by which the browser brings the code."""

    server: HTTPServer
    code: str = ""

    @property
    def port(self) -> int:
        return self.server.server_port


@contextmanager
def _listening() -> Iterator[_Waiting]:
    """On a free port of this machine only."""

    class Visit(BaseHTTPRequestHandler):
        timeout = REQUEST_TIMEOUT_S

        def do_GET(self) -> None:
            waiting.code = waiting.code or _code_in(self.path)
            # A browser asks for an icon, too; only the address with the code is ours.
            self.send_response(200 if _code_in(self.path) else 404)
            self.send_header("content-type", "text/plain")
            self.send_header("content-length", str(len(FAREWELL)))
            self.end_headers()
            self.wfile.write(FAREWELL)

        def log_message(self, *_words: object) -> None:
            """The code is a secret, and would be in it."""

    with HTTPServer(("127.0.0.1", 0), Visit) as server:
        server.timeout = POLL_S
        waiting = _Waiting(server)
        yield waiting


def _brought(waiting: _Waiting, url: str) -> str:
    """The code that the browser brings. Raises ClientError when it does not come."""
    webbrowser.open(url)
    deadline = time.monotonic() + LOGIN_TIMEOUT_S
    while not waiting.code:
        if time.monotonic() > deadline:
            raise ClientError("nobody logged in; if the browser is on another machine, use --paste")
        waiting.server.handle_request()
    return waiting.code
