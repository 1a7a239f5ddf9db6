"""A refusal arrives although the client was still sending its body, over both versions of HTTP."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.support.folder import API
from tests.support.stack import RunningStack

TRIES = 25
LARGE_TRIES = 3
VERSIONS = {"1.1": "--http1.1", "2": "--http2"}

#: Requests that are refused before their bodies are looked at: method, path, status.
REFUSED = {
    "data port": ("POST", f"{API}/data/SPACE/children?name=x", 415),
    "gateway": ("PUT", f"{API}/data/SPACE/metadata/xattrs", 415),
    "pages": ("POST", f"{API}/configuration", 405),
    "zone": ("POST", "/api/v3/onezone/user", 405),
}

#: Requests whose bodies have a limit far below `TOO_LARGE_BYTES`: method, path, content type, status.
LIMITED = {
    "rest": ("PUT", f"{API}/data/SPACE/metadata/xattrs", "application/json", 400),
    "cdmi": ("PUT", "/cdmi/NAME/refused/", "application/cdmi-container", 400),
    "zone": ("PATCH", "/api/v3/onezone/user", "application/json", 413),
}
TOO_LARGE_BYTES = 5 << 20
#: How a client may come by its body: curl's headers for it.
WAYS = {
    "of a length": ["Expect:"],
    "in chunks": ["Expect:", "Transfer-Encoding: chunked"],
    "asked for": ["Expect: 100-continue", "Transfer-Encoding: chunked"],
}


def curl(stack: RunningStack, version: str, method: str, path: str, body: Path, *headers: str) -> list[str]:
    """One request whose answer ends in `body.answer`, and status on the standard output."""
    given = [f"X-Auth-Token: {stack.token}", "X-CDMI-Specification-Version: 1.1.1", *headers]
    return [
        "curl", "--silent", VERSIONS[version], "--cacert", str(stack.ca_file),
        "--output", str(body.with_suffix(".answer")), "--write-out", "%{http_version} %{http_code}",
        "--request", method, "--data-binary", f"@{body}",
        *(part for header in given for part in ("--header", header)),
        stack.url + path.replace("SPACE", stack.space_id).replace("NAME", stack.space),
    ]  # fmt: skip


def told(command: list[str], tries: int) -> Counter[tuple[int, str]]:
    """Exit codes and what was told, each with how often."""
    runs = [subprocess.run(command, capture_output=True, text=True, check=False) for _ in range(tries)]
    return Counter((ran.returncode, ran.stdout) for ran in runs)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("by", REFUSED)
def test_a_refusal_is_told_and_never_a_broken_stream(
    stack: RunningStack, by: str, version: str, tmp_path: Path
) -> None:
    method, path, status = REFUSED[by]
    (tmp_path / "body").write_bytes(bytes(200_000))
    command = curl(stack, version, method, path, tmp_path / "body", "Content-Type: text/plain")
    assert told(command, TRIES) == {(0, f"{version} {status}"): TRIES}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("by", REFUSED)
def test_a_refusal_is_told_to_who_asks_first(
    stack: RunningStack, by: str, version: str, tmp_path: Path
) -> None:
    method, path, status = REFUSED[by]
    (tmp_path / "body").write_bytes(bytes(200_000))
    headers = ("Content-Type: text/plain", "Expect: 100-continue")
    command = curl(stack, version, method, path, tmp_path / "body", *headers)
    assert told(command, 6) == {(0, f"{version} {status}"): 6}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("by", LIMITED)
def test_a_body_far_beyond_its_limit_is_told_the_limit(
    stack: RunningStack, by: str, version: str, way: str, tmp_path: Path
) -> None:
    method, path, kind, status = LIMITED[by]
    (tmp_path / "body").write_bytes(bytes(TOO_LARGE_BYTES))
    headers = [f"Content-Type: {kind}", *WAYS[way]]
    command = curl(stack, version, method, path, tmp_path / "body", *headers)
    assert told(command, LARGE_TRIES) == {(0, f"{version} {status}"): LARGE_TRIES}
    if status == 400:
        assert json.loads((tmp_path / "body.answer").read_text())["error"]["id"] == "limitReached"
