"""Commands about access tokens: make, narrow, look into, end."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from clients.cli.context import Context, context, told
from clients.cli.settings import read_secret
from clients.http_api import ClientError

tokens = typer.Typer(help="Your access tokens.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the token, or id.")]
Readonly = Annotated[bool, typer.Option("--readonly", help="Reading only.")]
Hours = Annotated[float, typer.Option("--hours", min=0, help="Valid for so long; 0 is for ever.")]
Paths = Annotated[
    list[str] | None, typer.Option("--path", help="Only this: SPACE_ID or SPACE_ID/dir. May be repeated.")
]
Addresses = Annotated[
    list[str] | None, typer.Option("--ip", help="Only from here: 192.0.2.0/24. May be repeated.")
]
TokenFile = Annotated[
    Path | None, typer.Option("--from", help="File with the token; by default the one you use.", exists=True)
]


def register(app: typer.Typer) -> None:
    """Adds the commands to the main program."""
    app.add_typer(tokens, name="token")


@tokens.command("create")
@told
def create_token(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    readonly: Readonly = False,
    hours: Hours = 0,
    paths: Paths = None,
    addresses: Addresses = None,
) -> None:
    """Make an access token of yours; the token is printed once.

    Example: isthmus token create laptop --readonly --hours 24
    """
    run = context(ctx)
    caveats = _caveats(readonly, hours, paths or [], addresses or [])
    with run.zone() as zone:
        token_id, token = zone.create_token(name, caveats=caveats)
    run.output.record({"token_id": token_id, "token": token})


@tokens.command("confine")
@told
def confine_token(
    ctx: typer.Context,
    readonly: Readonly = False,
    hours: Hours = 0,
    paths: Paths = None,
    addresses: Addresses = None,
    file: TokenFile = None,
) -> None:
    """Make a narrower token of one you have, to hand it on. The old one stays as it is.

    What is narrowed can not be widened again; ending the old token ends the new one, too.

    Example: isthmus token confine --readonly --hours 1 --path SPACE_ID/public
    """
    run = context(ctx)
    caveats = _caveats(readonly, hours, paths or [], addresses or [])
    if not caveats:
        raise ClientError("say how to narrow it: --readonly, --hours, --path or --ip")
    with run.zone() as zone:
        run.output.record({"token": zone.confine(_given(run, file), caveats)})


@tokens.command("list")
@told
def list_tokens(ctx: typer.Context) -> None:
    """List your named tokens, without the tokens themselves.

    Example: isthmus token list
    """
    run = context(ctx)
    with run.zone() as zone:
        rows = [
            {"name": token.name, "type": token.kind, "revoked": token.revoked, "token_id": token.token_id}
            for token in zone.tokens()
        ]
    run.output.rows(("name", "type", "revoked", "token_id"), rows)


@tokens.command("show")
@told
def show_token(ctx: typer.Context, file: TokenFile = None) -> None:
    """Show what a token says, whether it is good, and which spaces it opens.

    Example: isthmus token show --from token.txt
    """
    run = context(ctx)
    with run.zone() as zone:
        token = _given(run, file)
        told_by_itself = zone.examine(token)
        scope = zone.scope(token)["dataAccessScope"] or {"spaces": {}, "providers": {}}
    spaces = [
        {"space": each["name"], "space_id": space_id, "providers": list(each["supports"])}
        for space_id, each in scope["spaces"].items()
    ]
    if run.output.as_json:
        run.output.record({**told_by_itself, "spaces": spaces})
        return
    run.output.record(told_by_itself)
    run.output.line("")
    run.output.rows(("space", "space_id", "providers"), spaces)


@tokens.command("revoke")
@told
def revoke_token(
    ctx: typer.Context,
    name: Name,
    undo: Annotated[bool, typer.Option("--undo", help="Make it good again.")] = False,
) -> None:
    """Make a token, and all that were made of it, good for nothing within seconds.

    Example: isthmus token revoke laptop
    """
    run = context(ctx)
    with run.zone() as zone:
        token_id = zone.find_token(name).token_id
        zone.set_revoked(token_id, revoked=not undo)
    run.output.record({"token_id": token_id, "revoked": not undo})


@tokens.command("delete")
@told
def delete_token(ctx: typer.Context, name: Name) -> None:
    """End a token for good.

    Example: isthmus token delete laptop
    """
    run = context(ctx)
    with run.zone() as zone:
        token_id = zone.find_token(name).token_id
        zone.delete_token(token_id)
    run.output.record({"token_id": token_id, "deleted": True})


@tokens.command("rotate")
@told
def rotate_secret(ctx: typer.Context) -> None:
    """Make a new secret for your temporary tokens: all there are, log-ins among them, end within seconds.

    Example: isthmus token rotate
    """
    run = context(ctx)
    with run.zone() as zone:
        zone.revoke_temporary_tokens()
    run.output.record({"temporary_tokens": "revoked"})


def _given(run: Context, file: Path | None) -> str:
    return read_secret(file) if file else run.settings.token


def _caveats(readonly: bool, hours: float, paths: list[str], addresses: list[str]) -> list[dict[str, Any]]:
    caveats: list[dict[str, Any]] = []
    if readonly:
        caveats.append({"type": "data.readonly"})
    if hours:
        caveats.append({"type": "time", "validUntil": int(time.time() + hours * 3600)})
    if paths:
        whitelist = [base64.b64encode(f"/{path.strip('/')}".encode()).decode() for path in paths]
        caveats.append({"type": "data.path", "whitelist": whitelist})
    if addresses:
        caveats.append({"type": "ip", "whitelist": addresses})
    return caveats
