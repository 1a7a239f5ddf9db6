"""Commands for who runs a zone: its providers, and who changed what."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from clients.cli.context import context, told
from clients.cli.things import AsAdmin, Yes
from clients.root_token import RootToken

#: Services look for a new file each second; calls with the old token under way end after five.
ROTATION_WAIT_S = 10.0

providers = typer.Typer(help="Providers of the zone.")


def register(app: typer.Typer) -> None:
    """Adds the commands to the main program."""
    app.add_typer(providers, name="provider")
    app.command("audit")(show_audit)


@providers.command("list")
@told
def list_providers(ctx: typer.Context, admin: AsAdmin = False) -> None:
    """List the providers of your spaces; as administrator all.

    Example: isthmus provider list --admin
    """
    run = context(ctx)
    with run.zone(admin=admin) as zone:
        rows = [
            {
                "name": each["name"],
                "domain": each["domain"],
                "online": each["online"],
                "provider_id": each["providerId"],
            }
            for each in zone.providers()
        ]
    run.output.rows(("name", "domain", "online", "provider_id"), rows)


@providers.command("invite")
@told
def invite_provider(ctx: typer.Context, admin: AsAdmin = False) -> None:
    """Make a token with which a new provider can register; you become its administrator.

    Example: isthmus provider invite --admin
    """
    run = context(ctx)
    with run.zone(admin=admin) as zone:
        run.output.record({"token": zone.registration_token()})


@providers.command("delete")
@told
def delete_provider(
    ctx: typer.Context,
    provider_id: Annotated[str, typer.Argument(metavar="PROVIDER_ID")],
    yes: Yes = False,
    admin: AsAdmin = False,
) -> None:
    """End a provider's registration and all its supports. Its data stay where they are.

    Example: isthmus provider delete 4f6c... --admin
    """
    run = context(ctx)
    with run.zone(admin=admin) as zone:
        if not yes:
            typer.confirm(f"End the registration of provider {provider_id}?", abort=True, err=True)
        zone.delete_provider(provider_id)
    run.output.record({"provider_id": provider_id, "deleted": True})


@providers.command("rotate-token")
@told
def rotate_token(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Option("--provider-file", help="secrets/provider.json of the provider.", exists=True)
    ],
    wait_s: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds until the old token ends.")
    ] = ROTATION_WAIT_S,
    keep_old: Annotated[
        bool, typer.Option("--keep-old", help="Only make a new token and write the file.")
    ] = False,
    end_old: Annotated[
        bool, typer.Option("--end-old", help="Only end all tokens but the one in the file.")
    ] = False,
) -> None:
    """Replace a provider's root token. Nothing has to be stopped, and an interruption harms nothing.

    The file gets a new token in one step, services notice within a second, and after a while every other
    token of the provider ends. Where the file lies on several hosts: --keep-old on one of them, copy
    the file to the others, then --end-old.

    Example: isthmus provider rotate-token --provider-file .run/secrets/provider.json
    """
    run = context(ctx)
    if keep_old and end_old:
        raise typer.BadParameter("--keep-old and --end-old exclude each other")
    root = RootToken(file, run.zone_http)
    if not end_old:
        root.replace()
    if keep_old:
        run.output.record({"replaced": True, "ended_tokens": 0})
        return
    if not end_old:
        run.output.warn(f"the old token ends in {wait_s:g} s, once all services use the new one")
        time.sleep(wait_s)
    run.output.record({"replaced": not end_old, "ended_tokens": root.end_others()})


@told
def show_audit(
    ctx: typer.Context,
    who: Annotated[str, typer.Option("--who", help="Only by this subject: usr-ID or prv-ID.")] = "",
    about: Annotated[str, typer.Option("--about", help="Only about the thing with this id.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="So many, the latest first.")] = 50,
) -> None:
    """Show who changed what in the zone, when, and from where. For administrators.

    `done` is no for a change whose outcome is not known; `for` names the user for whom a provider made it.

    Example: isthmus audit --about SPACE_ID --limit 20
    """
    run = context(ctx)
    with run.zone(admin=True) as zone:
        rows = [
            {
                **each,
                "for": each["onBehalfOf"] or "",
                "time": datetime.fromtimestamp(each["time"], UTC).isoformat(timespec="seconds"),
            }
            for each in zone.audit(who=who, about=about, limit=limit)
        ]
    run.output.rows(("time", "who", "for", "from", "action", "about", "details", "done"), rows)
