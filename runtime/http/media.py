"""Media types as clients prefer them (`Accept`)."""

from __future__ import annotations

import re
from collections.abc import Sequence

_MAX_TYPES = 64
#: What nearly all clients send.
_ANYTHING = (None, "*/*", "")

_PARAMETER = re.compile(r';[ \t]*([^\s;="]+)[ \t]*=[ \t]*(?:("(?:[^"\\]|\\.)*")|([^;"]*))')
_ESCAPE = re.compile(r"\\(.)")


def preferences(accept: str | None) -> list[tuple[str, float]]:
    """Media ranges of an `Accept` header, lower-case, with their weights; `*/*` when it is absent or empty.

    Malformed weights count as 1; what is refused by weight 0 stays in the list.
    """
    if accept is None or not accept.strip():
        return [("*/*", 1.0)]
    ranges = []
    for item in accept.split(",")[:_MAX_TYPES]:
        media, *parameters = item.split(";")
        if media.strip():
            ranges.append((media.strip().lower(), _weight(parameters)))
    return ranges


def _weight(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 1.0
    return 1.0


def choose(accept: str | None, offered: Sequence[str]) -> str | None:
    """The offered type the client likes best; the first of equals; None when none is acceptable."""
    if accept in _ANYTHING:
        return offered[0] if offered else None
    ranges = preferences(accept)
    best, best_weight = None, 0.0
    for media in offered:
        weight = _weight_of(media, ranges)
        if weight > best_weight:
            best, best_weight = media, weight
    return best


def _weight_of(media: str, ranges: list[tuple[str, float]]) -> float:
    family = media.partition("/")[0]
    # The most exact range decides.
    for wanted in (media, f"{family}/*", "*/*"):
        for given, weight in ranges:
            if given == wanted:
                return weight
    return 0.0


def accepts(accept: str | None, offered: Sequence[str]) -> bool:
    """Whether a client takes any of the offered types."""
    return accept in _ANYTHING or choose(accept, offered) is not None


def split_parameters(header: str) -> tuple[str, dict[str, str]]:
    """The value of a header without its parameters, and these by name; value and names lower-case.

    Of a name that occurs twice the first counts; what is no parameter is passed over.
    """
    value, _, rest = header.partition(";")
    parameters: dict[str, str] = {}
    for name, quoted, plain in _PARAMETER.findall(f";{rest}"):
        text = _ESCAPE.sub(r"\1", quoted[1:-1]) if quoted else plain.strip()
        parameters.setdefault(name.lower(), text)
    return value.strip().lower(), parameters
