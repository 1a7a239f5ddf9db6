"""Asking a server what a model does, and comparing."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx

from tests.support.cdmi_model import BASE64, UTF8, Entry, Expected, Model, Path, Refused
from tests.support.folder import Folder, V

#: Longest until another gateway has gone on with a copy: a lease of 30 s, the next look, the work itself.
COPY_ENDS_S = 90.0


class Asking:
    """Asks in one folder, whose model this is."""

    def __init__(self, folder: Folder, model: Model) -> None:
        self._folder = folder
        self._http = folder.http
        self._model = model

    def url(self, path: Path, *, container: bool = False) -> str:
        """Where it is asked for."""
        return self._folder.cdmi() + "".join(f"/{quote(name, safe='')}" for name in path) + "/" * container

    async def ask(
        self, method: str, url: str, effect: Callable[[], int], **request: Any
    ) -> httpx.Response | None:
        """Compares with what the model does; the answer where both succeeded."""
        try:
            expected = Expected(effect())
        except Refused as refusal:
            expected = refusal.expected
        answer = await self._http.request(method, url, **request)
        if answer.status_code == 202 and expected.status == 201:
            return await self._completed(answer.headers["location"])
        assert expected.fits(answer), (
            f"{method} {url} {str(request)[:300]}: {answer.status_code} {answer.text[:300]}, not {expected}"
        )
        return answer if answer.is_success else None

    async def _completed(self, url: str) -> httpx.Response:
        """What a copy became that goes on by itself, since whoever worked at it was killed."""
        async with asyncio.timeout(COPY_ENDS_S):
            while True:
                answer = await self._http.get(url, headers=V)
                told = answer.json()["completionStatus"]
                if told != "Processing":
                    assert told == "Complete", f"{url}: {told}"
                    return answer
                await asyncio.sleep(0.2)

    def told(self, entry: Entry, part: tuple[int, int] | None = None) -> tuple[str, str]:
        """How the value, or a part of it, is told: its encoding, and the text."""
        content = entry.content if part is None else entry.content[part[0] : part[1] + 1]
        if entry.encoding == UTF8:
            try:
                return UTF8, content.decode()
            except UnicodeDecodeError:
                pass
        return BASE64, base64.b64encode(content).decode()

    async def compare_entry(self, path: Path, entry: Entry) -> None:
        """Reads all of it and compares."""
        container = entry.children is not None
        answer = await self._http.get(self.url(path, container=container), headers=V)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:300])
        self.compare_told(path, entry, answer.json())

    def compare_told(self, path: Path, entry: Entry, told: dict[str, Any]) -> None:
        """Compares what an answer with all fields tells."""
        items = {name: item for name, item in told["metadata"].items() if not name.startswith("cdmi_")}
        assert items == entry.items, (path, items, entry.items)
        assert told["completionStatus"] == "Complete"
        if entry.children is not None:
            assert told["children"] == self.children(entry), path
            return
        assert told["mimetype"] == entry.mimetype, path
        assert told["metadata"]["cdmi_size"] == str(len(entry.content)), path
        assert (told["valuetransferencoding"], told["value"]) == self.told(entry), path

    @staticmethod
    def children(entry: Entry) -> list[str]:
        """Names as they are listed."""
        children = sorted((entry.children or {}).items(), key=lambda child: child[0].encode())
        return [f"{name}/" if child.children is not None else name for name, child in children]

    def learn_id(self, path: Path, answer: httpx.Response | None) -> None:
        """Notes the object id that an answer tells; it never changes."""
        entry = self._model.find(path)
        if answer is not None and entry is not None and answer.content:
            told = answer.json()["objectID"]
            assert entry.id in ("", told), f"{path} changed its id"
            entry.id = told
