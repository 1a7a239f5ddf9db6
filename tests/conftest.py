"""Servers that tests share: one of each for every test process, a fresh database for every test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from tests.support.servers import Server, running_consul, running_mongod


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
