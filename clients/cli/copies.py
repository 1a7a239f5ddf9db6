"""Commands for operators: copies that take long."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from isthmus.metadata.v1 import copies_pb2

from clients.cli.context import context, told
from clients.cli.operator import operator
from clients.cli.output import size_text

copies = typer.Typer(help="CDMI copies that take long. Needs the operator's token.")

STATES = {
    copies_pb2.COPY_STATE_COPYING: "copying",
    copies_pb2.COPY_STATE_PUBLISHED: "removing its source",
    copies_pb2.COPY_STATE_UNDOING: "being undone",
    copies_pb2.COPY_STATE_FAILED: "failed",
}


def register(app: typer.Typer) -> None:
    """Adds the commands to the main program."""
    app.add_typer(copies, name="copy")


@copies.command("list")
@told
def list_copies(ctx: typer.Context) -> None:
    """Show copies that go on, and those that failed within a day.

    Example: isthmus copy list
    """
    run = context(ctx)
    with operator(run.settings) as provider:
        shown = [_copy_json(copy) for copy in provider.copies()]
    if run.output.as_json:
        run.output.record({"copies": shown})
        return
    columns = ("copy_id", "state", "space_id", "name", "user_id", "copied", "total", "files", "age", "detail")
    run.output.rows(columns, shown)


@copies.command("stop")
@told
def stop_copy(ctx: typer.Context, copy_id: Annotated[str, typer.Argument(metavar="COPY_ID")]) -> None:
    """Give a copy up, taking away what was made, or forget that it failed.

    Example: isthmus copy stop 1f0c1e8a2b7d4c55a6a1b0c9d8e7f601
    """
    run = context(ctx)
    with operator(run.settings) as provider:
        provider.stop_copy(copy_id)
    run.output.record({"stopped": copy_id})


def _copy_json(copy: copies_pb2.Copy) -> dict[str, Any]:
    age_s = max(0, int(time.time() - copy.started_ms / 1000))
    progress = copy.progress
    return {
        "copy_id": copy.copy_id,
        "state": STATES.get(copy.state, "unknown"),
        "space_id": copy.space_id,
        "parent_id": copy.parent_id,
        "name": copy.name,
        "source_space_id": copy.source_space_id,
        "source_id": copy.source_id,
        "moves": copy.moves,
        "user_id": copy.user_id,
        "holder": copy.holder,
        "leases": copy.epoch,
        "copied": size_text(progress.copied_bytes),
        "total": size_text(progress.total_bytes) if progress.total_bytes else "",
        "files": f"{progress.copied_files}/{progress.total_files or '?'}",
        "copied_bytes": progress.copied_bytes,
        "total_bytes": progress.total_bytes,
        "age": f"{age_s // 3600}:{age_s // 60 % 60:02}:{age_s % 60:02}",
        "detail": copy.error_reason,
    }
