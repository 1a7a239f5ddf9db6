from __future__ import annotations

import io
import json
import logging as standard
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from runtime import logging, request
from runtime.auth import as_caller
from runtime.clock import ManualClock
from runtime.config import RuntimeSettings
from runtime.identity import Identity, Kind


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = standard.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    standard.captureWarnings(False)
    structlog.reset_defaults()


def configured(**fields: Any) -> io.StringIO:
    stream = io.StringIO()
    settings = RuntimeSettings(instance_id="x-1", cluster_key_file=Path("k"), **fields)
    logging.configure(settings, stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_line_of_json():
    stream = configured()
    structlog.get_logger("a.b").info("upload_finished", size_bytes=3)
    (line,) = lines(stream)
    assert (
        line.items()
        >= {"event": "upload_finished", "size_bytes": 3, "level": "info", "logger": "a.b"}.items()
    )
    assert line.items() >= {"service": "isthmus", "instance_id": "x-1"}.items()


def test_the_request_under_way_is_told():
    stream = configured()
    user = Identity(kind=Kind.USER, subject_id="u1")
    with request.bind(request_id="r1", rpc="/a.B/C"), as_caller(user, b""):
        structlog.get_logger("a").info("decided")
    assert lines(stream)[0].items() >= {"request_id": "r1", "rpc": "/a.B/C", "caller": "user:u1"}.items()


def test_records_of_libraries_look_the_same():
    stream = configured()
    standard.getLogger("some.library").warning("it %s", "broke")
    (line,) = lines(stream)
    assert line.items() >= {"event": "it broke", "level": "warning", "logger": "some.library"}.items()
    assert line["instance_id"] == "x-1"


def test_a_traceback_stays_on_its_line():
    stream = configured()
    try:
        raise KeyError("k")
    except KeyError:
        structlog.get_logger("a").exception("failed")
    assert "KeyError" in lines(stream)[0]["exception"]


def test_what_is_below_the_level_is_left_out():
    stream = configured(log_level="warning")
    structlog.get_logger("a").info("detail")
    standard.getLogger("pymongo").info("chatter")
    assert stream.getvalue() == ""


def test_people_get_columns():
    stream = configured(log_format="console")
    structlog.get_logger("a").info("upload_finished", size_bytes=3)
    assert "upload_finished" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_lines_that_everybody_writes_are_few() -> None:
    clock = ManualClock()
    lines = logging.Sparingly(3, clock.monotonic_s)
    assert [lines.admits() for _ in range(5)] == [True, True, True, False, False]
    clock.advance(1)
    assert lines.admits()
    assert (lines.take_untold(), lines.take_untold()) == (2, 0)
