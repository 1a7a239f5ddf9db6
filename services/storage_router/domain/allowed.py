"""Where callers were let write a moment ago."""

from __future__ import annotations

from runtime.request import current_call
from services.storage_router.domain.contents import Mode, Wish

#: Callers and directories remembered; the oldest are forgotten first.
MAX_REMEMBERED = 10_000

#: Who writes (the signed identity), and in which directory, or what file when it is named by its id.
_Key = tuple[bytes, str, str, tuple[str, ...]]


class Allowed:
    """Whole uploads like these were published. A guess that the next one will be, and never a verdict: it
    only tells in which order to write and to ask.
    """

    def __init__(self) -> None:
        self._known: dict[_Key, None] = {}

    def expects(self, wish: Wish) -> bool:
        """Whether one like it was published, and none was refused since."""
        return wish.mode is Mode.REPLACE and _key(wish) in self._known

    def note(self, wish: Wish) -> None:
        """It was published."""
        if wish.mode is Mode.REPLACE:
            self._known[_key(wish)] = None
            if len(self._known) > MAX_REMEMBERED:
                del self._known[next(iter(self._known))]

    def forget(self, wish: Wish) -> None:
        """It was refused."""
        self._known.pop(_key(wish), None)


def _key(wish: Wish) -> _Key:
    file = wish.file
    return current_call.get().identity_blob, file.space_id, file.file_id, file.path[:-1]
