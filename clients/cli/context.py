"""What every command is given: settings and output; and how errors become one line and an exit code."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Concatenate, ParamSpec

import typer

from clients.cli.output import Exit, Output
from clients.cli.settings import Settings
from clients.http_api import ClientError, HttpApi
from clients.rest import ProviderClient
from clients.zone_rest import ZoneClient

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Context:
    """One run of the command."""

    settings: Settings
    output: Output

    def provider(self) -> ProviderClient:
        """The provider, as the owner of the token."""
        settings = self.settings
        if not settings.token:
            raise ClientError("no token: set ISTHMUS_TOKEN, or give --token-file or --env-file")
        return ProviderClient(settings.provider_url(), settings.token, ca_file=settings.ca_file)

    def zone(self, *, admin: bool = False) -> ZoneClient:
        """The zone, as the owner of the token; with `admin` as its administrator if we know the password."""
        settings = self.settings
        if admin and settings.admin_password:
            basic = (settings.admin_user, settings.admin_password)
            return ZoneClient(settings.zone_url(), basic=basic, ca_file=settings.ca_file)
        if not settings.token:
            raise ClientError("no token: set ISTHMUS_TOKEN, or give --token-file or --env-file")
        return ZoneClient(settings.zone_url(), token=settings.token, ca_file=settings.ca_file)

    def zone_http(self, token: str) -> HttpApi:
        """The zone, as the owner of another token."""
        settings = self.settings
        return HttpApi(settings.zone_url(), token=token, ca_file=settings.ca_file)


def context(ctx: typer.Context) -> Context:
    """The `Context` the main callback made."""
    found = ctx.find_object(Context)
    if found is None:  # typer always runs the callback first
        raise RuntimeError("a command ran without its context")
    return found


def told(
    command: Callable[Concatenate[typer.Context, P], None],
) -> Callable[Concatenate[typer.Context, P], None]:
    """A command whose errors are told in one line, with the exit code they mean."""

    @functools.wraps(command)
    def run(ctx: typer.Context, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(ctx, *args, **kwargs)
        except (ClientError, OSError) as error:
            raise typer.Exit(context(ctx).output.failure(error)) from error
        except KeyboardInterrupt:
            context(ctx).output.warn("interrupted; run the same command again to go on")
            raise typer.Exit(Exit.FAILED) from None

    return run  # type: ignore[return-value]  # typer passes it by name, mypy asks for either way
