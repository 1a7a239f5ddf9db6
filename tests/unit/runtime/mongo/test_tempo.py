"""How often a change stream asks the server, by how much is written there."""

from __future__ import annotations

import itertools

import pytest
from bson import Timestamp

from runtime.mongo.change_cursor import (
    AWAIT_MS,
    BATCH_SIZE,
    BUSY_PACE_S,
    BUSY_WRITES_PER_S,
    LOOK_MS,
    Reading,
    Tempo,
)

PACE_S = 0.02


class Server:
    """Writes at an even pace; tells the time of its last write. Begins in the middle of a second."""

    def __init__(self) -> None:
        self.now_s = 1000.4
        self._written = Timestamp(1000, 1)

    def write_for(self, seconds: float, writes_per_s: float) -> None:
        step_s = 1 / writes_per_s
        end_s = self.now_s + seconds
        while self.now_s + step_s <= end_s:
            self.now_s += step_s
            same = int(self.now_s) == self._written.time
            self._written = Timestamp(int(self.now_s), self._written.inc + 1 if same else 1)
        self.now_s = end_s

    def reading(self, changes: int = 0) -> Reading:
        return Reading([{}] * changes, {"_data": "82"}, self._written)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def tempo(server: Server) -> Tempo:
    return Tempo(PACE_S, lambda: server.now_s)


def follow(server: Server, tempo: Tempo, seconds: float, writes_per_s: float) -> list[int]:
    """Asks as a follower does of whom nothing concerns it; how long each question would wait."""
    waits, end_s = [], server.now_s + seconds
    while server.now_s < end_s:
        waits.append(tempo.wait_ms)
        server.write_for(tempo.wait_ms / 1000 + tempo.pause_s(server.reading()), writes_per_s)
    return waits


def test_a_quiet_server_is_asked_with_patience(server: Server, tempo: Tempo) -> None:
    assert set(follow(server, tempo, 20, writes_per_s=3)) == {AWAIT_MS}


@pytest.mark.parametrize("writes_per_s", [2 * BUSY_WRITES_PER_S, 1500, 20_000])
def test_a_busy_server_is_looked_at_now_and_then(server: Server, tempo: Tempo, writes_per_s: int) -> None:
    follow(server, tempo, 20, writes_per_s)
    waits = follow(server, tempo, 20, writes_per_s)
    assert set(waits) == {LOOK_MS}
    assert len(waits) <= 20 / BUSY_PACE_S + 1


def test_patience_comes_back_with_the_quiet(server: Server, tempo: Tempo) -> None:
    follow(server, tempo, 20, writes_per_s=1500)
    waits = follow(server, tempo, 10, writes_per_s=3)
    patient = list(itertools.dropwhile(lambda wait_ms: wait_ms == LOOK_MS, waits))
    assert set(patient) == {AWAIT_MS}
    assert (len(waits) - len(patient)) * BUSY_PACE_S < 3


def test_patience_comes_back_when_nothing_is_written_at_all(server: Server, tempo: Tempo) -> None:
    follow(server, tempo, 20, writes_per_s=1500)
    for _ in range(10):
        server.now_s += BUSY_PACE_S
        tempo.pause_s(server.reading())
    assert tempo.wait_ms == AWAIT_MS


def test_one_large_write_is_not_a_busy_server_for_long(server: Server, tempo: Tempo) -> None:
    tempo.pause_s(server.reading())
    server.write_for(0.3, writes_per_s=5000)
    tempo.pause_s(server.reading())
    assert tempo.wait_ms == LOOK_MS
    follow(server, tempo, 10, writes_per_s=3)
    assert tempo.wait_ms == AWAIT_MS


def test_changes_of_a_quiet_server_are_paced(server: Server, tempo: Tempo) -> None:
    assert tempo.pause_s(server.reading()) == 0
    assert tempo.pause_s(server.reading(changes=1)) == PACE_S


def test_a_full_answer_is_followed_by_the_next_question(server: Server, tempo: Tempo) -> None:
    follow(server, tempo, 20, writes_per_s=1500)
    assert tempo.pause_s(server.reading(changes=BATCH_SIZE)) == 0
