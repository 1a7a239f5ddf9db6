"""The commands that groups and spaces have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clients.cli.context import context, told
from clients.cli.settings import read_secret
from clients.http_api import ClientError
from clients.zone_things import MemberWord, Word

Thing = Annotated[str, typer.Argument(metavar="NAME", help="Name, or id.")]
MemberName = Annotated[str, typer.Argument(metavar="MEMBER", help="Name of a user or group, or id.")]
AsAdmin = Annotated[bool, typer.Option("--admin", help="Act as the zone's administrator.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def add_common_commands(app: typer.Typer, word: Word) -> None:
    """Adds them to `isthmus group` or `isthmus space`."""
    one = word[:-1]
    _add_own(app, word, one)
    _add_joining(app, word, one)
    _add_members(app, word, one)


def _add_own(app: typer.Typer, word: Word, one: str) -> None:
    @app.command("show", help=f"Show a {one} and its direct members.\n\nExample: isthmus {one} show NAME")
    @told
    def show(ctx: typer.Context, name: Thing, admin: AsAdmin = False) -> None:
        run = context(ctx)
        with run.zone(admin=admin) as zone:
            things = zone.things(word)
            thing_id = things.find(name)
            details, members = things.get(thing_id), things.members(thing_id)
        rows = [
            {"member": each.name, "kind": each.kind, "privileges": len(each.privileges), "id": each.member_id}
            for each in members
        ]
        if run.output.as_json:
            run.output.record({**details, "members": rows})
            return
        run.output.record(details)
        run.output.line("")
        run.output.rows(("member", "kind", "privileges", "id"), rows)

    @app.command("rename", help=f"Give a {one} another name.\n\nExample: isthmus {one} rename OLD NEW")
    @told
    def rename(
        ctx: typer.Context, name: Thing, new_name: Annotated[str, typer.Argument(metavar="NEW_NAME")]
    ) -> None:
        run = context(ctx)
        with run.zone() as zone:
            thing_id = zone.things(word).find(name)
            zone.things(word).change(thing_id, name=new_name)
        run.output.record({f"{one}_id": thing_id, "name": new_name})

    @app.command("delete", help=f"Delete a {one} for everybody.\n\nExample: isthmus {one} delete NAME")
    @told
    def delete(ctx: typer.Context, name: Thing, yes: Yes = False, admin: AsAdmin = False) -> None:
        run = context(ctx)
        with run.zone(admin=admin) as zone:
            thing_id = zone.things(word).find(name)
            if not yes:
                typer.confirm(f"Delete {one} {name} ({thing_id}) for everybody?", abort=True, err=True)
            zone.things(word).delete(thing_id)
        run.output.record({f"{one}_id": thing_id, "deleted": True})


def _add_joining(app: typer.Typer, word: Word, one: str) -> None:
    @app.command(
        "invite",
        help=f"Make an invitation into a {one}; whoever has it can join.\n\n"
        f"Hand the printed token over; it is used by `isthmus {one} join`.\n\n"
        f"Example: isthmus {one} invite NAME",
    )
    @told
    def invite(
        ctx: typer.Context,
        name: Thing,
        for_group: Annotated[bool, typer.Option("--for-group", help="For a group, not a user.")] = False,
        admin: AsAdmin = False,
    ) -> None:
        run = context(ctx)
        with run.zone(admin=admin) as zone:
            things = zone.things(word)
            token = things.invite(things.find(name), "group" if for_group else "user")
        run.output.record({"token": token})

    @app.command(
        "join",
        help=f"Join a {one} by an invitation.\n\nExample: isthmus {one} join --invitation-file FILE",
    )
    @told
    def join(
        ctx: typer.Context,
        invitation_file: Annotated[
            Path, typer.Option("--invitation-file", help="File with the token; - reads standard input.")
        ] = Path("-"),
        as_group: Annotated[str, typer.Option("--as-group", help="Join with this group of yours.")] = "",
    ) -> None:
        run = context(ctx)
        token = _read(invitation_file)
        with run.zone() as zone:
            group_id = zone.things("groups").find(as_group) if as_group else ""
            joined = zone.things(word).join(token, as_group=group_id)
        run.output.record({f"{one}_id": joined})

    @app.command("leave", help=f"Leave a {one}.\n\nExample: isthmus {one} leave NAME")
    @told
    def leave(ctx: typer.Context, name: Thing) -> None:
        run = context(ctx)
        with run.zone() as zone:
            thing_id = zone.things(word).find(name)
            zone.things(word).leave(thing_id)
        run.output.record({f"{one}_id": thing_id, "left": True})


def _add_members(app: typer.Typer, word: Word, one: str) -> None:
    @app.command(
        "add",
        help=f"Make a user or group a member of a {one} by id; administrators only, others invite.\n\n"
        f"Example: isthmus {one} add NAME 4f6c... --admin",
    )
    @told
    def add(
        ctx: typer.Context,
        name: Thing,
        member_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the user or group.")],
        group: Annotated[bool, typer.Option("--group", help="The id is one of a group.")] = False,
        admin: AsAdmin = False,
    ) -> None:
        run = context(ctx)
        kind: MemberWord = "group" if group else "user"
        with run.zone(admin=admin) as zone:
            thing_id = zone.things(word).find(name)
            zone.things(word).add(thing_id, kind, member_id)
        run.output.record({f"{one}_id": thing_id, f"{kind}_id": member_id})

    @app.command("remove", help=f"Remove a member of a {one}.\n\nExample: isthmus {one} remove NAME anna")
    @told
    def remove(ctx: typer.Context, name: Thing, member: MemberName, admin: AsAdmin = False) -> None:
        run = context(ctx)
        with run.zone(admin=admin) as zone:
            things = zone.things(word)
            thing_id = things.find(name)
            kind, member_id = things.find_member(thing_id, member)
            things.remove(thing_id, kind, member_id)
        run.output.record({f"{one}_id": thing_id, f"{kind}_id": member_id, "removed": True})

    @app.command(
        "privileges",
        help=f"Show what a member of a {one} may do, or give and take privileges.\n\n"
        f"Example: isthmus {one} privileges NAME anna --grant {one}_update --revoke {one}_view",
    )
    @told
    def privileges(
        ctx: typer.Context,
        name: Thing,
        member: MemberName,
        grant: Annotated[list[str] | None, typer.Option("--grant", help="May be repeated.")] = None,
        revoke: Annotated[list[str] | None, typer.Option("--revoke", help="May be repeated.")] = None,
        admin: AsAdmin = False,
    ) -> None:
        run = context(ctx)
        with run.zone(admin=admin) as zone:
            things = zone.things(word)
            thing_id = things.find(name)
            kind, member_id = things.find_member(thing_id, member)
            if grant or revoke:
                things.change_privileges(thing_id, kind, member_id, grant=grant or [], revoke=revoke or [])
            given = next(e.privileges for e in things.members(thing_id) if e.member_id == member_id)
        run.output.rows(("privilege",), [{"privilege": each} for each in given])


def _read(file: Path) -> str:
    if str(file) != "-":
        return read_secret(file)
    text = typer.get_text_stream("stdin").read().strip()
    if not text:
        raise ClientError("no token on standard input")
    return text
