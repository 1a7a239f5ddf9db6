"""`python -m bench [--quick] [--write] [ROW...]`: measures, prints, and with --write keeps the tables.

`make bench QUICK=1 WRITE=1` sets the options.
ROW chooses rows whose name contains one of the words. Ends with 1 when something owed is not kept.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bench import load, peers
from bench.federation import FEDERATION_ROW, federation_limits
from bench.load import Target
from bench.lookups import LOOKUP_ROW, lookup_limit
from bench.machine import MIB, MemoryWatch, conditions, idle, process_name, touch_memory
from bench.records import (
    BULK_ROW,
    CHANGED_ROW,
    CREATE_DIRECT_ROW,
    CREATE_ROW,
    LIST_ROW,
    STAT_DIRECT_ROW,
    STAT_ROW,
    bulk_limit,
    fill_listed,
    list_rows,
    stat_and_create_rows,
)
from bench.report import Report
from bench.rows import Limit, Row, Wrong, measure
from bench.scopes import SCOPE_ROW, scope_limit
from bench.subject import Subject, subject
from bench.suite import (
    Instances,
    Place,
    Places,
    Sizes,
    bulk_rows,
    fill,
    small_rows,
    storage_folder,
)
from bench.twin import twin
from stack.errors import StackError
from stack.layout import REPO
from stack.packages import ensure_programs

PROGRAMS = {"nginx": "nginx-light", "wrk": "wrk"}
SHARED_MEMORY = Path("/dev/shm")
MAX_GROWTH_MIB = 64
MAX_IDLE_MIB = 1500
MAX_IDLE_CPU = 0.10
TWINS = 2

console = Console(highlight=False)


def say(text: str) -> None:
    """A line of progress."""
    console.print(f"  {text}", markup=False, soft_wrap=True)


@contextlib.contextmanager
def places(shared: Path, folder: Path, own: Subject) -> Iterator[Places]:
    """Starts every peer and its door."""
    with contextlib.ExitStack() as stack:
        port, tls_port, sock = stack.enter_context(
            peers.nginx(folder, storage_folder(shared, "nginx"), own.certificate)
        )
        dav = stack.enter_context(peers.wsgidav(folder, storage_folder(shared, "wsgidav")))
        twins = stack.enter_context(peers.unbatched(folder, own.mongo_url, TWINS))
        ca_file = own.door.target.ca_file
        fronts = tuple(Target(f"http://127.0.0.1:{port}") for port in twins)
        bare_create = "/children?name={name}&type=REG"

        def behind(name: str, upstreams: list[int | Path]) -> Target:
            base = stack.enter_context(peers.door(folder, name, own.door_files, upstreams))
            return Target(base, ca_file=ca_file)

        plain = stack.enter_context(peers.door(folder, "isthmus", own.door_files, own.sockets, tls=False))

        def place(target: Target) -> Place:
            return Place(target, "/{name}", "/{name}")

        yield Places(
            isthmus=own.door,
            isthmus_plain=replace(own.direct, target=replace(own.direct.target, base=plain)),
            isthmus_direct=own.direct,
            nginx=place(behind("nginx", [sock])),
            nginx_tcp=place(behind("nginx-tcp", [port])),
            nginx_direct=place(Target(f"http://127.0.0.1:{port}")),
            nginx_https=place(Target(f"https://localhost:{tls_port}", ca_file=ca_file)),
            wsgidav=place(behind("wsgidav", [dav])),
            wsgidav_direct=place(Target(f"http://127.0.0.1:{dav}")),
            unbatched=Place(behind("unbatched", [*twins]), "", "", create=bare_create),
            isthmus_instances=own.instances,
            unbatched_instances=Instances(fronts, fronts, "/directory?attributes=fileId", bare_create),
        )


def memory_growth(own: Subject, everyone: Places, sizes: Sizes) -> Limit:
    """What one large PUT and one large GET cost in memory, by process."""
    watch = MemoryWatch(own.pids)
    touch_memory(2 * sizes.bulk_mib * MIB)
    with watch.watching():
        load.bulk_put(everyone.isthmus.target, everyone.isthmus.file.format(name="bulk-put"), sizes.bulk_mib)
        load.bulk_get(everyone.isthmus.target, everyone.isthmus.file.format(name="bulk"), sizes.bulk_mib)
    growth = watch.growth()
    worst = max(growth, key=lambda pid: growth[pid])
    name = f"growth of a process, PUT and GET of {sizes.bulk_mib} MiB"
    return Limit(name, growth[worst] / MIB, MAX_GROWTH_MIB, "MiB", f"most: {process_name(worst)}")


def idle_limits(own: Subject, sizes: Sizes) -> list[Limit]:
    """What the stack costs while nobody asks anything."""
    time.sleep(sizes.settle_s)
    pids = own.pids()
    resident, cpu = idle(pids, sizes.idle_s)
    detail = f"{len(pids)} processes, two instances of each service"
    return [
        Limit("idle stack, resident", resident / MIB, MAX_IDLE_MIB, "MiB", detail),
        Limit(
            "idle stack, CPU",
            cpu,
            MAX_IDLE_CPU,
            "cores",
            f"over {sizes.idle_s:g} s, after {sizes.settle_s:g} s left alone",
        ),
    ]


def chosen(rows: list[Row], words: list[str]) -> list[Row]:
    """Rows whose name has one of the words in it; all without words."""
    return [row for row in rows if is_chosen(row.name, words)]


def is_chosen(name: str, words: list[str]) -> bool:
    """Whether one of the words is in the name, or there are none."""
    return not words or any(word.lower() in name.lower() for word in words)


def run(sizes: Sizes, words: list[str], shared: Path, folder: Path) -> Report:
    """Everything; a report."""
    report = Report(conditions(), sizes.rounds)
    with subject(folder / "stack", storage_folder(shared, "isthmus"), say) as own:
        report.limits += idle_limits(own, sizes)
        say("starting the peers")
        with places(shared, folder, own) as everyone:
            fill(everyone, sizes)
            rows = [
                *bulk_rows(everyone, sizes),
                *small_rows(everyone, sizes),
            ]
            for row in chosen(rows, words):
                report.results.append(measure(row, sizes.rounds, say))
            report.limits.append(memory_growth(own, everyone, sizes))
            if is_chosen(SCOPE_ROW, words):
                report.limits.append(scope_limit(own, sizes))
            records(report, own, everyone, sizes, words, shared, folder)
    return report


def records(
    report: Report,
    own: Subject,
    everyone: Places,
    sizes: Sizes,
    words: list[str],
    shared: Path,
    folder: Path,
) -> None:
    """What is about the namespace, last: it makes files by the hundred thousand."""
    if any(is_chosen(name, words) for name in (LIST_ROW, CHANGED_ROW)):
        listed_id = fill_listed(everyone, [shared / "nginx", shared / "wsgidav"])
        for row in chosen(list_rows(everyone, listed_id), words):
            report.results.append(measure(row, sizes.rounds, say))
    if is_chosen(BULK_ROW, words):
        report.limits.append(bulk_limit(everyone, sizes))
    if is_chosen(FEDERATION_ROW, words):
        report.limits += federation_limits(own, sizes)
    if is_chosen(LOOKUP_ROW, words):
        report.limits.append(lookup_limit(own.mongo_url, sizes))
    if not any(is_chosen(name, words) for name in (STAT_ROW, STAT_DIRECT_ROW, CREATE_ROW, CREATE_DIRECT_ROW)):
        return
    say("starting a twin without batches")
    with twin(folder, storage_folder(shared, "twin"), say) as other:
        for row in chosen(stat_and_create_rows(everyone, sizes, other), words):
            report.results.append(measure(row, sizes.rounds, say))


def made(folder: Path) -> Path:
    """The folder, there."""
    folder.mkdir(exist_ok=True)
    return folder


def main() -> int:
    """0 when all that is owed is kept, 1 when not, 2 when it could not be measured."""
    parser = argparse.ArgumentParser(prog="bench", description="How fast Isthmus is next to its peers.")
    parser.add_argument(
        "--quick",
        action="store_true",
        default=os.environ.get("QUICK") == "1",
        help="small sizes, two rounds: does it all work?",
    )
    parser.add_argument(
        "--write",
        action="store_true",
        default=os.environ.get("WRITE") == "1",
        help="keep the tables in docs/performance.md",
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help="only rows whose name contains one of these")
    options = parser.parse_args()
    sizes = Sizes.quick() if options.quick else Sizes()
    # Ended from outside, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        ensure_programs(PROGRAMS, say)
        with (
            tempfile.TemporaryDirectory(prefix="isthmus-bench-", dir=SHARED_MEMORY) as shared,
            tempfile.TemporaryDirectory(prefix="bench-", dir=made(REPO / ".run")) as folder,
        ):
            report = run(sizes, options.rows, Path(shared), Path(folder))
    except (Wrong, StackError) as error:
        console.print(f"bench: {error}", markup=False, soft_wrap=True)
        return 2
    report.show(console)
    if options.write:
        report.write()
    return 0 if report.holds else 1


if __name__ == "__main__":
    sys.exit(main())
