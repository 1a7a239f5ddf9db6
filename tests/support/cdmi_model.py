"""A plain model of what CDMI operations do: a tree of entries in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

UTF8, BASE64 = "utf-8", "base64"

Path = tuple[str, ...]


@dataclass
class Entry:
    """A container where `children` is set, else a data object."""

    children: dict[str, Entry] | None = None
    content: bytes = b""
    mimetype: str = "application/octet-stream"
    encoding: str = BASE64
    items: dict[str, Any] = field(default_factory=dict)
    id: str = ""


@dataclass(frozen=True)
class Expected:
    """What is to be answered: a status, and for errors of POSIX one of some names."""

    status: int
    errnos: frozenset[str] = frozenset()

    def fits(self, answer: httpx.Response) -> bool:
        """Whether an answer is this one."""
        if answer.status_code != self.status:
            return False
        if not self.errnos:
            return True
        told = answer.json()["error"]
        return told["id"] == "posix" and told["details"]["errno"] in self.errnos


def refused(*errnos: str) -> Expected:
    """A POSIX error, any of these where more than one is true."""
    return Expected(400, frozenset(errnos))


class Refused(Exception):
    """The model answers with an error."""

    def __init__(self, expected: Expected) -> None:
        super().__init__(str(expected))
        self.expected = expected


class Model:
    """One container and all below it."""

    def __init__(self) -> None:
        self.root = Entry(children={})

    def find(self, path: Path) -> Entry | None:
        """What is there, if anything."""
        entry: Entry | None = self.root
        for name in path:
            entry = (entry.children or {}).get(name) if entry else None
        return entry

    def shaped(self, path: Path, *, container: bool) -> Entry | None:
        """What is there. Refused with 302 when it is not of the form that was asked."""
        entry = self.find(path)
        if entry is not None and (entry.children is not None) != container:
            raise Refused(Expected(302))
        return entry

    def parent(self, path: Path) -> dict[str, Entry]:
        """Children of the container in which this place is. Refused with `enoent` and `enotdir`."""
        entry = self.root
        for name in path[:-1]:
            if entry.children is None:
                raise Refused(refused("enotdir"))
            if name not in entry.children:
                raise Refused(refused("enoent"))
            entry = entry.children[name]
        if entry.children is None:
            raise Refused(refused("enotdir"))
        return entry.children

    def put(self, path: Path, entry: Entry) -> None:
        """Makes it stand there."""
        self.parent(path)[path[-1]] = entry

    def remove(self, path: Path) -> None:
        """Takes it away with all in it."""
        del self.parent(path)[path[-1]]

    def all_entries(self) -> Iterator[tuple[Path, Entry]]:
        """Everything below, containers before what they hold."""
        waiting: list[tuple[Path, Entry]] = [((), self.root)]
        while waiting:
            path, entry = waiting.pop()
            yield path, entry
            waiting += [((*path, name), child) for name, child in (entry.children or {}).items()]


def forget_ids(entry: Entry) -> None:
    """Of an entry and all below it, as after a copy."""
    entry.id = ""
    for child in (entry.children or {}).values():
        forget_ids(child)
