"""The stream of changes: what it takes, what it tells, and how it ends."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from runtime.errors import Unavailable
from runtime.http.file_ids import encode
from runtime.identity import DataCaveats
from tests.support.gateway import PROVIDER_ID, GatewayTwin
from tests.support.journal import Journal

API = "/api/v3/oneprovider"
URL = f"{API}/changes/metadata/home1"
META: dict[str, Any] = {"fileMeta": {"fields": ["name", "type", "mode", "deleted"]}}


def error(answer: httpx.Response) -> tuple[int, str, object]:
    told = answer.json()["error"]
    return answer.status_code, told["id"], told.get("details")


class Listener:
    """Reads a stream to its end, which comes soon."""

    def __init__(self, gateway: GatewayTwin) -> None:
        self.gateway = gateway
        self.journal = Journal(gateway.metadata.stores)

    async def lines(self, wanted: Any, query: str = "last_seq=0&timeout=0") -> list[dict[str, Any]]:
        self.journal.note()
        answer = await self.gateway.http.post(f"{URL}?{query}", json=wanted)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        assert answer.content == b"" or answer.content.endswith(b"\r\n")
        return [json.loads(line) for line in answer.content.split(b"\r\n")[:-1]]

    async def of(self, name: str, wanted: Any) -> list[dict[str, Any]]:
        """Lines about one file."""
        return [line for line in await self.lines(wanted) if line["filePath"] == f"/home/{name}"]


@pytest.fixture
def listener(gateway: GatewayTwin) -> Listener:
    return Listener(gateway)


@pytest.mark.parametrize(
    ("wanted", "id", "details"),
    [
        ([], "badValueJSON", {"key": "changesSpecification"}),
        ({}, "badValueEmpty", {"key": "changesSpecification"}),
        ({"triggers": ["times"]}, "badValueEmpty", {"key": "changesSpecification"}),
        ({"nope": {}}, "badData", {"key": "nope"}),
        ({"times": []}, "badData", {"key": "times"}),
        ({**META, "triggers": "times"}, "badValueListOfStrings", {"key": "triggers"}),
        (
            {**META, "triggers": ["x"]},
            "badValueNotAllowed",
            {"key": "triggers", "allowed": ["fileMeta", "fileLocation", "times", "customMetadata"]},
        ),
        ({"times": {"fields": "mtime"}}, "badValueListOfStrings", {"key": "times.fields"}),
        (
            {"times": {"fields": ["name"]}},
            "badValueNotAllowed",
            {"key": "times.fields", "allowed": ["atime", "mtime", "ctime"]},
        ),
        ({"times": {"always": "yes"}}, "badValueBoolean", {"key": "times.always"}),
        ({"customMetadata": {"exists": [1]}}, "badValueListOfStrings", {"key": "customMetadata.exists"}),
    ],
)
async def test_bad_specifications(gateway: GatewayTwin, wanted: Any, id: str, details: object) -> None:
    assert error(await gateway.http.post(URL, json=wanted)) == (400, id, details)


async def test_bodies_that_are_no_json(gateway: GatewayTwin) -> None:
    headers = {"content-type": "application/json"}
    answer = await gateway.http.post(URL, content=b"{", headers=headers)
    assert error(answer) == (400, "badValueJSON", {"key": "changesSpecification"})
    assert error(await gateway.http.post(URL))[:2] == (400, "badValueEmpty")
    plain = await gateway.http.post(URL, content=b"{}", headers={"content-type": "text/plain"})
    assert (plain.status_code, plain.content) == (415, b"")


@pytest.mark.parametrize(
    ("query", "id", "key"),
    [
        ("timeout=x", "badValueInteger", "timeout"),
        ("last_seq=x", "badValueInteger", "last_seq"),
        ("timeout=-1", "badValueTooLow", "timeout"),
        ("last_seq=-1", "badValueTooLow", "last_seq"),
    ],
)
async def test_bad_parameters(gateway: GatewayTwin, query: str, id: str, key: str) -> None:
    status, told, details = error(await gateway.http.post(f"{URL}?{query}", json=META))
    assert (status, told) == (400, id)
    assert details["key"] == key  # type: ignore[index]


@pytest.mark.parametrize(
    ("token", "space_id", "status", "id"),
    [
        ("member", "home1", 403, "forbidden"),
        ("stranger", "home1", 403, "forbidden"),
        ("owner", "nowhere", 403, "forbidden"),
        ("owner", "away1", 403, "forbidden"),
        ("bad", "home1", 401, "unauthorized"),
    ],
)
async def test_the_privilege_goes_before_everything(
    gateway: GatewayTwin, token: str, space_id: str, status: int, id: str
) -> None:
    answer = await gateway.http.post(
        f"{API}/changes/metadata/{space_id}?timeout=x", json=[], headers={"x-auth-token": token}
    )
    assert error(answer)[:2] == (status, id)


async def test_confined_tokens_are_refused(gateway: GatewayTwin) -> None:
    owner = gateway.tokens.identities["owner"]
    gateway.tokens.identities["confined"] = replace(owner, caveats=DataCaveats(readonly=True))
    answer = await gateway.http.post(URL, json=META, headers={"x-auth-token": "confined"})
    status, id, details = error(answer)
    assert (status, id) == (401, "unauthorized")
    assert details["authError"]["id"] == "tokenCaveatUnverified"  # type: ignore[index]


async def test_a_line_has_what_was_asked_for(gateway: GatewayTwin, listener: Listener) -> None:
    file = await gateway.make("a")
    [line] = await listener.of("a", META)
    told = line.pop("fileMeta")
    assert line.keys() == {"fileId", "filePath", "seq"}
    assert line["fileId"] == file
    assert told.pop("rev").startswith("1-")
    assert told == {
        "mutators": [PROVIDER_ID],
        "changed": True,
        "deleted": False,
        "fields": {"name": "a", "type": "REG", "mode": 0o664, "deleted": False},
    }


async def test_the_directory_of_the_space_has_its_name(listener: Listener) -> None:
    lines = await listener.lines(META)
    [root] = [line for line in lines if line["filePath"] == "/home"]
    assert root["fileMeta"]["fields"]["name"] == "home"


async def test_changed_is_true_in_exactly_one_section(gateway: GatewayTwin, listener: Listener) -> None:
    await gateway.make("a")
    listener.journal.note()
    headers = {"x-cdmi-specification-version": "1.1.1", "content-type": "application/cdmi-object"}
    await gateway.http.put("/cdmi/home/a", json={"value": "hello"}, headers=headers)
    wanted = {
        "fileMeta": {"fields": ["name"], "always": True},
        "fileLocation": {"fields": ["size", "storage_file_created"], "always": True},
        "times": {"fields": ["mtime"], "always": True},
        "customMetadata": {"fields": ["onedata_keyvalue", "k"], "exists": ["onedata_json"], "always": True},
    }
    lines = await listener.of("a", wanted)
    assert len(lines) >= 3
    for line in lines:
        assert [section["changed"] for section in line.values() if isinstance(section, dict)].count(True) == 1
        assert line["fileLocation"]["fields"] == {"size": 5, "storage_file_created": True}
        assert line["customMetadata"]["fields"] == {"onedata_keyvalue": None, "k": None}
        assert line["customMetadata"]["exists"] == {"onedata_json": False}


async def test_custom_metadata_is_told_by_key(gateway: GatewayTwin, listener: Listener) -> None:
    file = await gateway.make("a")
    await gateway.http.put(f"{API}/data/{file}/metadata/xattrs", json={"k": {"x": 1}, "l": 2})
    await gateway.http.put(f"{API}/data/{file}/metadata/json", json={"doc": True})
    wanted = {"customMetadata": {"fields": ["k", "onedata_keyvalue", "onedata_json", "no"], "exists": ["l"]}}
    [line] = await listener.of("a", wanted)
    assert line["customMetadata"]["fields"] == {
        "k": {"x": 1},
        "onedata_keyvalue": {"k": {"x": 1}, "l": 2},
        "onedata_json": {"doc": True},
        "no": None,
    }
    assert line["customMetadata"]["exists"] == {"l": True}


async def test_triggers_say_what_counts(gateway: GatewayTwin, listener: Listener) -> None:
    await gateway.make("a")
    wanted = {"triggers": ["times"], "fileMeta": {"fields": ["name"], "always": True}}
    [line] = await listener.of("a", wanted)
    assert line["fileMeta"]["changed"] is False
    assert await listener.of("a", {"triggers": ["times"], "fileMeta": {"fields": ["name"]}}) == []
    assert await listener.of("a", {**META, "triggers": []}) == []


async def test_a_deleted_file_has_no_path(gateway: GatewayTwin, listener: Listener) -> None:
    file = await gateway.make("a")
    await gateway.http.delete(f"{API}/data/{file}")
    [line] = [line for line in await listener.lines(META) if line["fileId"] == file]
    assert (line["filePath"], line["fileMeta"]["deleted"]) == ("", True)
    assert line["fileMeta"]["fields"]["deleted"] is True


async def test_a_directory_in_the_trash_is_deleted_under_its_name(
    gateway: GatewayTwin, listener: Listener
) -> None:
    directory = await gateway.make("d", type="DIR")
    await gateway.http.delete(f"{API}/data/{directory}")
    [line] = [line for line in await listener.lines(META) if line["fileId"] == directory]
    assert line["fileMeta"]["fields"] == {"name": "d", "type": "DIR", "mode": 0o775, "deleted": True}


async def test_a_reader_goes_on_behind_any_line(gateway: GatewayTwin, listener: Listener) -> None:
    for name in "abc":
        await gateway.make(name)
    wanted = {**META, "times": {"fields": ["ctime"]}}
    lines = await listener.lines(wanted)
    for position, line in enumerate(lines):
        rest = await listener.lines(wanted, f"timeout=0&last_seq={line['seq']}")
        assert rest == lines[position + 1 :]


async def test_now_begins_with_what_comes(gateway: GatewayTwin, listener: Listener) -> None:
    await gateway.make("a")
    assert await listener.lines(META, "timeout=0") == []
    task = asyncio.create_task(listener.lines(META, "last_seq=now&timeout=1000"))
    await asyncio.sleep(0.05)
    await gateway.make("b")
    listener.journal.note()
    assert [line["filePath"] for line in await task] == ["/home/b"]


async def test_a_reader_whose_token_ended_hears_no_more(gateway: GatewayTwin, listener: Listener) -> None:
    task = asyncio.create_task(listener.lines(META, "timeout=20000"))
    await asyncio.sleep(0.05)
    await gateway.make("b")
    del gateway.tokens.identities["owner"]
    gateway.clock.advance(31)
    listener.journal.note()
    assert await task == []


async def test_streams_are_limited(gateway: GatewayTwin, listener: Listener) -> None:
    listener.journal.note()
    tasks = [asyncio.create_task(gateway.http.post(f"{URL}?timeout=300", json=META)) for _ in range(2)]
    await asyncio.sleep(0.05)
    assert error(await gateway.http.post(URL, json=META))[:2] == (503, "temporaryFailure")
    assert [answer.status_code for answer in await asyncio.gather(*tasks)] == [200, 200]
    assert (await gateway.http.post(f"{URL}?timeout=0", json=META)).status_code == 200


async def test_a_log_that_is_away_at_the_beginning_is_503(gateway: GatewayTwin) -> None:
    gateway.metadata.away = Unavailable()
    assert error(await gateway.http.post(URL, json=META)) == (503, "serviceUnavailable", None)


async def test_ids_are_those_of_files(gateway: GatewayTwin, listener: Listener) -> None:
    lines = await listener.lines(META)
    assert encode("home1", "space_home1") in [line["fileId"] for line in lines]
