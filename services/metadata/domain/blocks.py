"""Arithmetic of blocks: sorted, disjoint, never touching ranges `(offset, size)` of a file."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

Block = tuple[int, int]
Blocks = tuple[Block, ...]


def merged(blocks: Blocks, offset: int, size: int) -> Blocks:
    """Blocks with one more range; what overlaps or touches becomes one block."""
    if size <= 0:
        return blocks
    end = offset + size
    ends = [start + length for start, length in blocks]
    first = bisect_left(ends, offset)
    last = bisect_right([start for start, _ in blocks], end)
    if first < last:
        offset = min(offset, blocks[first][0])
        end = max(end, ends[last - 1])
    return (*blocks[:first], (offset, end - offset), *blocks[last:])


def total(blocks: Iterable[Block]) -> int:
    """Bytes in all blocks."""
    return sum(size for _, size in blocks)
