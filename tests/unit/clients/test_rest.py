"""The Python client of a provider: what it asks and how it understands answers."""

from __future__ import annotations

import httpx
import pytest

from clients.http_api import ClientError, HttpApi, RefusedError, UnreachableError
from clients.rest import ProviderClient, encode_path, split_path
from tests.support.provider_twin import ProviderTwin


@pytest.fixture
def twin() -> ProviderTwin:
    return ProviderTwin()


@pytest.fixture
def provider(twin: ProviderTwin):
    with ProviderClient("https://provider", "token", transport=twin.transport) as client:
        yield client


def answering(answer: httpx.Response | Exception) -> HttpApi:
    def handle(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return HttpApi("https://provider", token="t", transport=httpx.MockTransport(handle))


def test_listing_goes_through_all_pages(provider: ProviderClient, twin: ProviderTwin) -> None:
    twin.page_size = 3
    for number in range(10):
        twin.write(f"space/f{number}", b"x" * number)
    entries = list(provider.children(provider.lookup("space")))
    assert [(entry.name, entry.size_bytes) for entry in entries] == [(f"f{n}", n) for n in range(10)]


def test_directories_are_made_once(provider: ProviderClient, twin: ProviderTwin) -> None:
    first = provider.make_directories("space/a/b")
    assert provider.make_directories("space/a/b") == first
    assert twin.find("space/a/b") is not None


def test_a_file_is_no_directory(provider: ProviderClient, twin: ProviderTwin) -> None:
    twin.write("space/a", b"")
    with pytest.raises(RefusedError) as caught:
        provider.make_directories("space/a")
    assert caught.value.errno == "enotdir"


def test_missing_files_are_told_apart(provider: ProviderClient) -> None:
    with pytest.raises(RefusedError) as caught:
        provider.lookup("space/nothing")
    assert caught.value.missing


def test_names_are_encoded_segment_by_segment() -> None:
    assert encode_path("space/a b/ü?#%2F") == "space/a%20b/%C3%BC%3F%23%252F"


@pytest.mark.parametrize("path", ["", "/", "./", "space/../x"])
def test_impossible_paths_are_refused(path: str) -> None:
    with pytest.raises(ClientError):
        split_path(path)


def test_download_continues_from_an_offset(provider: ProviderClient, twin: ProviderTwin) -> None:
    node = twin.write("space/f", b"0123456789")
    with provider.download(node.file_id, offset=4) as download:
        assert (download.offset, b"".join(download.pieces)) == (4, b"456789")
    assert download.version.size_bytes == 10


def test_the_reason_of_a_refused_token_is_told() -> None:
    inner = {"id": "tokenRevoked", "description": "The token has been revoked."}
    body = {"error": {"id": "unauthorized", "description": "No.", "details": {"authError": inner}}}
    with answering(httpx.Response(401, json=body)) as http, pytest.raises(RefusedError) as caught:
        http.request("GET", "/x")
    assert (caught.value.error_id, caught.value.description) == (
        "unauthorized",
        "The token has been revoked.",
    )


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"error": "x"}', b'{"error": {"id": 5, "details": 7}}']
)
def test_odd_error_bodies_still_make_one_line(body: bytes) -> None:
    with answering(httpx.Response(400, content=body)) as http, pytest.raises(RefusedError) as caught:
        http.request("GET", "/x")
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "answer", [httpx.Response(503), httpx.ConnectError("refused"), httpx.ReadTimeout("slow")]
)
def test_an_absent_server_is_unreachable(answer: httpx.Response | Exception) -> None:
    with answering(answer) as http, pytest.raises(UnreachableError):
        http.request("GET", "/x")


def test_an_answer_that_is_no_json_is_an_error(provider: ProviderClient) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=b"<html>"))
    with ProviderClient("https://p", "t", transport=transport) as other, pytest.raises(ClientError):
        other.configuration()
