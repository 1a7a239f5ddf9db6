"""The conformance table says what the tests show, no more and no less."""

from __future__ import annotations

from tests.support.cdmi_clauses import CLAUSES
from tests.support.conformance import REPO, TABLE, by_clause, render

TESTS = by_clause(REPO / "tests")


def test_the_table_is_up_to_date() -> None:
    assert TABLE.read_text() == render(TESTS), "run `make conformance`"


def test_marks_name_clauses_there_are() -> None:
    assert TESTS.keys() <= CLAUSES.keys()


def test_a_clause_is_shown_by_tests_or_says_why_it_is_absent() -> None:
    unexplained = [id for id, clause in CLAUSES.items() if id not in TESTS and not clause.absent]
    assert not unexplained
    contradicted = [id for id, clause in CLAUSES.items() if id in TESTS and clause.absent]
    assert not contradicted
