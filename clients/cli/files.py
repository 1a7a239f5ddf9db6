"""Commands on files: ls, stat, mkdir, mv, rm, put, get."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from clients.cli.context import Context, context, told
from clients.cli.downloads import Downloads
from clients.cli.output import Exit, size_text
from clients.cli.progress import Bar
from clients.cli.transfer import Options, Outcome
from clients.cli.uploads import Uploads
from clients.http_api import ClientError, RefusedError
from clients.rest import FileInfo, split_path

Remote = Annotated[str, typer.Argument(metavar="SPACE/PATH", help="Path in a space: SPACE/dir/file.")]
Recursive = Annotated[bool, typer.Option("--recursive", "-r", help="Copy directories and what is in them.")]
Update = Annotated[
    bool,
    typer.Option("--update", "-u", help="Leave out files that are there with the same size and no older."),
]
Verify = Annotated[bool, typer.Option("--verify", help="Read every file back and compare SHA-256.")]
NoResume = Annotated[
    bool, typer.Option("--no-resume", help="Begin anew instead of going on where it stopped.")
]
Parallel = Annotated[int, typer.Option("--parallel", "-p", min=1, max=32, help="Files moved side by side.")]
Retries = Annotated[
    int, typer.Option("--retries", min=0, max=20, help="Tries after an answer that never came.")
]


def register(app: typer.Typer) -> None:
    """Adds the commands to the main program."""
    for command in (ls, stat, mkdir, mv, rm, put, get):
        app.command()(told(command))


def ls(
    ctx: typer.Context,
    path: Annotated[
        str, typer.Argument(metavar="[SPACE/PATH]", help="Directory; without it, your spaces.")
    ] = "",
    long: Annotated[bool, typer.Option("--long", "-l", help="Size, time and permissions too.")] = False,
) -> None:
    """List a directory, or your spaces.

    Example: isthmus ls -l data/run7
    """
    run = context(ctx)
    if not path.strip("/"):
        _list_spaces(run)
        return
    with run.provider() as provider:
        entry = provider.stat(provider.lookup(path))
        entries = provider.children(entry.file_id) if entry.is_directory else iter([entry])
        _print_entries(run, entries, long)


def _list_spaces(run: Context) -> None:
    with run.zone() as zone:
        names = zone.space_names(run.settings.token)
    rows = [
        {"name": name, "space_id": space_id} for space_id, name in sorted(names.items(), key=lambda x: x[1])
    ]
    run.output.rows(("name", "space_id"), rows)


def _print_entries(run: Context, entries: Iterator[FileInfo], long: bool) -> None:
    """People get entries as they come; JSON is one list."""
    if run.output.as_json:
        run.output.rows((), [_entry_json(entry) for entry in entries])
        return
    for entry in entries:
        name = entry.name + ("/" if entry.is_directory else "")
        if long:
            when = datetime.fromtimestamp(entry.mtime_s, UTC).strftime("%Y-%m-%d %H:%M:%S")
            name = f"{entry.mode:>4}  {size_text(entry.size_bytes):>9}  {when}  {name}"
        run.output.line(name)


def _entry_json(entry: FileInfo) -> dict[str, Any]:
    return {
        "name": entry.name,
        "type": entry.type,
        "size_bytes": entry.size_bytes,
        "mtime_s": entry.mtime_s,
        "mode": entry.mode,
        "file_id": entry.file_id,
        "owner_id": entry.owner_id,
        "provider_id": entry.provider_id,
    }


def stat(ctx: typer.Context, path: Remote) -> None:
    """Show what is known of a file or directory.

    Example: isthmus --json stat data/run7/out.bin
    """
    run = context(ctx)
    with run.provider() as provider:
        run.output.record(_entry_json(provider.stat(provider.lookup(path))))


def mkdir(
    ctx: typer.Context,
    path: Remote,
    parents: Annotated[
        bool, typer.Option("--parents", "-p", help="Make what is missing above it; no error if it is there.")
    ] = False,
) -> None:
    """Make a directory.

    Example: isthmus mkdir -p data/2027/january
    """
    run = context(ctx)
    with run.provider() as provider:
        if parents:
            file_id = provider.make_directories(path)
        else:
            *above, name = split_path(path)
            if not above:
                raise ClientError("a space is made with: isthmus space create NAME")
            file_id = provider.make_directory(provider.lookup("/".join(above)), name)
    if run.output.as_json:
        run.output.record({"file_id": file_id})


def mv(ctx: typer.Context, source: Remote, target: Remote) -> None:
    """Rename or move a file or directory. TARGET is the new path, or a directory to move into.

    Example: isthmus mv data/draft.txt data/final/report.txt
    """
    run = context(ctx)
    with run.provider() as provider:
        moved = provider.stat(provider.lookup(source))
        try:
            there = provider.stat(provider.lookup(target))
        except RefusedError as error:
            if not error.missing:
                raise
        else:
            if there.is_directory and there.file_id != moved.file_id:
                target = f"{target}/{moved.name}"
        provider.move(source, target, directory=moved.is_directory)


def rm(
    ctx: typer.Context,
    paths: Annotated[list[str], typer.Argument(metavar="SPACE/PATH...", help="What to remove.")],
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Directories too, with all in them.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="No error when it is not there.")] = False,
) -> None:
    """Remove files, and with -r directories.

    Example: isthmus rm -r data/old
    """
    run = context(ctx)
    with run.provider() as provider:
        for path in paths:
            try:
                entry = provider.stat(provider.lookup(path))
                if entry.is_directory and not recursive:
                    raise ClientError(f"{path} is a directory: give --recursive to remove it")
                provider.delete(entry.file_id)
            except RefusedError as error:
                if not (force and error.missing):
                    raise


def put(
    ctx: typer.Context,
    sources: Annotated[
        list[str], typer.Argument(metavar="LOCAL...", help="Files or directories; - is standard input.")
    ],
    target: Annotated[
        str, typer.Argument(metavar="SPACE/PATH", help="New name, or a directory to copy into.")
    ],
    recursive: Recursive = False,
    update: Update = False,
    verify: Verify = False,
    no_resume: NoResume = False,
    parallel: Parallel = 4,
    retries: Retries = 3,
) -> None:
    """Copy local files to a space. A file shows only when it is whole.

    Run the same command again after an interruption: large files go on where they stopped, and with -u
    what has arrived is left out.

    Example: isthmus put -r -u results data/run7
    """
    run = context(ctx)
    with run.provider() as provider, Bar("put", run.output) as bar:
        uploads = Uploads(provider, bar, _options(recursive, update, verify, no_resume, parallel, retries))
        started = time.monotonic()
        uploads.put(sources, target)
    _report(run, uploads.outcome, time.monotonic() - started)


def get(
    ctx: typer.Context,
    sources: Annotated[list[str], typer.Argument(metavar="SPACE/PATH...", help="Files or directories.")],
    target: Annotated[
        str, typer.Argument(metavar="LOCAL", help="New name, a directory, or - for standard output.")
    ],
    recursive: Recursive = False,
    update: Update = False,
    verify: Verify = False,
    no_resume: NoResume = False,
    parallel: Parallel = 4,
    retries: Retries = 3,
) -> None:
    """Copy files of a space here. An older local file stays until the new one is whole.

    Example: isthmus get -r --verify data/run7 ./run7
    """
    run = context(ctx)
    with run.provider() as provider, Bar("get", run.output) as bar:
        downloads = Downloads(
            provider, bar, _options(recursive, update, verify, no_resume, parallel, retries)
        )
        started = time.monotonic()
        downloads.get(sources, target)
    if target != "-":
        _report(run, downloads.outcome, time.monotonic() - started)


def _options(
    recursive: bool, update: bool, verify: bool, no_resume: bool, parallel: int, retries: int
) -> Options:
    return Options(
        recursive=recursive,
        update=update,
        verify=verify,
        resume=not no_resume,
        parallel=parallel,
        retries=retries,
    )


def _report(run: Context, outcome: Outcome, duration_s: float) -> None:
    """The sum of a transfer, then the exit code when something failed."""
    for failure in outcome.failures:
        run.output.warn(f"{failure['path']}: {failure['error']['description']}")
    if run.output.as_json:
        run.output.record(
            {
                "files": outcome.files,
                "directories": outcome.directories,
                "size_bytes": outcome.size_bytes,
                "resumed_bytes": outcome.resumed_bytes,
                "unchanged": outcome.unchanged,
                "skipped": outcome.skipped,
                "failed": outcome.failed,
                "failures": outcome.failures,
                "duration_s": round(duration_s, 3),
            }
        )
    else:
        run.output.line(_sum(outcome, duration_s))
    if outcome.failed:
        raise typer.Exit(Exit.UNREACHABLE if outcome.unreachable else Exit.FAILED)


def _sum(outcome: Outcome, duration_s: float) -> str:
    speed = size_text(int(outcome.size_bytes / max(duration_s, 0.001)))
    words = [
        f"{outcome.files} file{'' if outcome.files == 1 else 's'}, {size_text(outcome.size_bytes)}, {speed}/s"
    ]
    for count, word in (
        (outcome.unchanged, "unchanged"),
        (outcome.skipped, "left out"),
        (outcome.failed, "failed"),
    ):
        if count:
            words.append(f"{count} {word}")
    if outcome.resumed_bytes:
        words.append(f"{size_text(outcome.resumed_bytes)} were there already")
    return ", ".join(words)
