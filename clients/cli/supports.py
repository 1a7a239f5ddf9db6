"""Commands on what this provider promises to spaces: begin, resize, list and end supports."""

from __future__ import annotations

from typing import Annotated

import typer

from clients.cli.context import context, told
from clients.cli.operator import operator
from clients.cli.output import size_text
from clients.cli.things import Yes
from clients.http_api import ClientError

Space = Annotated[str, typer.Argument(metavar="SPACE", help="Name or id of the space.")]
Size = Annotated[str, typer.Option("--size", help="How much it may hold: 500G, 1.5T, or bytes.")]


def register(spaces: typer.Typer) -> None:
    """Adds the commands to those on spaces."""
    spaces.command("support")(told(support_space))
    spaces.command("supports")(told(list_supports))
    spaces.command("resize")(told(resize_support))
    spaces.command("revoke")(told(revoke_support))


def support_space(
    ctx: typer.Context,
    space: Space,
    storage: Annotated[
        str, typer.Argument(metavar="STORAGE", help="Name or id of a storage of the provider.")
    ],
    size: Size = "10G",
) -> None:
    """Let a storage of this provider hold the data of a space.

    Needs a token that may add supports to the space, and the operator's token of the provider.

    Example: isthmus space support measurements disk1 --size 500G
    """
    run = context(ctx)
    size_bytes = parse_size(size)
    with run.zone() as zone, operator(run.settings) as provider:
        space_id = zone.things("spaces").find(space)
        storage_id = provider.find_storage(storage)
        provider.support_space(storage_id, zone.support_token(space_id), size_bytes)
    run.output.record({"space_id": space_id, "storage_id": storage_id, "size_bytes": size_bytes})


def list_supports(ctx: typer.Context) -> None:
    """List the spaces this provider supports. Needs the operator's token.

    Example: isthmus space supports
    """
    run = context(ctx)
    with operator(run.settings) as provider:
        names = {storage.storage_id: storage.name for storage in provider.storages()}
        rows = [
            {
                "name": each.space_name,
                "storage": names.get(each.storage_id, each.storage_id),
                "size": size_text(each.size_bytes),
                "size_bytes": each.size_bytes,
                "space_id": each.space_id,
            }
            for each in provider.supports()
        ]
    run.output.rows(("name", "storage", "size", "space_id"), rows)


def resize_support(ctx: typer.Context, space: Space, size: Size) -> None:
    """Change how much of a space this provider supports: more, or less, but not less than is used.

    Needs the operator's token.

    Example: isthmus space resize measurements --size 2T
    """
    run = context(ctx)
    with operator(run.settings) as provider:
        support = provider.resize_support(provider.find_supported_space(space), parse_size(size))
    run.output.record({"space_id": support.space_id, "size_bytes": support.size_bytes})


def revoke_support(ctx: typer.Context, space: Space, yes: Yes = False) -> None:
    """End this provider's support of a space: nobody reads or writes it here any more.

    No data is removed: it is there again when the provider supports the space anew. Needs the operator's
    token.

    Example: isthmus space revoke measurements
    """
    run = context(ctx)
    with operator(run.settings) as provider:
        space_id = provider.find_supported_space(space)
        if not yes:
            typer.confirm(f"End the support of space {space} ({space_id})?", abort=True, err=True)
        provider.revoke_support(space_id)
    run.output.record({"space_id": space_id, "supported": False})


def parse_size(text: str) -> int:
    """Bytes of `500G`, `1.5T`, `64MiB` or `1000000`; units are powers of 1024."""
    digits = text.strip().upper().removesuffix("IB").removesuffix("B")
    power = "KMGTP".find(digits[-1:]) + 1 if digits[-1:] else 0
    try:
        return int(float(digits[:-1] if power else digits) * 1024**power)
    except ValueError as error:
        raise ClientError(f"{text!r} is no size: write 500G or 1000000") from error
