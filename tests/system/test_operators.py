"""Operators look inside through the front door, as docs/operations/grpcurl.md says."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.support.documents import REPO, example, run_shell, workplace
from tests.support.stack import RunningStack

DOCUMENT = "docs/operations/grpcurl.md"
RUNNING = "docs/operations/running.md"
LIST_STORAGES = "isthmus.storage_router.v1.StorageService/ListStorages"
# What buf ends with is the gRPC code times eight.
UNAUTHENTICATED = 16 << 3


async def call(
    stack: RunningStack, path: str, *more: str, service: str, token: str = ""
) -> subprocess.CompletedProcess[str]:
    """A call with `buf curl`, which learns the schema by reflection."""
    headers = [f"x-isthmus-service: {service}", *([f"authorization: Bearer {token}"] if token else [])]
    options = ["--cacert", str(stack.ca_file), "--protocol", "grpc", "--reflect-header", "*"]
    for header in headers:
        options += ["-H", header]
    command = [str(REPO / ".venv/bin/buf"), "curl", *options, *(more or ("-d", "{}")), f"{stack.url}/{path}"]
    return await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=60, check=False
    )


def operator_token(stack: RunningStack) -> str:
    return Path(stack.env["ISTHMUS_OPERATOR_TOKEN_FILE"]).read_text().strip()


async def test_the_documented_lines_work(stack: RunningStack, tmp_path: Path) -> None:
    code = example(DOCUMENT, "sh", containing="buf curl")
    done = await asyncio.to_thread(run_shell, code, workplace(tmp_path, stack))
    assert done.returncode == 0, done.stderr
    for told in (
        '"members"',
        '"storages"',
        '"quotaBytes"',
        '"SERVING"',
        '"DIR_STATS_STATE_',
        "isthmus.zone.v1.TokenService",
    ):
        assert told in done.stdout


async def test_the_operator_sees_storages(stack: RunningStack) -> None:
    done = await call(stack, LIST_STORAGES, service="storage_router", token=operator_token(stack))
    assert done.returncode == 0, done.stderr
    assert "local" in [storage["name"] for storage in json.loads(done.stdout)["storages"]]


@pytest.mark.parametrize("whose", ["nobody", "stranger", "owner", "forger"])
async def test_others_are_refused(stack: RunningStack, whose: str) -> None:
    tokens = {
        "nobody": "",
        "stranger": "wrong",
        "owner": stack.token,
        "forger": operator_token(stack)[:-4] + "AAAA",
    }
    done = await call(stack, LIST_STORAGES, service="storage_router", token=tokens[whose])
    assert done.returncode == UNAUTHENTICATED, done.stdout
    assert json.loads(done.stderr)["code"] == "unauthenticated"


async def test_files_are_closed_to_operators(stack: RunningStack) -> None:
    body = json.dumps({"file": {"spaceId": stack.space_id}})
    done = await call(
        stack,
        "isthmus.metadata.v1.FileService/GetFile",
        "-d",
        body,
        service="metadata",
        token=operator_token(stack),
    )
    assert json.loads(done.stderr)["code"] == "permission_denied", done.stderr


@pytest.mark.parametrize(
    ("service", "own"),
    [
        ("cluster_manager", "isthmus.cluster_manager.v1.ClusterService"),
        ("metadata", "isthmus.metadata.v1.FileService"),
        ("storage_router", "isthmus.storage_router.v1.StorageService"),
        ("zone", "isthmus.zone.v1.ProviderService"),
    ],
)
async def test_each_service_answers_for_itself(stack: RunningStack, service: str, own: str) -> None:
    listed = await call(stack, "", "--list-services", service=service)
    assert own in listed.stdout.split()
    health = await call(
        stack, "grpc.health.v1.Health/Check", "-d", json.dumps({"service": own}), service=service
    )
    assert json.loads(health.stdout) == {"status": "SERVING"}


async def test_streams_between_services_have_no_way_in(stack: RunningStack) -> None:
    """Not even with the operator token: they are no business of the front door."""
    for path in (
        "isthmus.common.v1.MuxService/Exchange",
        "envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources",
    ):
        async with stack.client("") as client:
            answer = await client.post(
                f"/{path}",
                headers={
                    "content-type": "application/grpc",
                    "authorization": f"Bearer {operator_token(stack)}",
                },
            )
        assert answer.status_code == 404


async def test_the_documented_sweep_works(stack: RunningStack, tmp_path: Path) -> None:
    listed = await call(stack, LIST_STORAGES, service="storage_router", token=operator_token(stack))
    storage_id = json.loads(listed.stdout)["storages"][0]["storageId"]
    code = example(RUNNING, "sh", containing="SweepStorage").replace('"ID"', f'"{storage_id}"')
    done = await asyncio.to_thread(run_shell, code, workplace(tmp_path, stack))
    assert done.returncode == 0, done.stderr
    assert "removed" not in json.loads(done.stdout)  # nothing here is a day old


async def test_every_metric_is_documented_and_there(stack: RunningStack) -> None:
    documented = set(re.findall(r"`(isthmus_\w+)`", (REPO / RUNNING).read_text()))
    ports = [port for name, port in stack.layout.first.ports().items() if name.startswith("metrics_")]
    there: set[str] = set()
    async with httpx.AsyncClient() as client:
        for port in ports:
            text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
            there |= set(re.findall(r"^# HELP (isthmus_\w+)", text, re.MULTILINE))
    assert {name for name in there if not name.endswith("_created")} == documented
