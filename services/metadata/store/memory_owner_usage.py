"""What belongs to whom, in memory, under the same promises as in MongoDB."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from services.metadata.domain.records import File
from services.metadata.domain.usage_books import HeldPage, HeldPoint, OwnerKey
from services.metadata.domain.usage_history import STEPS


class MemoryOwnerUsageStore:
    """Sums of the files of another store, and points in lists."""

    def __init__(self, files: Callable[[], Iterable[File]]) -> None:
        self._files = files
        self._last: dict[OwnerKey, tuple[int, int]] = {}
        self._points: dict[tuple[OwnerKey, int], list[HeldPoint]] = {}

    async def count_page(self, *, after: str, limit: int) -> HeldPage:
        files = sorted(
            (each for each in self._files() if each.file_id > after), key=lambda each: each.file_id
        )
        held: Counter[OwnerKey] = Counter()
        for file in files[:limit]:
            if not file.deleted and file.local_bytes:
                held[OwnerKey(file.space_id, file.owner_id)] += file.local_bytes
        return HeldPage(held, files[limit - 1].file_id if len(files) > limit else "")

    async def list_last(self, *, after: OwnerKey | None, limit: int) -> Mapping[OwnerKey, int]:
        keys = [key for key in sorted(self._last) if after is None or key > after]
        return {key: self._last[key][0] for key in keys[:limit]}

    async def note(self, held_bytes: Mapping[OwnerKey, int], now_s: int) -> None:
        for key, held in held_bytes.items():
            self._last[key] = (held, now_s)
            for step_s, keep in STEPS.items():
                time_s = now_s - now_s % step_s
                earlier = [each for each in self._points.get((key, step_s), ()) if each.time_s < time_s]
                self._points[key, step_s] = [*earlier, HeldPoint(time_s, held)][-keep:]

    async def forget(self, *, before_s: int) -> None:
        for key in [key for key, (held, noted_s) in self._last.items() if not held and noted_s < before_s]:
            del self._last[key]
            for step_s in STEPS:
                del self._points[key, step_s]

    async def list(self, key: OwnerKey, step_s: int) -> Sequence[HeldPoint]:
        return list(self._points.get((key, step_s), ()))
