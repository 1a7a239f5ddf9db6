"""`isthmus`, or `python -m clients.cli`."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from clients.cli import (
    cluster,
    copies,
    federation,
    files,
    login,
    storage_users,
    supports,
    tokens,
    usage,
    zone,
)
from clients.cli.context import Context
from clients.cli.output import Output
from clients.cli.settings import load, read_secret
from clients.http_api import ClientError

HELP = """Files in spaces, and the cluster that keeps them.

Remote paths are SPACE/dir/file. The stack is found by ISTHMUS_URL, ISTHMUS_TOKEN, ISTHMUS_CA,
ONEZONE_HOST and, for operators, ISTHMUS_OPERATOR_TOKEN (or ..._FILE); what is not set is read from
.run/stack.env.

Secrets are replaced by: token rotate, token revoke, user password, provider rotate-token; those of the
stack itself as docs/operations/rotating-secrets.md says.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no answer.
"""

app = typer.Typer(
    name="isthmus",
    help=HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def prepare(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    env_file: Annotated[
        Path | None, typer.Option("--env-file", help="File of KEY=value lines; .run/stack.env if it exists.")
    ] = None,
    url: Annotated[str, typer.Option("--url", help="Front door of the provider.")] = "",
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="File with the access token.")
    ] = None,
    ca: Annotated[Path | None, typer.Option("--ca", help="Certificate authority to trust.")] = None,
) -> None:
    """Reads the settings before a command runs."""
    output = Output(as_json=as_json)
    try:
        settings = load(os.environ, env_file)
        if url:
            settings = replace(settings, url=url)
        if token_file:
            settings = replace(settings, token=read_secret(token_file))
        if ca:
            settings = replace(settings, ca_file=ca)
    except ClientError as error:
        raise typer.Exit(output.failure(error)) from error
    ctx.obj = Context(settings, output)


files.register(app)
cluster.register(app)
copies.register(app)
zone.register(app)
tokens.register(app)
login.register(app)
federation.register(app)
supports.register(zone.spaces)
usage.register(zone.spaces)
storage_users.register(cluster.storages)


def main() -> None:
    """Entry point of the `isthmus` command."""
    app(args=with_json_first(sys.argv[1:]))


def with_json_first(words: list[str]) -> list[str]:
    """`--json` may stand after the command too, where everybody types it."""
    options = words[: words.index("--")] if "--" in words else words
    if "--json" not in options:
        return words
    at = options.index("--json")
    return ["--json", *words[:at], *words[at + 1 :]]


if __name__ == "__main__":
    main()
