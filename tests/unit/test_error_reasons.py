"""A reason is known by its kind: whoever sees either in a log or on the wire means the same."""

from __future__ import annotations

import importlib
import pkgutil
from collections import defaultdict
from collections.abc import Iterator

import clients
import runtime
import services
from runtime import errors
from runtime.errors import IsthmusError


def all_errors() -> set[type[IsthmusError]]:
    """Every class of errors of the project."""
    for package in (runtime, clients, services):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    return set(_below(IsthmusError))


def _below(error: type[IsthmusError]) -> Iterator[type[IsthmusError]]:
    for child in error.__subclasses__():
        yield child
        yield from _below(child)


def test_each_reason_has_one_kind() -> None:
    kinds = {each for each in IsthmusError.__subclasses__() if each.__module__ == errors.__name__}
    by_reason: dict[str, set[str]] = defaultdict(set)
    for error in all_errors():
        # Roots of families, such as all errors of the zone, have none themselves.
        by_reason[error.reason] |= {kind.__name__ for kind in kinds.intersection(error.__mro__)}
    assert len(by_reason) > 50
    assert {reason: kinds for reason, kinds in by_reason.items() if len(kinds) > 1} == {}
