"""Servers that tests share: one of each for every test process, a fresh database for every test.

A test process is one of `pytest -n`; see `pytest_collection_modifyitems` for what they share out.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import settings
from pymongo import MongoClient

from tests.support.servers import Server, running_consul, running_mongod

if TYPE_CHECKING:
    from tests.support.stack import RunningStack

# How long an example takes says more about what else the machine does than about the code.
settings.register_profile("isthmus", deadline=None)
settings.load_profile("isthmus")

# Unconfigured, structlog draws each traceback with all variables in it. On a busy machine that takes seconds,
# on the event loop, which the test then lacks.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)

# Tests of whole stacks run in one process, one after the other: a stack needs what the machine has.
OF_WHOLE_STACKS = ("tests/system/", "tests/fault/")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file's tests stay in one process, so that what its fixtures start is started once."""
    for item in items:
        file, _, _ = item.nodeid.partition("::")
        group = "stack" if file.startswith(OF_WHOLE_STACKS) else file
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def mongo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A mongod that lives as long as the test process. Do not stop it: use `own_mongod` for that."""
    with running_mongod(tmp_path_factory.mktemp("mongod")) as server:
        yield server


@pytest.fixture(scope="session")
def mongo_url(mongo_server: Server) -> str:
    """URL of the shared mongod, without a database."""
    return mongo_server.url


@pytest.fixture
def mongo_database(mongo_url: str) -> Iterator[str]:
    """Name of a database no other test uses; dropped afterwards."""
    name = f"test_{secrets.token_hex(6)}"
    yield name
    client: MongoClient[dict[str, Any]] = MongoClient(mongo_url, serverSelectionTimeoutMS=2000)
    with client:
        client.drop_database(name)


@pytest.fixture(scope="session")
def consul_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Consul agent that lives as long as the test process. Do not stop it: use `own_consul` for that."""
    with running_consul(tmp_path_factory.mktemp("consul")) as server:
        yield server


@pytest.fixture(scope="session")
def consul_url(consul_server: Server) -> str:
    """URL of the shared Consul. Tests choose service names no other test uses."""
    return consul_server.url


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A whole stack; that of ISTHMUS_STACK_ENV if set. Leave it as you found it: all parts running."""
    from tests.support.stack import found_stack, running_stack  # most test runs need none

    given = os.environ.get("ISTHMUS_STACK_ENV")
    with found_stack(Path(given)) if given else running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running
