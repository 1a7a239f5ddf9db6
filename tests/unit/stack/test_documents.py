"""What operators read about ports and settings is what the stack does."""

from __future__ import annotations

import re

from stack.layout import OFFSETS, REPO
from stack.processes import PASSED_ON

RUNNING = (REPO / "docs/operations/running.md").read_text()


def test_every_port_is_documented() -> None:
    rows = re.findall(r"^\| (\+\d+[^|]*) \|[^|]*\| (`[^|]*) \|$", RUNNING, re.MULTILINE)
    documented = {}
    for offsets, names in rows:
        found = [int(each) for each in re.findall(r"\d+", offsets)]
        numbers = range(found[0], found[1] + 1) if " to " in offsets else found
        documented |= dict(zip(re.findall(r"`(\w+)`", names), numbers, strict=True))
    assert documented == OFFSETS


def test_every_setting_for_all_services_is_documented() -> None:
    assert [name for name in PASSED_ON if f"`{name}`" not in RUNNING] == []
