"""Commands on users, spaces and tokens of the zone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from clients.cli.context import context, told
from clients.cli.operator import operator
from clients.cli.settings import read_secret
from clients.http_api import ClientError
from clients.zone_rest import ZoneClient

users = typer.Typer(help="Users of the zone. Needs the administrator's password, or a token that may.")
spaces = typer.Typer(help="Your spaces.")
tokens = typer.Typer(help="Your access tokens.")

Name = Annotated[str, typer.Argument(metavar="NAME")]
PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", help="File with the password; without it you are asked.", exists=True),
]


def register(app: typer.Typer) -> None:
    """Adds the groups of commands to the main program."""
    app.add_typer(users, name="user")
    app.add_typer(spaces, name="space")
    app.add_typer(tokens, name="token")


@users.command("create")
@told
def create_user(
    ctx: typer.Context,
    name: Name,
    full_name: Annotated[str, typer.Option("--full-name", help="Name for people.")] = "",
    password_file: PasswordFile = None,
) -> None:
    """Make a user who logs in with a password.

    Example: isthmus user create anna --full-name "Anna Nowak" --password-file anna.txt
    """
    run = context(ctx)
    if password_file:
        password = read_secret(password_file)
    else:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    with run.zone(admin=True) as zone:
        user_id = zone.create_user(name, password, full_name=full_name)
    run.output.record({"user_id": user_id, "username": name})


@users.command("list")
@told
def list_users(ctx: typer.Context) -> None:
    """List all users.

    Example: isthmus user list
    """
    run = context(ctx)
    with run.zone(admin=True) as zone:
        rows = [
            {"username": user.username, "full_name": user.full_name, "user_id": user.user_id}
            for user in zone.users()
        ]
    run.output.rows(("username", "full_name", "user_id"), rows)


@spaces.command("create")
@told
def create_space(ctx: typer.Context, name: Name) -> None:
    """Make a space that you own.

    A provider has to support it before files can be stored: see `isthmus space support`.

    Example: isthmus space create measurements
    """
    run = context(ctx)
    with run.zone() as zone:
        space_id = zone.create_space(name)
    run.output.record({"space_id": space_id, "name": name})


@spaces.command("list")
@told
def list_spaces(ctx: typer.Context) -> None:
    """List your spaces and how much providers promised them.

    Example: isthmus --json space list
    """
    run = context(ctx)
    with run.zone() as zone:
        rows = [
            {"name": space.name, "space_id": space.space_id, "providers": space.providers}
            for space in sorted(zone.spaces(), key=lambda space: space.name)
        ]
    run.output.rows(("name", "space_id", "providers"), rows)


@spaces.command("support")
@told
def support_space(
    ctx: typer.Context,
    space: Annotated[str, typer.Argument(metavar="SPACE", help="Name or id of the space.")],
    storage: Annotated[
        str, typer.Argument(metavar="STORAGE", help="Name or id of a storage of the provider.")
    ],
    size: Annotated[str, typer.Option("--size", help="How much it may hold: 500G, 1.5T, or bytes.")] = "10G",
) -> None:
    """Let a storage of this provider hold the data of a space.

    Needs a token that may add supports to the space, and the operator's token of the provider.

    Example: isthmus space support measurements disk1 --size 500G
    """
    run = context(ctx)
    size_bytes = parse_size(size)
    with run.zone() as zone, operator(run.settings) as provider:
        space_id = _find_space(zone, space)
        storage_id = provider.find_storage(storage)
        provider.support_space(storage_id, zone.support_token(space_id), size_bytes)
    run.output.record({"space_id": space_id, "storage_id": storage_id, "size_bytes": size_bytes})


def _find_space(zone: ZoneClient, wanted: str) -> str:
    found = [space.space_id for space in zone.spaces() if wanted in (space.space_id, space.name)]
    if len(found) != 1:
        raise ClientError(f"you have {'no space' if not found else 'several spaces'} called {wanted}")
    return found[0]


def parse_size(text: str) -> int:
    """Bytes of `500G`, `1.5T`, `64MiB` or `1000000`; units are powers of 1024."""
    digits = text.strip().upper().removesuffix("IB").removesuffix("B")
    power = "KMGTP".find(digits[-1:]) + 1 if digits[-1:] else 0
    try:
        return int(float(digits[:-1] if power else digits) * 1024**power)
    except ValueError as error:
        raise ClientError(f"{text!r} is no size: write 500G or 1000000") from error


@tokens.command("create")
@told
def create_token(
    ctx: typer.Context,
    name: Name,
    readonly: Annotated[bool, typer.Option("--readonly", help="Reading only.")] = False,
    hours: Annotated[float, typer.Option("--hours", min=0, help="Valid for so long; 0 is for ever.")] = 0,
) -> None:
    """Make an access token of yours; the token is printed once.

    Example: isthmus token create laptop --readonly --hours 24
    """
    run = context(ctx)
    caveats: list[dict[str, Any]] = []
    if readonly:
        caveats.append({"type": "data.readonly"})
    if hours:
        caveats.append({"type": "time", "validUntil": int(time.time() + hours * 3600)})
    with run.zone() as zone:
        token_id, token = zone.create_token(name, caveats=caveats)
    run.output.record({"token_id": token_id, "token": token})


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
