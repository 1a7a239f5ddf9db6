"""The rules of blocking queries."""

from __future__ import annotations

import pytest

from runtime.consul import next_index
from runtime.discovery import Registration


@pytest.mark.parametrize(
    ("seen", "answered", "index"), [(0, 7, 7), (7, 7, 7), (7, 9, 9), (9, 7, 0), (7, 0, 0), (0, 0, 0)]
)
def test_an_index_that_goes_back_begins_anew(seen: int, answered: int, index: int) -> None:
    assert next_index(seen, answered) == index


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ("grpc", {"GRPC": "10.0.0.1:80"}),
        ("http", {"HTTP": "http://10.0.0.1:80/healthz"}),
        ("tcp", {"TCP": "10.0.0.1:80"}),
    ],
)
def test_each_kind_of_check_asks_the_instance_itself(check: str, expected: dict[str, str]) -> None:
    registration = Registration("gateway", "gateway-1", "10.0.0.1", 80, check=check)  # type: ignore[arg-type]
    rest = {
        "Interval": "1s",
        "Timeout": "1s",
        "DeregisterCriticalServiceAfter": "1m",
        "Status": "passing",
    }
    assert registration.consul_check() == {**expected, **rest}


def test_a_process_is_asked_where_that_costs_least() -> None:
    registration = Registration("metadata", "metadata-1", "10.0.0.1", 80, alive_port=91)
    check = registration.consul_check()
    assert check["HTTP"] == "http://10.0.0.1:91/healthz"
    assert "GRPC" not in check


def test_a_check_of_the_same_process_can_speak_for_an_instance() -> None:
    registration = Registration("zone", "zone-1", "10.0.0.1", 81, checked_by="zone_rest-1")
    assert registration.consul_check() == {
        "AliasService": "zone_rest-1",
        "DeregisterCriticalServiceAfter": "1m",
        "Status": "passing",
    }
