"""Commands for who runs a zone: its providers, and who changed what."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from clients.cli.context import context, told
from clients.cli.things import AsAdmin, Yes

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


@told
def show_audit(
    ctx: typer.Context,
    who: Annotated[str, typer.Option("--who", help="Only by this subject: usr-ID or prv-ID.")] = "",
    about: Annotated[str, typer.Option("--about", help="Only about the thing with this id.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="So many, the latest first.")] = 50,
) -> None:
    """Show who changed what in the zone, when, and from where. For administrators.

    `done` is no for a change whose outcome is not known.

    Example: isthmus audit --about SPACE_ID --limit 20
    """
    run = context(ctx)
    with run.zone(admin=True) as zone:
        rows = [
            {**each, "time": datetime.fromtimestamp(each["time"], UTC).isoformat(timespec="seconds")}
            for each in zone.audit(who=who, about=about, limit=limit)
        ]
    run.output.rows(("time", "who", "from", "action", "about", "details", "done"), rows)
