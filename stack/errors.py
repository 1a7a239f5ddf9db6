"""What the stack's commands say when they cannot go on."""

from __future__ import annotations


class StackError(Exception):
    """One line for a person: what is wrong, and what to do about it.

    Commands print it to stderr and exit with 1; a traceback would only hide the remedy.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}. {remedy}")
