"""Which version this is, to operators and to Onedata's clients."""

from __future__ import annotations

import importlib.metadata

#: Version of Isthmus itself.
VERSION = importlib.metadata.version("isthmus")
#: Release of Onedata whose contracts are served; its clients choose the attribute API by it.
ONEDATA_VERSION = "21.02.8"
