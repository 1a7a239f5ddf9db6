"""Commands for operators: status of the cluster, storages."""

from __future__ import annotations

import math
import time
from typing import Annotated, Any

import typer
from isthmus.cluster_manager.v1 import cluster_pb2
from isthmus.storage_router.v1 import storages_pb2

from clients.cli.context import context, told
from clients.cli.operator import Operator, operator
from clients.cli.output import Exit, Output, size_text
from clients.http_api import ClientError
from clients.qos import qos_from_proto

storages = typer.Typer(help="Storages of the provider. Needs the operator's token.")

HEALTH = {
    cluster_pb2.MEMBER_HEALTH_PASSING: "passing",
    cluster_pb2.MEMBER_HEALTH_WARNING: "warning",
    cluster_pb2.MEMBER_HEALTH_CRITICAL: "critical",
}
STORAGE_HEALTH = {
    storages_pb2.STORAGE_HEALTH_OK: "ok",
    storages_pb2.STORAGE_HEALTH_READ_ONLY: "read-only",
    storages_pb2.STORAGE_HEALTH_UNREACHABLE: "unreachable",
}
STALE_CATALOG_MS = 90_000

Qos = Annotated[
    list[str] | None,
    typer.Option(
        "--qos", metavar="KEY=VALUE", help="What QoS knows of it; again for more. All are replaced."
    ),
]


def register(app: typer.Typer) -> None:
    """Adds the commands to the main program."""
    app.command()(told(status))
    app.add_typer(storages, name="storage")


def status(ctx: typer.Context) -> None:
    """Show what runs, how it is, who leads which duty, and the storages.

    Exit code 1 when a member or a storage is not well.

    Example: isthmus status
    """
    run = context(ctx)
    with operator(run.settings) as provider:
        cluster = provider.status()
        shown = [_storage_json(storage) for storage in provider.storages()]
    members = [_member_json(member) for member in cluster.members]
    leaders = [_leader_json(leader) for leader in cluster.leaders]
    well = all(member["health"] == "passing" for member in members) and all(
        storage["health"] in ("ok", "unknown")  # unknown: added a moment ago, not tried yet
        for storage in shown
    )
    if run.output.as_json:
        run.output.record(
            {
                "provider_id": cluster.provider_id,
                "version": cluster.version,
                "well": well,
                "catalog_age_ms": cluster.catalog_age_ms,
                "members": members,
                "leaders": leaders,
                "storages": shown,
            }
        )
    else:
        _print_status(run.output, cluster, members, leaders, shown)
    if not well:
        raise typer.Exit(Exit.FAILED)


def _print_status(
    output: Output,
    cluster: cluster_pb2.GetClusterStatusResponse,
    members: list[dict[str, Any]],
    leaders: list[dict[str, Any]],
    shown: list[dict[str, Any]],
) -> None:
    output.line(f"provider {cluster.provider_id}, version {cluster.version}")
    if cluster.catalog_age_ms > STALE_CATALOG_MS:
        output.warn(f"Consul has not answered for {cluster.catalog_age_ms // 1000} s: this is an old view")
    output.line("")
    output.rows(("service", "instance", "health", "version", "address", "pid", "up", "detail"), members)
    output.line("")
    output.rows(("duty", "instance", "fencing_token"), leaders)
    output.line("")
    output.rows(("storage", "driver", "health", "free", "total", "detail"), shown)


def _member_json(member: cluster_pb2.Member) -> dict[str, Any]:
    up_s = max(0, int(time.time() - member.started_at_ms / 1000)) if member.started_at_ms else 0
    return {
        "service": member.service,
        "instance": member.instance_id,
        "health": HEALTH.get(member.health, "unknown"),
        "version": member.version,
        "address": member.address,
        "pid": member.pid,
        "up": f"{up_s // 3600}:{up_s // 60 % 60:02}:{up_s % 60:02}",
        "started_at_ms": member.started_at_ms,
        "detail": "" if member.health == cluster_pb2.MEMBER_HEALTH_PASSING else member.health_detail,
    }


def _leader_json(leader: cluster_pb2.Leader) -> dict[str, Any]:
    return {"duty": leader.duty, "instance": leader.instance_id, "fencing_token": leader.fencing_token}


def _storage_json(storage: storages_pb2.Storage) -> dict[str, Any]:
    return {
        "storage": storage.name,
        "storage_id": storage.storage_id,
        "driver": storage.driver,
        "parameters": dict(storage.parameters),
        "health": STORAGE_HEALTH.get(storage.health, "unknown"),
        "detail": storage.health_detail,
        "imported": storage.imported,
        "readonly": storage.readonly,
        "qos": qos_from_proto(storage.qos_parameters),
        "free": size_text(storage.free_bytes),
        "total": size_text(storage.total_bytes),
        "free_bytes": storage.free_bytes,
        "total_bytes": storage.total_bytes,
    }


@storages.command("create")
@told
def create_storage(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    parameters: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE...", help="Parameters of the driver.")
    ] = None,
    driver: Annotated[str, typer.Option("--driver", help="Kind of storage.")] = "posix",
    imported: Annotated[
        bool, typer.Option("--imported", help="It holds files of others, which may be registered.")
    ] = False,
    readonly: Annotated[
        bool, typer.Option("--readonly", help="Never write to it. Only together with --imported.")
    ] = False,
    qos: Qos = None,
) -> None:
    """Add a storage. It is written to and read back before it is accepted, unless it is read-only.

    Example: isthmus storage create disk1 mount_point=/srv/disk1
    Example: isthmus storage create archive mount_point=/srv/archive --imported
    """
    run = context(ctx)
    with operator(run.settings) as provider:
        storage = provider.create_storage(
            name,
            driver,
            _parameters(parameters or []),
            imported=imported,
            readonly=readonly,
            qos_parameters=_qos(qos or []),
        )
    run.output.record(_storage_json(storage))


@storages.command("change")
@told
def change_storage(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="STORAGE", help="Name or id of the storage.")],
    new_name: Annotated[str | None, typer.Option("--name", help="Another name.")] = None,
    qos: Qos = None,
    no_qos: Annotated[bool, typer.Option("--no-qos", help="No QoS parameters any more.")] = False,
    imported: Annotated[
        bool | None,
        typer.Option(
            "--imported/--not-imported",
            help="Whether it holds files of others. Only while it supports no space.",
        ),
    ] = None,
    readonly: Annotated[
        bool | None,
        typer.Option("--readonly/--writable", help="Write to it no more, or again. Only an imported one."),
    ] = None,
) -> None:
    """Change a storage: its name, what QoS knows of it, whether it is imported or read-only.

    What is not given stays. The zone is told.

    Example: isthmus storage change archive --readonly
    Example: isthmus storage change disk1 --qos geo=PL --qos speed=3
    """
    run = context(ctx)
    if qos and no_qos:
        raise typer.BadParameter("--qos and --no-qos exclude each other")
    with operator(run.settings) as provider:
        storage = provider.update_storage(
            provider.find_storage(name),
            name=new_name,
            imported=imported,
            readonly=readonly,
            qos_parameters=_qos(qos or []) if qos or no_qos else None,
        )
    run.output.record(_storage_json(storage))


def _qos(words: list[str]) -> dict[str, str | float]:
    """What looks like a number is one."""
    found: dict[str, str | float] = {}
    for key, value in _parameters(words).items():
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        found[key] = number if math.isfinite(number) else value
    return found


def _parameters(words: list[str]) -> dict[str, str]:
    found = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise ClientError(f"{word!r} is no KEY=VALUE")
        found[key] = value
    return found


@storages.command("list")
@told
def list_storages(ctx: typer.Context) -> None:
    """List the storages of the provider.

    Example: isthmus storage list
    """
    run = context(ctx)
    with operator(run.settings) as provider:
        run.output.rows(("storage", "driver", "health", "free", "total", "storage_id"), _all(provider))


@storages.command("delete")
@told
def delete_storage(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="STORAGE", help="Name or id of the storage.")],
) -> None:
    """Forget a storage that supports no space. Its data stays where it is.

    Example: isthmus storage delete disk1
    """
    run = context(ctx)
    with operator(run.settings) as provider:
        storage_id = provider.find_storage(name)
        provider.delete_storage(storage_id)
    if run.output.as_json:
        run.output.record({"storage_id": storage_id})


def _all(provider: Operator) -> list[dict[str, Any]]:
    return [_storage_json(storage) for storage in provider.storages()]
