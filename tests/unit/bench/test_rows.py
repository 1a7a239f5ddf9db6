"""How the bench turns rounds into ratios and verdicts."""

from __future__ import annotations

import itertools

import pytest

from bench.report import Report
from bench.rows import Limit, Ratio, Result, Row, measure

ROW = Row("r", "/s", {"ours": lambda: 1.0, "theirs": lambda: 1.0}, (Ratio("ours", "theirs", 2.0),))


def result(ours: list[float], theirs: list[float]) -> Result:
    return Result(ROW, {"ours": ours, "theirs": theirs})


def test_a_disturbed_round_disturbs_both_sides() -> None:
    assert result([30, 3, 33], [10, 1, 11]).ratio(ROW.ratios[0]) == 3


def test_the_first_round_is_not_counted() -> None:
    speeds = itertools.count(1)
    row = Row("r", "/s", {"only": lambda: float(next(speeds))}, ())
    assert measure(row, 3, lambda _line: None).speeds["only"] == [2, 3, 4]


def test_every_way_is_made_ready_for() -> None:
    ready: list[int] = []
    row = Row("r", "/s", {"a": lambda: 1.0, "b": lambda: 1.0}, (), lambda: ready.append(1))
    measure(row, 2, lambda _line: None)
    assert len(ready) == 6


@pytest.mark.parametrize(("ours", "growth", "holds"), [(20, 10, True), (19, 10, False), (20, 65, False)])
def test_a_report_holds_when_all_that_is_owed_does(ours: float, growth: float, holds: bool) -> None:
    limits = [Limit("growth", growth, 64, "MiB"), Limit("told only", 1e9, None, "MiB")]
    assert Report({}, 1, [result([ours], [10])], limits).holds is holds


def test_the_document_has_both_tables(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.report.DOCUMENT", tmp_path / "performance.md")
    Report({"cores": "2"}, 1, [result([15], [10])], [Limit("growth", 3.0, 64, "MiB")]).write()
    text = (tmp_path / "performance.md").read_text()
    assert "| r | ours / theirs | 15 /s | 10 /s | 1.50 | ≥ 2 | **no** |" in text
    assert "| growth | 3 MiB | ≤ 64 MiB | yes |  |" in text
