"""Over HTTP/2, as curl speaks it, a refusal arrives although the client was still sending."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.support.folder import API
from tests.support.stack import RunningStack

TRIES = 25

#: Requests that are refused before their bodies are looked at: method, path, status.
REFUSED = {
    "data port": ("POST", f"{API}/data/SPACE/children?name=x", 415),
    "gateway": ("PUT", f"{API}/data/SPACE/metadata/xattrs", 415),
    "pages": ("POST", f"{API}/configuration", 405),
    "zone": ("POST", "/api/v3/onezone/user", 405),
}


@pytest.mark.parametrize("by", REFUSED)
def test_a_refusal_is_told_and_never_a_broken_stream(stack: RunningStack, by: str, tmp_path: Path) -> None:
    method, path, status = REFUSED[by]
    (tmp_path / "body").write_bytes(bytes(200_000))
    command = [
        "curl", "--silent", "--http2", "--cacert", str(stack.ca_file), "--output", str(tmp_path / "answer"),
        "--write-out", "%{http_version} %{http_code}", "--request", method,
        "--data-binary", f"@{tmp_path}/body",
        "--header", f"X-Auth-Token: {stack.token}", "--header", "Content-Type: text/plain",
        stack.url + path.replace("SPACE", stack.space_id),
    ]  # fmt: skip
    runs = [subprocess.run(command, capture_output=True, text=True, check=False) for _ in range(TRIES)]
    assert Counter((ran.returncode, ran.stdout) for ran in runs) == {(0, f"2 {status}"): TRIES}
