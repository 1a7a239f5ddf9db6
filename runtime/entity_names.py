"""Which names spaces, shares, providers and the like may have, said once for zone and provider."""

from __future__ import annotations

import re

_NAME = re.compile(r"[\w()][\w() .\-]{0,126}[\w()]")


def is_entity_name(text: str) -> bool:
    """2 to 128 characters: letters, digits and `_()`, inside also blanks, dots and hyphens."""
    return _NAME.fullmatch(text) is not None
