"""One directory of a space over HTTPS, and the requests that system tests make in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx

API = "/api/v3/oneprovider"
V = {"x-cdmi-specification-version": "1.1.1"}
OBJECT = {**V, "content-type": "application/cdmi-object"}
CONTAINER = {**V, "content-type": "application/cdmi-container"}
#: What Onedata's clients send with every request, body or none.
CLIENT = {"content-type": "application/json"}


@dataclass
class Folder:
    """`SPACE/NAME`. Paths given to its methods are relative to it and not encoded."""

    http: httpx.AsyncClient
    space: str
    space_id: str
    name: str
    id: str = field(default="", init=False)

    async def make(self) -> None:
        """Makes the directory itself."""
        answer = await self.http.put(
            f"{API}/data/{self.space_id}/path/{self.name}?type=DIR&mode=777", headers=CLIENT
        )
        assert answer.status_code == 201, answer.text
        self.id = answer.json()["fileId"]

    async def remove(self) -> None:
        """Removes it with all in it."""
        await self.http.delete(f"{API}/data/{self.id}")

    def path(self, relative: str = "") -> str:
        """`SPACE/NAME/...`, percent-encoded."""
        return quote("/".join(filter(None, (self.space, self.name, relative))))

    def cdmi(self, relative: str = "") -> str:
        """The CDMI URL of something in here; a container's ends in a slash."""
        return f"/cdmi/{self.path(relative)}"

    async def create(self, path: str, **query: str) -> httpx.Response:
        """Creates as Onedata's clients do: no body, yet a content type."""
        return await self.http.put(
            f"{API}/data/{self.space_id}/path/{quote(f'{self.name}/{path}')}", params=query, headers=CLIENT
        )

    async def put(self, path: str, content: bytes, **query: str) -> str:
        """A file with this content; its id."""
        answer = await self.create(path, type="REG", **query)
        assert answer.status_code == 201, answer.text
        id = str(answer.json()["fileId"])
        stored = await self.http.put(f"{API}/data/{id}/content", content=content)
        assert stored.status_code == 204, stored.text
        return id

    async def lookup(self, path: str) -> httpx.Response:
        """The look-up of a path."""
        return await self.http.post(f"{API}/lookup-file-id/{self.path(path)}", headers=CLIENT)

    async def attributes(self, id: str, *names: str) -> dict[str, object]:
        """Attributes asked for as the clients do, in the body of a GET."""
        answer = await self.http.request("GET", f"{API}/data/{id}", json={"attributes": list(names)})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def object(self, path: str, body: Mapping[str, object], **headers: str) -> httpx.Response:
        """A CDMI PUT of a data object."""
        return await self.http.put(self.cdmi(path), json=body, headers={**OBJECT, **headers})


def error(answer: httpx.Response) -> tuple[int, str, object]:
    """Status, id and details of an error answer."""
    assert answer.headers["content-type"] == "application/json", answer.text
    told = answer.json()["error"]
    assert told["description"]
    return answer.status_code, told["id"], told.get("details")


def errno(answer: httpx.Response) -> str:
    """The errno of a POSIX error, which is 400 whatever it is."""
    status, id, details = error(answer)
    assert (status, id) == (400, "posix"), answer.text
    assert isinstance(details, dict)
    return str(details["errno"])
