"""JSON documents: parsing, key paths into them, and merging.

A key path is `a.b.[2].c`: names of keys and, in brackets, positions in lists, joined by dots.
"""

from __future__ import annotations

import enum
import json
import re
from itertools import pairwise
from typing import Any, NoReturn

from runtime.errors import InvalidName, NoData, TooMuchData

#: What can be written must be readable by everybody's parser, also inside other JSON.
MAX_DEPTH = 128
MAX_DOCUMENT_BYTES = 2 * 1024 * 1024
#: Lists are filled up with nulls to a position; no document has room for more of them.
MAX_FILLED = MAX_DOCUMENT_BYTES // len("null,")

_POSITION = re.compile(r"\[0*([0-9]+)\]", re.ASCII)
#: Digits of a position that are looked at: one with more is beyond any list, however it goes on.
_MAX_DIGITS = 10

Step = str | int


class Nothing(enum.Enum):
    """No document at all; null is one."""

    NOTHING = None


NOTHING = Nothing.NOTHING


def parse(text: bytes) -> Any:
    """The value of a JSON text. Raises `InvalidName` for what is none, or is nested too deep."""
    try:
        value = json.loads(text.decode(), parse_constant=_refuse_constant)
        if b"\\ud" in text.lower():
            dump(value)  # half a character, escaped, can be read and never be told
    except (ValueError, RecursionError):
        raise InvalidName("the value is no JSON") from None
    if _depth(value) > MAX_DEPTH:
        raise InvalidName("the JSON is nested too deep")
    return value


def dump(value: Any) -> bytes:
    """The shortest text of a value."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def steps(keypath: str) -> tuple[Step, ...]:
    """The steps of a key path; none for an empty one."""
    if not keypath:
        return ()
    return tuple(map(_step_of, keypath.split(".")))


def value_at(document: Any, path: tuple[Step, ...]) -> Any:
    """What the document holds at a path. Raises `NoData` when there is nothing."""
    for step in path:
        document = _step(document, step)
    return document


def with_value(document: Any, path: tuple[Step, ...], value: Any) -> Any:
    """The document with a value put at a path; what is missing on the way is made.

    `document` is changed, unless the path is empty; `NOTHING` where there was none yet. Raises `NoData` for a
    step into a value of another kind, `TooMuchData`, `InvalidName` when it gets too deep.
    """
    if not path:
        return value
    if len(path) > MAX_DEPTH:
        raise InvalidName("the key path is too long")
    top = _holder(path[0]) if document is NOTHING else document
    if _to_be_filled(top, path) > MAX_FILLED:
        raise TooMuchData("a list would be too long")
    here = top
    for step, following in pairwise(path):
        here = _enter(here, step, following)
    _put(here, path[-1], value)
    if _depth(top) > MAX_DEPTH:
        raise InvalidName("the JSON is nested too deep")
    return top


def merged(nearer: Any, farther: Any) -> Any:
    """Both documents in one: objects by key, else the nearer one alone. The depth of both is bounded."""
    if not isinstance(nearer, dict) or not isinstance(farther, dict):
        return nearer
    both = dict(farther)
    for key, value in nearer.items():
        both[key] = merged(value, farther[key]) if key in farther else value
    return both


def _step_of(word: str) -> Step:
    position = _POSITION.fullmatch(word)
    return int(position[1][:_MAX_DIGITS]) if position else word


def _step(document: Any, step: Step) -> Any:
    if isinstance(step, int):
        if isinstance(document, list) and step < len(document):
            return document[step]
    elif isinstance(document, dict) and step in document:
        return document[step]
    raise NoData("nothing at this key path")


def _enter(here: Any, step: Step, following: Step) -> Any:
    """The value at a step, made when missing as what the following step needs."""
    try:
        return _step(here, step)
    except NoData:
        made = _holder(following)
        _put(here, step, made)
        return made


def _put(here: Any, step: Step, value: Any) -> None:
    if isinstance(step, int) and isinstance(here, list):
        here.extend([None] * (step + 1 - len(here)))
        here[step] = value
    elif isinstance(step, str) and isinstance(here, dict):
        here[step] = value
    else:
        raise NoData("the key path leads into a value of another kind")


def _to_be_filled(document: Any, path: tuple[Step, ...]) -> int:
    """How many nulls lists need before the value has its place."""
    for index, step in enumerate(path):
        try:
            document = _step(document, step)
        except NoData:
            there = len(document) if isinstance(document, list) else 0
            return sum(each for each in path[index:] if isinstance(each, int)) - there
    return 0


def _holder(step: Step) -> Any:
    return [] if isinstance(step, int) else {}


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        level = [child for each in level for child in (each.values() if isinstance(each, dict) else each)]
    return depth


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")
