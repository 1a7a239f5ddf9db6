"""Commands on who the owners of files on an imported storage are."""

from __future__ import annotations

from typing import Annotated

import typer

from clients.cli.context import context, told
from clients.cli.operator import operator

StorageName = Annotated[str, typer.Argument(metavar="STORAGE", help="Name or id of the storage.")]
#: The greatest number that means somebody.
MAX_UID = 2**32 - 2


def register(storages: typer.Typer) -> None:
    """Adds the commands to those on storages."""
    storages.command("users")(told(list_users))
    storages.command("map-user")(told(map_user))


def list_users(ctx: typer.Context, name: StorageName) -> None:
    """List whose files on a storage belong to which user once they are registered.

    Example: isthmus storage users archive
    """
    run = context(ctx)
    with operator(run.settings) as provider:
        users = provider.storage_users(provider.find_storage(name))
    run.output.rows(("uid", "user_id"), [{"uid": each.uid, "user_id": each.user_id} for each in users])


def map_user(
    ctx: typer.Context,
    name: StorageName,
    uid: Annotated[
        int, typer.Argument(metavar="UID", min=0, max=MAX_UID, help="Number of the owner on the storage.")
    ],
    user_id: Annotated[str, typer.Argument(metavar="[USER_ID]", help="The user; nobody if left out.")] = "",
) -> None:
    """Say to whom files of an owner belong once they are registered; for those registered from now on.

    Example: isthmus storage map-user archive 1001 USER_ID
    """
    run = context(ctx)
    with operator(run.settings) as provider:
        provider.map_storage_user(provider.find_storage(name), uid, user_id)
    run.output.record({"storage": name, "uid": uid, "user_id": user_id})
