"""One request is one trace, from the front door to metadata. A stack of its own sends its spans here."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.collector import SERVER_KIND, Collector, Span, running_collector
from tests.support.folder import API
from tests.support.stack import RunningStack, running_stack

# Services send their spans every five seconds, Envoy about as often.
ARRIVAL_TIMEOUT_S = 30.0


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with running_collector() as running:
        yield running


@pytest.fixture(scope="module")
def traced(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """One instance of each service: two would send nothing else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISTHMUS_OTLP_ENDPOINT", collector.url)
        patch.setenv("ISTHMUS_TRACE_SAMPLE_RATIO", "1")
        with running_stack(tmp_path_factory.mktemp("traced"), instances=1) as running:
            yield running


def trace_of(collector: Collector, stack: RunningStack, answer: httpx.Response, *services: str) -> list[Span]:
    """All spans of the request that got this answer, once all these services have sent theirs.

    Envoy's own span names the request as the answer does.
    """
    request_id = answer.headers["x-request-id"]

    def spans() -> list[Span]:
        own = [
            each for each in list(collector.spans) if each.attributes.get("guid:x-request-id") == request_id
        ]
        return collector.trace(own[0].trace) if own else []

    stack.wait_until(lambda: {each.service for each in spans()} >= {*services}, ARRIVAL_TIMEOUT_S)
    return spans()


def path_to(spans: list[Span], service: str) -> list[str]:
    """The services from the front door to the deepest span of `service`, each once."""
    by_id = {span.id: span for span in spans}
    found: list[str] = []
    for span in spans:
        path: list[str] = []
        at: Span | None = span if span.service == service else None
        while at is not None:
            if at.service not in path[:1]:
                path.insert(0, at.service)
            at = by_id.get(at.parent)
        found = max(found, path, key=len)
    return found


async def test_attributes_are_one_trace(collector: Collector, traced: RunningStack) -> None:
    async with traced.client() as client:
        answer = await client.get(f"{API}/data/{traced.space_id}")
    assert answer.status_code == 200
    road = ["envoy", "gateway", "metadata"]
    spans = trace_of(collector, traced, answer, *road)
    assert path_to(spans, "metadata") == road
    assert [span.service for span in spans if not span.parent] == ["envoy"]


async def test_content_is_one_trace_each_way(collector: Collector, traced: RunningStack) -> None:
    url = f"{API}/data/{traced.space_id}/path/traced.txt"
    async with traced.client() as client:
        answers = [await client.put(url, content=b"hello"), await client.get(url)]
    assert [answer.status_code for answer in answers] == [201, 200]
    road = ["envoy", "storage_router", "metadata"]
    traces = [trace_of(collector, traced, answer, *road) for answer in answers]
    for spans in traces:
        assert path_to(spans, "metadata") == road
        assert all(span.kind == SERVER_KIND for span in spans if span.service == "metadata")
    assert traces[0][0].trace != traces[1][0].trace


async def test_tokens_in_headers_stay_in_the_site(collector: Collector, traced: RunningStack) -> None:
    """Spans are kept elsewhere, by others."""
    async with traced.client() as client:
        answer = await client.get(f"{API}/data/{traced.space_id}")
    assert trace_of(collector, traced, answer, "envoy", "gateway")
    assert traced.token not in str(collector.spans)


async def test_health_checks_are_no_traces(collector: Collector, traced: RunningStack) -> None:
    async with traced.client() as client:
        answer = await client.get(f"{API}/data/{traced.space_id}")
    trace_of(collector, traced, answer, "envoy", "gateway", "metadata")  # what came before it has come, too
    names = {span.name for span in list(collector.spans)}
    assert not {name for name in names if "Health" in name or name in ("pages GET", "data_port.other")}
