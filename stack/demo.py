"""`make demo`: the main job on real files, instances killed under load, and an honest count at the end."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from isthmus.cluster_manager.v1 import cluster_pb2
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from clients.cli.operator import operator
from clients.cli.settings import Settings, load, read_env_file
from clients.http_api import ClientError
from clients.rest import ProviderClient, encode_path
from runtime.rendezvous import owner
from stack.control import up
from stack.demo_load import Client, Tally, lost_writes, sha256_of
from stack.errors import StackError
from stack.layout import REPO, from_environment
from stack.supervisor import Supervisor

BIG_BYTES = 256 << 20
BIG_NAME = ".big.bin"
PIECE_BYTES = 1 << 20
RANGES = 24
CLIENTS = 8
VICTIMS = ("gateway", "metadata", "storage_router")
#: Load before the first kill and after each return, so that every state is under load for a while.
CALM_S = 2.0
RETURN_TIMEOUT_S = 60.0

console = Console(highlight=False)


class DemoFailed(Exception):
    """Something came out other than promised."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What the steps work with. `folder`: a new directory of the space; `tree`: the files to upload."""

    provider: ProviderClient
    settings: Settings
    space_id: str
    folder: str
    tree: Path


def tree_files() -> list[Path]:
    """The files of this repository: as Git lists them, else all but what is made by running."""
    words = ["git", "-C", str(REPO), "ls-files", "-z"]
    listed = subprocess.run(words, capture_output=True, check=False)
    names = [Path(name) for name in listed.stdout.decode().split("\0") if name]
    if listed.returncode != 0 or not names:
        names = [path.relative_to(REPO) for path in REPO.rglob("*")]
    made = {".git", ".venv", ".run", ".tools", "__pycache__"}
    return sorted(path for path in names if (REPO / path).is_file() and not made.intersection(path.parts))


def copy_of_tree(folder: Path) -> list[Path]:
    """Copies this repository's files, so that an editor saving one meanwhile disturbs nothing."""
    files = tree_files()
    for path in files:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPO / path, folder / path)
    return files


@contextmanager
def bar(label: str, size_bytes: int) -> Iterator[Callable[[int], None]]:
    """A progress bar over bytes; calls with how many have moved."""
    columns = (
        TextColumn("  {task.description:<40}"),
        BarColumn(),
        DownloadColumn(True),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(label, total=size_bytes)
        yield lambda moved: progress.advance(task, moved)


def upload_tree(stage: Stage, files: list[Path]) -> None:
    """The repository twice: by REST below `rest`, by CDMI below `cdmi`."""
    size = sum((stage.tree / path).stat().st_size for path in files)
    rest_id = stage.provider.make_directories(f"{stage.folder}/rest")
    with bar(f"{len(files)} files of this repository, REST", size) as moved:
        for path in files:
            content = (stage.tree / path).read_bytes()
            stage.provider.create_at(rest_id, str(path), content, size_bytes=len(content))
            moved(len(content))
    with bar(f"{len(files)} files of this repository, CDMI", size) as moved:
        made: set[Path] = set()
        for path in files:
            for parent in [*reversed(path.parents)]:
                if parent not in made:
                    make_container(stage, f"{stage.folder}/cdmi/{parent}")
                    made.add(parent)
            content = (stage.tree / path).read_bytes()
            stage.provider.upload(f"{stage.folder}/cdmi/{path}", content, size_bytes=len(content))
            moved(len(content))


def make_container(stage: Stage, path: str) -> None:
    """A directory, by CDMI."""
    stage.provider.http.request(
        "PUT",
        f"/cdmi/{encode_path(path)}/",
        headers={"x-cdmi-specification-version": "1.1.1", "content-type": "application/cdmi-container"},
        content=b"{}",
    )


def upload_big(stage: Stage, big: Path) -> dict[str, str]:
    """A large file by both roads; ids by road."""
    size = big.stat().st_size
    folder_id = stage.provider.lookup(stage.folder)

    def body(moved: Callable[[int], None]) -> Iterator[bytes]:
        with open(big, "rb") as source:
            while piece := source.read(PIECE_BYTES):
                yield piece
                moved(len(piece))

    with bar("256 MiB file, REST", size) as moved:
        rest_id = stage.provider.create_at(folder_id, "big-rest.bin", body(moved), size_bytes=size)
    with bar("256 MiB file, CDMI", size) as moved:
        stage.provider.upload(f"{stage.folder}/big-cdmi.bin", body(moved), size_bytes=size)
    return {"REST": rest_id, "CDMI": stage.provider.lookup(f"{stage.folder}/big-cdmi.bin")}


def check_listing(stage: Stage, files: list[Path]) -> None:
    """What is listed below both trees is what was uploaded, sizes included."""
    wanted = {str(path): (stage.tree / path).stat().st_size for path in files}
    for road in ("rest", "cdmi"):
        listed = dict(walk(stage.provider, stage.provider.lookup(f"{stage.folder}/{road}")))
        if listed != wanted:
            odd = sorted(set(listed.items()) ^ set(wanted.items()))[:5]
            raise DemoFailed(f"the listing of {road} differs: {odd}")
    console.print(f"  [green]✓[/] listed {2 * len(files)} files, names and sizes as uploaded")


def walk(provider: ProviderClient, directory_id: str, above: str = "") -> Iterator[tuple[str, int]]:
    """Relative paths and sizes of all files below a directory."""
    for entry in provider.children(directory_id):
        path = f"{above}{entry.name}"
        if entry.is_directory:
            yield from walk(provider, entry.file_id, f"{path}/")
        else:
            yield path, entry.size_bytes


def check_ranges(stage: Stage, big: Path, ids: dict[str, str]) -> None:
    """Pieces from random places, also across the end, by both roads."""
    size = big.stat().st_size
    chance = random.Random(7)
    with open(big, "rb") as source:
        for number in range(RANGES):
            offset = size - 10 if number == 0 else chance.randrange(size)
            length = chance.choice((1, 4096, 300_000))
            source.seek(offset)
            wanted = source.read(length)
            if stage.provider.read_range(ids["REST"], offset, length) != wanted:
                raise DemoFailed(f"REST gave other bytes for {length} bytes at {offset}")
            headers = {"range": f"bytes={offset}-{offset + length - 1}"}
            path = f"/cdmi/{encode_path(f'{stage.folder}/big-cdmi.bin')}"
            if stage.provider.http.request("GET", path, headers=headers).content != wanted:
                raise DemoFailed(f"CDMI gave other bytes for {length} bytes at {offset}")
    console.print(f"  [green]✓[/] {2 * RANGES} ranges of the large files, REST and CDMI")


def check_sums(stage: Stage, files: list[Path], big: Path, ids: dict[str, str]) -> None:
    """SHA-256 of all that was uploaded, read back whole."""
    pairs = [
        (f"{stage.folder}/{road}/{path}", stage.tree / path) for road in ("rest", "cdmi") for path in files
    ]
    total = sum(local.stat().st_size for _, local in pairs) + 2 * big.stat().st_size
    with bar("reading all back, SHA-256", total) as moved:
        for remote, local in pairs:
            compare(stage.provider, stage.provider.lookup(remote), sha256_of(local), moved)
        wanted = sha256_of(big)
        for file_id in ids.values():
            compare(stage.provider, file_id, wanted, moved)
    console.print(f"  [green]✓[/] {len(pairs) + 2} checksums")


def compare(provider: ProviderClient, file_id: str, wanted: bytes, moved: Callable[[int], None]) -> None:
    """DemoFailed unless the file has this digest."""
    digest = hashlib.sha256()
    with provider.download(file_id) as download:
        for piece in download.pieces:
            digest.update(piece)
            moved(len(piece))
    if digest.digest() != wanted:
        raise DemoFailed(f"file {file_id} came back with another checksum")


def kill_under_load(stage: Stage) -> tuple[Tally, list[str]]:
    """Kills one instance of each service while clients read and write; the tally and the lost writes."""
    connect = lambda: ProviderClient(  # noqa: E731 - one line, used eight times
        stage.settings.provider_url(), stage.settings.token, ca_file=stage.settings.ca_file
    )
    tally, over = Tally(), threading.Event()
    folder = f"{stage.folder}/load"
    for number in range(CLIENTS):
        stage.provider.make_directories(f"{folder}/client-{number}")
    clients = [Client(number, connect, folder, tally, over) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        time.sleep(CALM_S)
        for service in VICTIMS:
            kill_one(stage, service)
            time.sleep(CALM_S)
    finally:
        over.set()
        for client in clients:
            client.join(RETURN_TIMEOUT_S)
    console.print(
        f"  {tally.requests} requests by {CLIENTS} clients, each sent once and never repeated by its client\n"
        f"  {tally.writes} acknowledged writes of 4 to 512 KiB, reads of up to 48 KiB\n"
        f"  slowest request {tally.slowest_s:.2f} s",
        soft_wrap=True,
    )
    with console.status("reading back every acknowledged write"):
        return tally, lost_writes(stage.provider, tally)


def kill_one(stage: Stage, service: str) -> None:
    """SIGKILL to one instance, then waits until it is back and healthy."""
    name = victim(stage, service)
    before = pid_of(name)
    os.kill(before, signal.SIGKILL)
    killed = time.monotonic()
    while time.monotonic() - killed < RETURN_TIMEOUT_S:
        time.sleep(0.3)
        health = {member.instance_id: member.health for member in members(stage.settings)}
        if pid_of(name) not in (0, before) and health.get(name) == cluster_pb2.MEMBER_HEALTH_PASSING:
            console.print(f"  killed {name} (pid {before}); back after {time.monotonic() - killed:.1f} s")
            return
    raise DemoFailed(f"{name} did not come back in {RETURN_TIMEOUT_S:.0f} s")


def victim(stage: Stage, service: str) -> str:
    """The first instance; of metadata the one that serves this space, whose death is felt most."""
    if service != "metadata":
        return f"{service}-1"
    found = [member.instance_id for member in members(stage.settings) if member.service == service]
    return owner(stage.space_id, found) or f"{service}-1"


def pid_of(name: str) -> int:
    """Process of one instance, as the supervisor knows it; 0 while there is none."""
    return next(each.pid for each in Supervisor(from_environment()).states() if each.name == name)


def members(settings: Settings) -> list[cluster_pb2.Member]:
    """All instances, as the cluster manager sees them. It is asked anew while it is busy noticing a death."""
    for attempt in range(5):
        try:
            with operator(settings) as provider:
                return list(provider.status().members)
        except ClientError:
            if attempt == 4:
                raise
            time.sleep(0.5)
    raise AssertionError("the loop above returns or raises")


def print_table(settings: Settings) -> None:
    """What runs where. A data port shares the process of its storage_router, zone_rest that of its zone."""
    table = Table(title="What runs where", title_justify="left", header_style="bold")
    for column in ("instance", "address", "pid", "memory", "health"):
        table.add_column(column, justify="right" if column in ("pid", "memory") else "left", no_wrap=True)
    known = {each.name: each.pid for each in Supervisor(from_environment()).states()}
    for member in sorted(members(settings), key=lambda member: (host_of(member), member.instance_id)):
        process = host_of(member)
        pid = known.pop(process, 0) if process == member.instance_id else 0
        health = cluster_pb2.MemberHealth.Name(member.health).removeprefix("MEMBER_HEALTH_").lower()
        used = memory(pid) if pid else "(shared)"
        table.add_row(member.instance_id, member.address, str(pid or ""), used, health)
    for name, pid in known.items():
        table.add_row(name, "", str(pid), memory(pid), "")
    console.print(table)


def host_of(member: cluster_pb2.Member) -> str:
    """Name of the process a member lives in."""
    return member.instance_id.replace("data_port", "storage_router").replace("zone_rest", "zone")


def memory(pid: int) -> str:
    """Resident memory for people."""
    try:
        return f"{psutil.Process(pid).memory_info().rss >> 20} MiB"
    except psutil.Error:
        return "gone"


def print_curl(stage: Stage) -> None:
    """Lines to go on with."""
    console.print("\n[bold]Go on by hand[/]")
    curl = 'curl --cacert $ISTHMUS_CA -H "X-Auth-Token: $ISTHMUS_TOKEN"'
    for line in (
        f"set -a; . {os.path.relpath(from_environment().stack_env)}; set +a",
        f"{curl} $ISTHMUS_URL/cdmi/{stage.folder}/rest/README.md",
        f"{curl} -T LICENSE $ISTHMUS_URL/cdmi/$ISTHMUS_SPACE/my-file",
        f"{curl} $ISTHMUS_URL/api/v3/oneprovider/data/$ISTHMUS_SPACE_ID/children",
        f".venv/bin/isthmus ls -l {stage.folder}",
        ".venv/bin/isthmus status",
        "make down",
    ):
        console.print(f"  {escape(line)}", soft_wrap=True)


def make_big(path: Path) -> None:
    """Random bytes, so that nobody can compress them away."""
    with open(path, "wb") as sink:
        for _ in range(BIG_BYTES // PIECE_BYTES):
            sink.write(os.urandom(PIECE_BYTES))


def run(stage: Stage) -> bool:
    """All steps; whether nothing failed and nothing was lost."""
    files = copy_of_tree(stage.tree)
    big = stage.tree / BIG_NAME
    make_big(big)
    console.print("[bold]Uploading[/]")
    upload_tree(stage, files)
    ids = upload_big(stage, big)
    console.print("[bold]Listing, reading ranges, comparing checksums[/]")
    check_listing(stage, files)
    check_ranges(stage, big, ids)
    check_sums(stage, files, big, ids)
    console.print(
        f"[bold]Killing one {', one '.join(VICTIMS)}, while {CLIENTS} clients read and write[/]",
        soft_wrap=True,
    )
    tally, lost = kill_under_load(stage)
    for line in [*tally.failures, *lost[:10]]:
        console.print(f"  [red]✗[/] {escape(line)}")
    colour = "green" if not (tally.failed or lost) else "red"
    console.print(f"  [bold {colour}]{tally.failed} failed requests, {len(lost)} lost writes[/]\n")
    print_table(stage.settings)
    print_curl(stage)
    return not (tally.failed or lost)


def main() -> int:
    """Starts the stack and shows what it does; 0 when all is as promised."""
    started = time.monotonic()
    try:
        layout = from_environment()
        up(layout, lambda line: console.print(f"  {line}", markup=False))
        env_file = layout.stack_env
        settings, known = load({}, env_file), read_env_file(env_file)
        with (
            ProviderClient(settings.provider_url(), settings.token, ca_file=settings.ca_file) as provider,
            tempfile.TemporaryDirectory(prefix="isthmus-demo-") as tree,
        ):
            folder = f"{known['ISTHMUS_SPACE']}/demo-{time.strftime('%Y%m%d-%H%M%S')}"
            provider.make_directories(folder)
            well = run(Stage(provider, settings, known["ISTHMUS_SPACE_ID"], folder, Path(tree)))
    except (StackError, ClientError, DemoFailed) as error:
        console.print(f"[red]error:[/] {escape(str(error))}")
        return 1
    console.print(f"\nDone in {time.monotonic() - started:.0f} s.")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
