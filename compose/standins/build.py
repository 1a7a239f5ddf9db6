"""Builds the stand-ins an engine lacks and cannot pull."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from compose.engine import Engine, Say
from stack import binaries
from stack.errors import StackError
from stack.packages import ensure_programs

HERE = Path(__file__).resolve().parent
PYTHON_IMAGE = "python:3.11-slim-bookworm"
#: Image name, and the binary of `stack.binaries` that is put into its stand-in.
SERVERS = {
    "mongo:7": "mongod",
    "hashicorp/consul:1.20": "consul",
    "envoyproxy/envoy:v1.40-latest": "envoy",
}
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
PULL_TIMEOUT_S = 300


def ensure_images(engine: Engine, say: Say) -> list[str]:
    """Has every foreign image at hand: pulled, else built as stand-in. Names of the stand-ins."""
    built = []
    if not _pulled(engine, PYTHON_IMAGE):
        _build_python(engine, say)
        built.append(PYTHON_IMAGE)
    for image, binary in SERVERS.items():
        if not _pulled(engine, image):
            _build_server(engine, image, binary, say)
            built.append(image)
    return built


def _pulled(engine: Engine, image: str) -> bool:
    if engine.has_image(image):
        return True
    try:
        engine.docker("pull", "--quiet", image, timeout_s=PULL_TIMEOUT_S)
    except (StackError, subprocess.TimeoutExpired):
        return False
    return True


def _build_python(engine: Engine, say: Say) -> None:
    """Debian with its Python, packed by mmdebstrap. The machine's own CA bundle goes in, so that pip works
    inside wherever it works outside."""
    ensure_programs({"mmdebstrap": "mmdebstrap"}, say)
    say(f"building a stand-in for {PYTHON_IMAGE}")
    bundle = Path(os.environ.get("PIP_CERT") or CA_BUNDLE)
    command = ["mmdebstrap", "--quiet", "--variant=minbase"]
    command += ["--include=python3,python3-pip,python3-venv,ca-certificates"]
    command += [
        '--customize-hook=ln -sf /usr/bin/python3 "$1/usr/local/bin/python"; '
        'ln -sf /usr/bin/pip3 "$1/usr/local/bin/pip"; rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED'
    ]
    command += [f'--customize-hook=install -m 644 {bundle} "$1{CA_BUNDLE}"']
    with tempfile.TemporaryDirectory(prefix="isthmus-image-") as folder:
        archive = Path(folder) / "base.tar"
        command += ["bookworm", str(archive), binaries.configured_mirror()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
        if done.returncode != 0:
            raise StackError(
                f"mmdebstrap cannot build a base image: {done.stderr.strip().splitlines()[-1:]}",
                "Check the network, or pull the image where a registry can be reached",
            )
        changes = [f"ENV PIP_CERT={CA_BUNDLE}", 'CMD ["python3"]']
        options = [word for change in changes for word in ("--change", change)]
        engine.docker("import", *options, str(archive), PYTHON_IMAGE)


def _build_server(engine: Engine, image: str, binary: str, say: Say) -> None:
    say(f"building a stand-in for {image}")
    with tempfile.TemporaryDirectory(prefix="isthmus-image-") as folder:
        context = Path(folder)
        shutil.copy(binaries.ensure(binary, say), context / binary)
        shutil.copy(HERE / "entrypoint.sh", context)
        name = {"mongod": "mongo"}.get(binary, binary)
        shutil.copy(HERE / f"{name}.Dockerfile", context / "Dockerfile")
        engine.docker("build", "--quiet", "--tag", image, str(context))
