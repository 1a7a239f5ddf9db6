"""What the system denies: root may open everything, so tests of it are somebody else for a moment."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

_NOBODY = 65534


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """This process opens what nobody in particular may open."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(was)
