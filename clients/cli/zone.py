"""Commands on users, spaces and tokens of the zone."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from clients.cli.context import context, told
from clients.cli.settings import read_secret
from clients.cli.things import Yes, add_common_commands

users = typer.Typer(help="Users of the zone. Needs the administrator's password, or a token that may.")
spaces = typer.Typer(help="Your spaces, their members and supports.")
groups = typer.Typer(help="Your groups: users and other groups together, who get what the group is given.")

Name = Annotated[str, typer.Argument(metavar="NAME")]
UserName = Annotated[str, typer.Argument(metavar="USER", help="User name, or id.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", help="File with the password; without it you are asked.", exists=True),
]


add_common_commands(groups, "groups")
add_common_commands(spaces, "spaces")


def register(app: typer.Typer) -> None:
    """Adds the groups of commands to the main program."""
    app.add_typer(users, name="user")
    app.add_typer(spaces, name="space")
    app.add_typer(groups, name="group")


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
    password = _password(password_file)
    with run.zone(admin=True) as zone:
        user_id = zone.create_user(name, password, full_name=full_name)
    run.output.record({"user_id": user_id, "username": name})


def _password(file: Path | None) -> str:
    if file:
        return read_secret(file)
    asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return asked


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


@users.command("show")
@told
def show_user(
    ctx: typer.Context,
    user: Annotated[str, typer.Argument(metavar="USER", help="User name or id; yourself if left out.")] = "",
) -> None:
    """Show a user, with the privileges over the zone.

    Example: isthmus user show anna
    """
    run = context(ctx)
    with run.zone(admin=bool(user)) as zone:
        user_id = zone.find_user(user) if user else zone.current_user().user_id
        found = zone.user(user_id) if user else zone.current_user()
        privileges = zone.admin_privileges(user_id, grant=[], revoke=[])
    run.output.record({**asdict(found), "privileges": privileges})


@users.command("block")
@told
def block_user(
    ctx: typer.Context,
    user: UserName,
    undo: Annotated[bool, typer.Option("--undo", help="Let the user in again.")] = False,
) -> None:
    """Shut a user out within seconds, everywhere; nothing of his is removed.

    Example: isthmus user block anna
    """
    run = context(ctx)
    with run.zone(admin=True) as zone:
        user_id = zone.find_user(user)
        zone.set_blocked(user_id, blocked=not undo)
    run.output.record({"user_id": user_id, "blocked": not undo})


@users.command("password")
@told
def set_password(ctx: typer.Context, user: UserName, password_file: PasswordFile = None) -> None:
    """Give a user a new password, e.g. when the old one is known to others.

    Example: isthmus user password anna
    """
    run = context(ctx)
    password = _password(password_file)
    with run.zone(admin=True) as zone:
        user_id = zone.find_user(user)
        zone.set_password(user_id, password)
    run.output.record({"user_id": user_id, "password": "changed"})


@users.command("privileges")
@told
def change_admin_privileges(
    ctx: typer.Context,
    user: UserName,
    grant: Annotated[list[str] | None, typer.Option("--grant", help="May be repeated.")] = None,
    revoke: Annotated[list[str] | None, typer.Option("--revoke", help="May be repeated.")] = None,
) -> None:
    """Show the privileges of a user over the whole zone, or give and take some.

    Example: isthmus user privileges anna --grant oz_users_list --grant oz_users_view
    """
    run = context(ctx)
    with run.zone(admin=True) as zone:
        user_id = zone.find_user(user)
        left = zone.admin_privileges(user_id, grant=grant or [], revoke=revoke or [])
    run.output.rows(("privilege",), [{"privilege": each} for each in left])


@users.command("delete")
@told
def delete_user(ctx: typer.Context, user: UserName, yes: Yes = False) -> None:
    """Delete a user with all memberships and tokens. Files stay; spaces without owner get another.

    Example: isthmus user delete anna
    """
    run = context(ctx)
    with run.zone(admin=True) as zone:
        user_id = zone.find_user(user)
        if not yes:
            typer.confirm(f"Delete user {user} ({user_id})?", abort=True, err=True)
        zone.delete_user(user_id)
    run.output.record({"user_id": user_id, "deleted": True})


@groups.command("create")
@told
def create_group(
    ctx: typer.Context,
    name: Name,
    type: Annotated[str, typer.Option("--type", help="organization, unit, team or role_holders.")] = "team",
) -> None:
    """Make a group; you are its first member, with all privileges.

    Next: `isthmus group invite` for users, `isthmus space invite --for-group` to open a space to it.

    Example: isthmus group create physics --type unit
    """
    run = context(ctx)
    with run.zone() as zone:
        group_id = zone.things("groups").create(name, type=type)
    run.output.record({"group_id": group_id, "name": name})


@groups.command("list")
@told
def list_groups(ctx: typer.Context) -> None:
    """List your groups, also those you are in through others.

    Example: isthmus group list
    """
    run = context(ctx)
    with run.zone() as zone:
        rows = [
            {"name": each["name"], "type": each["type"], "group_id": each["groupId"]}
            for each in zone.things("groups").all()
        ]
    run.output.rows(("name", "type", "group_id"), rows)


@spaces.command("create")
@told
def create_space(
    ctx: typer.Context,
    name: Name,
    of_group: Annotated[str, typer.Option("--group", help="Make it a space of this group of yours.")] = "",
) -> None:
    """Make a space that you own.

    A provider has to support it before files can be stored: see `isthmus space support`.

    Example: isthmus space create measurements
    """
    run = context(ctx)
    with run.zone() as zone:
        group_id = zone.things("groups").find(of_group) if of_group else ""
        space_id = zone.things("spaces").create(name, of_group=group_id)
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
