"""The conformance table of CDMI, made from the marks that tests bear. `make conformance` writes it."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.support.cdmi_clauses import CHAPTERS, Clause

REPO = Path(__file__).resolve().parents[2]
TABLE = REPO / "docs/cdmi-conformance.md"
_HEAD = """# Conformance to CDMI 1.1.1

Made by `make conformance` from the marks of the tests; a test fails while it is out of date. A clause is
*kept* when the tests named with it show it, on the whole stack (`system`, `fault`) or on its parts.
"""


def marked_tests(folder: Path) -> Iterator[tuple[str, str]]:
    """Clause and test (`file::name`, from the root) of every mark below a folder."""
    for file in sorted(folder.rglob("test_*.py")):
        if "mark.cdmi" not in (text := file.read_text()):
            continue
        where = file.relative_to(REPO)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for clause in _clauses_of(node):
                    yield clause, f"{where}::{node.name}"


def _clauses_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for mark in function.decorator_list:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.cdmi":
            yield from (str(ast.literal_eval(argument)) for argument in mark.args)


def by_clause(folder: Path) -> Mapping[str, Sequence[str]]:
    """The tests of each clause, in the order of their files."""
    found: dict[str, list[str]] = defaultdict(list)
    for clause, test in marked_tests(folder):
        found[clause].append(test)
    return found


def render(tests: Mapping[str, Sequence[str]]) -> str:
    """The whole page."""
    chapters = [
        f"## {title}\n\n| clause | asks | status | shown by |\n|---|---|---|---|\n"
        + "".join(_row(clause, tests.get(clause.id, ())) for clause in clauses)
        for title, clauses in CHAPTERS
    ]
    return "\n".join([_HEAD, *chapters])


def _row(clause: Clause, tests: Sequence[str]) -> str:
    status = "kept" if tests else f"not built: {clause.absent}"
    shown = "<br>".join(f"`{test.removeprefix('tests/')}`" for test in tests)
    return f"| {clause.id} | {clause.asks} | {status} | {shown} |\n"


if __name__ == "__main__":
    TABLE.write_text(render(by_clause(REPO / "tests")))
