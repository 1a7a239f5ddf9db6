"""Whether a provider does its job: one file through every kind of request, by REST and by CDMI.

    python -m stack.smoke ENV_FILE

Used where the stack was started in some new way and the question is only: does it work?
"""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

from clients.cli.operator import operator
from clients.cli.settings import Settings, load, read_env_file
from clients.http_api import ClientError, RefusedError
from clients.rest import ProviderClient

SMALL = b"Isthmus\n" * 64
LARGE_BYTES = 8 << 20


class NotWorking(Exception):
    """What did not work, in one line."""


def smoke(settings: Settings, space: str, say: Callable[[str], None]) -> None:
    """Raises NotWorking or ClientError at the first thing that is not as it should be."""
    large = os.urandom(LARGE_BYTES)
    with ProviderClient(settings.provider_url(), settings.token, ca_file=settings.ca_file) as provider:
        say(f"provider {provider.configuration().name}, version {provider.configuration().version}")
        folder = f"{space}/smoke-{uuid.uuid4().hex[:12]}"
        folder_id = provider.make_directories(f"{folder}/a/b")
        provider.create_at(provider.lookup(folder), "rest.txt", SMALL, size_bytes=len(SMALL))
        provider.upload(f"{folder}/cdmi.bin", large, size_bytes=len(large))
        say("wrote by REST and by CDMI")
        _expect("content by REST", _whole(provider, f"{folder}/rest.txt"), SMALL)
        large_id = provider.lookup(f"{folder}/cdmi.bin")
        _expect("content by CDMI", _whole(provider, f"{folder}/cdmi.bin"), large)
        _expect("a range", provider.read_range(large_id, 4_000_001, 70_000), large[4_000_001:4_070_001])
        provider.write_at(large_id, 100, b"overwritten", size_bytes=11)
        _expect(
            "an overwritten piece",
            provider.read_range(large_id, 95, 21),
            large[95:100] + b"overwritten" + large[111:116],
        )
        names = [entry.name for entry in provider.children(provider.lookup(folder))]
        _expect("the listing", names, ["a", "cdmi.bin", "rest.txt"])
        say("read whole files, ranges and a listing")
        provider.move(f"{folder}/rest.txt", f"{folder}/a/b/moved.txt", directory=False)
        _expect("the moved file", [entry.name for entry in provider.children(folder_id)], ["moved.txt"])
        provider.delete(provider.lookup(folder))
        _refused("a deleted folder", lambda: provider.lookup(folder), "enoent")
        say("moved and deleted")
    with ProviderClient(settings.provider_url(), None, ca_file=settings.ca_file) as nobody:
        _refused("a request without token", lambda: nobody.lookup(space), "")
    with operator(settings) as provider_operator:
        services = {member.service for member in provider_operator.status().members}
        _expect("the members", services >= {"gateway", "metadata", "storage_router"}, True)
    say("refused a stranger, answered the operator")


def _whole(provider: ProviderClient, path: str) -> bytes:
    with provider.download(provider.lookup(path)) as download:
        return b"".join(download.pieces)


def _expect(what: str, got: object, wanted: object) -> None:
    if got != wanted:
        raise NotWorking(f"{what} is not as written: {str(got)[:80]} instead of {str(wanted)[:80]}")


def _refused(what: str, action: Callable[[], object], errno: str) -> None:
    try:
        action()
    except RefusedError as error:
        if error.errno == errno:
            return
        raise NotWorking(f"{what} was refused for another reason: {error}") from error
    raise NotWorking(f"{what} was not refused")


def main(env_file: str) -> int:
    """0 when it works."""
    path = Path(env_file)
    try:
        smoke(load({}, path), read_env_file(path)["ISTHMUS_SPACE"], print)
    except (NotWorking, ClientError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
