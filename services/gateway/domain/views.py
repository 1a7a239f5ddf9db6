"""From where files are looked at, and one attribute of theirs as it is told there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from operator import attrgetter
from typing import Any

from services.gateway.domain.files import FileRecord

#: Fields of many files, each in a column: what `FileRecord` has of one.
Columns = Mapping[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class View:
    """From where a file is looked at: the name its space has for the caller, and its parent's path.

    `parent_path`: names below the space's directory; None when the file's own `path` is filled in.
    `share_id`: the share through which everybody sees the file. `shows_shares`: whether the caller may know
    which shares a file has.
    `is_relative`: files are listed as parts of a subtree, and what is given as their path is told as it is.
    """

    space_name: str
    parent_path: tuple[str, ...] | None = None
    share_id: str | None = None
    shows_shares: bool = True
    is_relative: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Attribute:
    """One attribute: the fields of a file it is made from, and how, called with the view and their values.

    `many`: the same with columns of values, where all at once are made faster than one by one.
    `of_file`: its value for a file.
    """

    needs: tuple[str, ...]
    of: Callable[..., Any]
    many: Callable[..., Sequence[Any]] | None = None
    of_file: Callable[[FileRecord, View], Any] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "of_file", _of_file(self.needs, self.of))

    def of_all(self, columns: Columns, view: View) -> Sequence[Any]:
        """Its values for many files."""
        values = [columns[field] for field in self.needs]
        if self.many is not None:
            return self.many(view, *values)
        return list(map(self.of, repeat(view), *values))


def _of_file(needs: tuple[str, ...], of: Callable[..., Any]) -> Callable[[FileRecord, View], Any]:
    fields = attrgetter(*needs)
    if len(needs) == 1:
        return lambda file, view: of(view, fields(file))
    return lambda file, view: of(view, *fields(file))
