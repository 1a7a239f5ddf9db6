"""`up`, `down`, `clean`: the whole stack, from nothing to a request that works, and back."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial

from clients.http_api import ClientError, RefusedError, UnreachableError
from stack import binaries, env_file, mongo, readiness
from stack.bootstrap import (
    Demo,
    admin_password,
    prepare_demo,
    register_provider,
    write_and_read,
    write_operator_token,
)
from stack.ca import Certificates, ensure_certificates
from stack.checks import check_machine, check_ports, check_same_as_before
from stack.errors import StackError
from stack.layout import Layout, Site, remember
from stack.processes import CONTROL, FOUNDATION, SERVICES, Process, all_processes, write_configuration
from stack.secrets import ensure_key
from stack.supervisor import Supervisor

FOUNDATION_TIMEOUT_S = 60.0
READY_TIMEOUT_S = 120.0
#: After the first support: until every instance has heard of it and forgotten what it knew of the token.
SETTLING_S = 3.0
REMAINS_TIMEOUT_S = 20.0
DRAIN_S = 0.5
PROVIDER_SERVICES = ("metadata", "storage_router", "data_port", "gateway")

Say = Callable[[str], None]


def up(layout: Layout, say: Say = print) -> None:
    """Start what does not run, wait until a file can be stored and read, write stack.env. Idempotent."""
    check_machine(layout)
    check_same_as_before(layout)
    with _lock(layout):
        fetched = binaries.ensure_all(say)
        processes = all_processes(layout, fetched, _prepare(layout))
        supervisor = Supervisor(layout)
        if not supervisor.is_running():
            _wait_for_remains(layout, supervisor)
            check_ports(layout)
            remember(layout)
            layout.stack_env.unlink(missing_ok=True)
            supervisor.begin(processes)
        elif {process.name for process in processes} != {each.name for each in supervisor.states()}:
            raise StackError("The stack runs with other parts than asked for", "First run: make down")
        _start(layout, supervisor, processes, say)
        demo = _first_time(layout, supervisor, processes, say)
        _wait_until_files_pass(layout, supervisor, demo)
        env_file.write(layout.stack_env, env_file.values(layout, demo))


def down(layout: Layout, say: Say = print) -> None:
    """Stop everything; data stays."""
    supervisor = Supervisor(layout)
    if not supervisor.is_running():
        say("nothing runs")
        return
    with _lock(layout):
        say("stopping")
        _drain(layout)
        layout.stack_env.unlink(missing_ok=True)
        supervisor.end()


def clean(layout: Layout, say: Say = print) -> None:
    """Stop everything and remove the data. Fetched binaries stay."""
    if Supervisor(layout).is_running():
        down(layout, say)
    for folder in (layout.run_dir, layout.sockets):
        if folder.exists():
            shutil.rmtree(folder)
    say(f"{layout.run_dir} is removed")


def _wait_for_remains(layout: Layout, supervisor: Supervisor) -> None:
    """After a supervisord that was killed, its programs are still stopping."""
    deadline = time.monotonic() + REMAINS_TIMEOUT_S
    while supervisor.was_killed() and time.monotonic() < deadline:
        with contextlib.suppress(StackError):
            check_ports(layout)
            return
        time.sleep(0.2)


@contextlib.contextmanager
def _lock(layout: Layout) -> Iterator[None]:
    layout.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(layout.run_dir / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(
                f"Another command works on {layout.run_dir}", "Wait until it is done and try again"
            ) from None
        yield


def _prepare(layout: Layout) -> Certificates:
    """Folders, secrets, certificates, configuration."""
    for folder in (layout.secrets, layout.sockets, layout.logs, layout.run_dir / "mongod"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    admin_password(layout)
    mongo.Secrets.below(layout.secrets).ensure()
    for site in layout.sites:
        ensure_key(site.cluster_key)
        site.consul_secrets.ensure()
        write_operator_token(site)
    write_configuration(layout)
    own = ensure_certificates(layout.run_dir / "tls", [layout.public_host])
    if layout.tls_cert and layout.tls_key:
        return Certificates(own.ca, layout.tls_cert, layout.tls_key)
    return own


def _start(layout: Layout, supervisor: Supervisor, processes: list[Process], say: Say) -> None:
    """MongoDB and Consul first. What comes after them waits for the others by itself."""
    _start_stage(supervisor, processes, FOUNDATION, say)
    address = layout.first.mongo_address
    is_prepared = partial(mongo.is_prepared, address, address, mongo.Secrets.below(layout.secrets))
    _wait(supervisor, "mongod", is_prepared, FOUNDATION_TIMEOUT_S)
    for site in layout.sites:
        is_ready = partial(readiness.consul_has_leader, site.consul_url)
        _wait(supervisor, "consul", is_ready, FOUNDATION_TIMEOUT_S)
    _start_stage(supervisor, processes, CONTROL, say)
    if all(site.provider_file.exists() for site in layout.sites):
        _start_stage(supervisor, processes, SERVICES, say)


def _first_time(layout: Layout, supervisor: Supervisor, processes: list[Process], say: Say) -> Demo:
    """Register providers before their services start; then users, space and storage."""
    _wait(supervisor, "zone", lambda: readiness.zone_answers(layout.first))
    for site in layout.sites:
        if not site.provider_file.exists():
            say(f"registering provider {site.domain}")
            register_provider(site)
    _start_stage(supervisor, processes, SERVICES, say)
    for site in layout.sites:
        for service in PROVIDER_SERVICES:
            _wait(supervisor, service, partial(_all_pass, site, service))
        _wait(supervisor, "envoy", partial(readiness.door_is_open, site))
    found: list[Demo] = []
    _wait(supervisor, "the front door", partial(_works, lambda: found.append(prepare_demo(layout))))
    return found[-1]


def _wait_until_files_pass(layout: Layout, supervisor: Supervisor, demo: Demo) -> None:
    first_start = not layout.stack_env.exists()
    for site in layout.sites:
        probe = partial(write_and_read, site, demo.owner_token)
        _wait(supervisor, f"storing files at {site.url}", partial(_works, probe))
        settled_s = time.monotonic() + (SETTLING_S if first_start else 0)
        while time.monotonic() < settled_s:
            _wait(supervisor, f"storing files at {site.url}", partial(_works, probe))
            time.sleep(0.2)


def _works(attempt: Callable[[], None]) -> bool:
    """False while a part is away; StackError for a refusal, which waiting does not mend.

    But for one: instances learn of a new support, and forget the verdict on a token, a moment later.
    """
    try:
        attempt()
    except UnreachableError:
        return False
    except ClientError as error:
        if isinstance(error, RefusedError) and error.error_id == "spaceNotSupportedBy":
            return False
        raise StackError(f"Setting up failed: {error}", "See the reason with: make logs") from error
    return True


def _all_pass(site: Site, service: str) -> bool:
    return readiness.instances_pass(site, service)


def _start_stage(supervisor: Supervisor, processes: list[Process], stage: int, say: Say) -> None:
    names = [process.name for process in processes if process.stage == stage]
    if supervisor.start(names):
        say(f"starting {', '.join(names)}")


def _wait(
    supervisor: Supervisor, what: str, is_ready: Callable[[], bool], timeout_s: float = READY_TIMEOUT_S
) -> None:
    readiness.wait_for(what, is_ready, timeout_s, supervisor.check_alive)


def _drain(layout: Layout) -> None:
    """Envoy tells clients to open no further connections, so that none is cut in the middle."""
    for site in layout.sites:
        url = f"http://127.0.0.1:{site.port('envoy_admin')}/drain_listeners?graceful&skip_exit"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, data=b"", timeout=2):
            time.sleep(DRAIN_S)
