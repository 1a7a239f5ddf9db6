"""Where things lie in the containers, in the words of `stack.layout`: so its steps run here as they are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from stack.layout import Layout, Site

STATE = Path("/var/lib/isthmus")
STORAGE = Path("/srv/storage")
#: The front door as containers reach it; users reach it by the published port.
FRONT_DOOR = "https://envoy:8443"


@dataclass(frozen=True)
class ComposeLayout(Layout):
    """One site. `base_port` is the published port."""

    @property
    def sites(self) -> tuple[Site, ...]:
        return (self.first,)

    @property
    def first(self) -> Site:
        return ComposeSite(self, 1)


@dataclass(frozen=True)
class ComposeSite(Site):
    """The site, seen from inside."""

    @property
    def url(self) -> str:
        return FRONT_DOOR

    @property
    def storage(self) -> Path:
        return STORAGE


def from_environment() -> ComposeLayout:
    """The layout of this container."""
    return ComposeLayout(
        run_dir=STATE,
        base_port=int(os.environ.get("ISTHMUS_PORT", "9443")),
        public_host=os.environ.get("ISTHMUS_PUBLIC_HOST", "localhost"),
    )
