"""Commands on what spaces use of this provider: shown, and counted again."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from isthmus.metadata.v1 import spaces_pb2

from clients.cli.context import context, told
from clients.cli.operator import Operator, operator
from clients.cli.output import size_text

SpaceIds = Annotated[
    list[str] | None,
    typer.Argument(metavar="SPACE_ID...", help="Ids of spaces; without any, all this provider supports."),
]


def register(spaces: typer.Typer) -> None:
    """Adds the commands to those on spaces."""
    spaces.command("usage")(told(show_usage))
    spaces.command("recount")(told(recount))


def show_usage(ctx: typer.Context, space_ids: SpaceIds = None) -> None:
    """Show quota and usage of spaces at this provider. Needs the operator's token.

    Example: isthmus space usage
    """
    run = context(ctx)
    with operator(run.settings) as provider:
        rows = [_usage_json(provider.space_usage(space_id)) for space_id in _wanted(provider, space_ids)]
    run.output.rows(("space_id", "quota", "used", "free"), rows)


def recount(ctx: typer.Context, space_ids: SpaceIds = None) -> None:
    """Count the used bytes of spaces again and correct the counters. Needs the operator's token.

    Tells what each counter was off by. Uploads under way are told as unsettled; when it matters, count again
    once they are done.

    Example: isthmus space recount
    """
    run = context(ctx)
    rows = []
    with operator(run.settings) as provider:
        for space_id in _wanted(provider, space_ids):
            counted = provider.recount_space(space_id)
            rows.append(
                {
                    **_usage_json(counted.usage),
                    "corrected_bytes": counted.corrected_bytes,
                    "unsettled_bytes": counted.unsettled_bytes,
                }
            )
    run.output.rows(("space_id", "quota", "used", "corrected_bytes", "unsettled_bytes"), rows)


def _wanted(provider: Operator, space_ids: list[str] | None) -> list[str]:
    return space_ids or list(provider.supported_spaces())


def _usage_json(usage: spaces_pb2.SpaceUsage) -> dict[str, Any]:
    free_bytes = max(0, usage.quota_bytes - usage.used_bytes - usage.leased_bytes)
    return {
        "space_id": usage.space_id,
        "quota": size_text(usage.quota_bytes),
        "used": size_text(usage.used_bytes),
        "free": size_text(free_bytes),
        "quota_bytes": usage.quota_bytes,
        "used_bytes": usage.used_bytes,
        "leased_bytes": usage.leased_bytes,
        "free_bytes": free_bytes,
    }
