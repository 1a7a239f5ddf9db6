"""The discovery protocol as one stream sees it."""

from __future__ import annotations

from services.cluster_manager.domain.catalog import Catalog, Endpoint
from services.cluster_manager.domain.resources import Client, Resources, ResourceType
from services.cluster_manager.domain.subscription import Request, Response, Stream
from tests.support.doors import door

ONE = Catalog.of([Endpoint("gateway", "gateway-1", "127.0.0.1", 1)])
TWO = Catalog.of([*ONE.endpoints, Endpoint("gateway", "gateway-2", "127.0.0.1", 2)])
EDS, CDS = ResourceType.ENDPOINTS, ResourceType.CLUSTER


def envoy_stream() -> Stream:
    return Stream(Client("envoy-1", is_envoy=True), Resources(door()))


def ask(stream: Stream, kind: ResourceType, *names: str) -> None:
    stream.hear(Request(kind, frozenset(names)))


def confirm(stream: Stream, response: Response, *names: str, error: str = "") -> None:
    stream.hear(Request(response.kind, frozenset(names), nonce=response.nonce, error=error))


def test_first_request_is_answered() -> None:
    stream = envoy_stream()
    ask(stream, EDS, "gateway")
    assert [each.kind for each in stream.due(ONE)] == [EDS]


def test_confirmation_brings_no_answer() -> None:
    stream = envoy_stream()
    ask(stream, EDS, "gateway")
    (response,) = stream.due(ONE)
    confirm(stream, response, "gateway")
    assert stream.due(ONE) == []


def test_change_is_sent_once_confirmed() -> None:
    stream = envoy_stream()
    ask(stream, EDS, "gateway")
    (first,) = stream.due(ONE)
    assert stream.due(TWO) == []
    confirm(stream, first, "gateway")
    (second,) = stream.due(TWO)
    assert second.answer.version != first.answer.version


def test_refused_answer_is_not_repeated() -> None:
    stream = envoy_stream()
    ask(stream, EDS, "gateway")
    (response,) = stream.due(ONE)
    confirm(stream, response, "gateway", error="cannot use it")
    assert stream.due(ONE) == []
    assert len(stream.due(TWO)) == 1


def test_other_names_bring_an_answer() -> None:
    stream = envoy_stream()
    ask(stream, EDS, "gateway")
    (response,) = stream.due(ONE)
    confirm(stream, response, "gateway", "metadata")
    (answer,) = (each.answer for each in stream.due(ONE))
    assert [each["cluster_name"] for each in answer.resources] == ["gateway", "metadata"]


def test_words_about_an_older_answer_are_ignored() -> None:
    stream = envoy_stream()
    ask(stream, EDS, "gateway")
    (first,) = stream.due(ONE)
    confirm(stream, first, "gateway")
    stream.due(TWO)
    confirm(stream, first)
    assert stream.due(TWO) == []


def test_clusters_come_before_their_endpoints() -> None:
    stream = envoy_stream()
    for kind in reversed(ResourceType):
        ask(stream, kind, *([] if kind in (CDS, ResourceType.LISTENER) else ["front_door"]))
    assert [each.kind for each in stream.due(ONE)] == list(ResourceType)


def test_new_clusters_are_followed_by_endpoints_though_unchanged() -> None:
    stream = envoy_stream()
    ask(stream, EDS, "gateway")
    (endpoints,) = stream.due(ONE)
    confirm(stream, endpoints, "gateway")
    ask(stream, CDS)
    assert [each.kind for each in stream.due(ONE)] == [CDS, EDS]


def test_unsubscribing_is_not_asking_for_all() -> None:
    stream = Stream(Client("gateway-1"), Resources(door()))
    ask(stream, CDS, "metadata")
    (response,) = stream.due(ONE)
    confirm(stream, response)
    (answer,) = (each.answer for each in stream.due(ONE))
    assert answer.resources == ()


def test_nothing_is_said_about_endpoints_before_they_are_known() -> None:
    stream = envoy_stream()
    ask(stream, CDS)
    ask(stream, EDS, "gateway")
    assert [each.kind for each in stream.due(None)] == [CDS]
    assert [each.kind for each in stream.due(ONE)] == [EDS]
