"""Commands on what spaces use of this provider, and what it counts of them."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from isthmus.metadata.v1 import dir_stats_pb2, spaces_pb2

from clients.cli.context import context, told
from clients.cli.operator import Operator, operator
from clients.cli.output import size_text
from clients.http_api import ClientError

#: How long a switch may take until it is seen at the provider, and how often it is looked.
SWITCH_WAIT_S, SWITCH_LOOK_S = 15.0, 0.2
ON = ("initializing", "enabled")

SpaceIds = Annotated[
    list[str] | None,
    typer.Argument(metavar="SPACE_ID...", help="Ids of spaces; without any, all this provider supports."),
]


def register(spaces: typer.Typer) -> None:
    """Adds the commands to those on spaces."""
    spaces.command("usage")(told(show_usage))
    spaces.command("recount")(told(recount))
    spaces.command("dir-stats")(told(dir_stats))


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


def dir_stats(
    ctx: typer.Context,
    space_ids: SpaceIds = None,
    enable: Annotated[
        bool | None,
        typer.Option("--enable/--disable", help="Begin to collect, or stop and forget what was collected."),
    ] = None,
) -> None:
    """Show whether statistics of directories are collected, or switch that. Needs the operator's token.

    The zone is told, and shows it as `dirStatsServiceEnabled` of the space.
    `initializing`: what is there is being counted, and nothing is told yet. `stopping`: what was collected is
    being forgotten.

    Example: isthmus space dir-stats --enable SPACE_ID
    """
    run = context(ctx)
    if enable is not None and not space_ids:
        raise ClientError("say which spaces: all of them are never switched at once")
    with operator(run.settings) as provider:
        wanted = _wanted(provider, space_ids)
        for space_id in wanted if enable is not None else ():
            provider.switch_dir_stats(space_id, enabled=bool(enable))
        rows = [
            {"space_id": space_id, "dir_stats": _state(provider, space_id, enable)} for space_id in wanted
        ]
    run.output.rows(("space_id", "dir_stats"), rows)


def _state(provider: Operator, space_id: str, enable: bool | None) -> str:
    """How far it is; after a switch, once that is seen, or as it is after some seconds."""
    give_up_s = time.monotonic() + SWITCH_WAIT_S
    while True:
        name = dir_stats_pb2.DirStatsState.Name(provider.dir_stats_state(space_id))
        state = name.removeprefix("DIR_STATS_STATE_").lower()
        if enable is None or (state in ON) == enable or time.monotonic() > give_up_s:
            return state
        time.sleep(SWITCH_LOOK_S)


def _wanted(provider: Operator, space_ids: list[str] | None) -> list[str]:
    return space_ids or [support.space_id for support in provider.supports()]


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
