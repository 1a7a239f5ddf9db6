"""A provider in memory behind httpx's transport: the routes that the Python client asks for, no more.

It keeps the promises the client relies on (whole uploads are all or nothing, offset writes leave the
rest, a range is cut at the end) and can break off a body on request.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, field
from urllib.parse import unquote

import httpx

CONTENT = re.compile(r"/api/v3/oneprovider/data/(\w+)/content")
CHILDREN = re.compile(r"/api/v3/oneprovider/data/(\w+)/children")
DATA = re.compile(r"/api/v3/oneprovider/data/(\w+)")


@dataclass
class Node:
    """A directory, or a file with its content and how often it was changed."""

    file_id: str
    name: str
    children: dict[str, Node] | None = None
    content: bytes = b""
    changes: int = 0


class BreakingBody(httpx.SyncByteStream):
    """A body that ends in a broken connection after some bytes."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self):
        yield self._content
        raise httpx.ReadError("connection broke")


@dataclass
class ProviderTwin:
    """Use `transport` for a `ProviderClient`. `requests` are all it was asked, as `METHOD path`."""

    page_size: int = 1000
    requests: list[str] = field(default_factory=list)
    #: Bytes after which the next downloads break off.
    break_downloads_after: list[int] = field(default_factory=list)
    #: Bytes of content after which the next uploads break off.
    break_uploads_after: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ids = (f"{number:032X}" for number in itertools.count(1))
        self._nodes: dict[str, Node] = {}
        self.root = Node("ROOT", "", {})
        self.space = self._add(self.root, "space", directory=True)
        self.transport = httpx.MockTransport(self._answer)

    def _add(self, parent: Node, name: str, *, directory: bool = False) -> Node:
        node = Node(next(self._ids), name, {} if directory else None)
        assert parent.children is not None
        parent.children[name] = self._nodes[node.file_id] = node
        return node

    def find(self, path: str) -> Node | None:
        """What is at `SPACE/dir/file`."""
        node: Node | None = self.root
        for name in filter(None, path.split("/")):
            node = (node.children or {}).get(name) if node else None
        return node

    def write(self, path: str, content: bytes) -> Node:
        """Puts a file there, with the directories above it."""
        *above, name = path.split("/")
        parent = self.root
        for step in above:
            assert parent.children is not None
            parent = parent.children.get(step) or self._add(parent, step, directory=True)
        assert parent.children is not None
        node = parent.children.get(name) or self._add(parent, name)
        node.content, node.changes = content, node.changes + 1
        return node

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = unquote(request.url.raw_path.decode().partition("?")[0])
        self.requests.append(f"{request.method} {path}")
        if path.startswith("/api/v3/oneprovider/lookup-file-id/"):
            found = self.find(path.removeprefix("/api/v3/oneprovider/lookup-file-id/"))
            return httpx.Response(200, json={"fileId": found.file_id}) if found else _posix("enoent")
        if path.startswith("/cdmi/"):
            return self._cdmi(request, path.removeprefix("/cdmi/"))
        for pattern, answer in ((CONTENT, self._content), (CHILDREN, self._children), (DATA, self._data)):
            if match := pattern.fullmatch(path):
                node = self._nodes.get(match[1])
                return answer(request, node) if node else _posix("enoent")
        return httpx.Response(404)

    def _cdmi(self, request: httpx.Request, path: str) -> httpx.Response:
        path = path.rstrip("/")
        parent, _, name = path.rpartition("/")
        where = self.find(parent)
        if where is None or where.children is None:
            return _posix("enoent")
        if request.headers["content-type"].startswith("application/cdmi-"):
            source = json.loads(request.read())["move"].rstrip("/")
            moved, old = self.find(source), self.find(source.rpartition("/")[0])
            if moved is None or old is None or old.children is None:
                return _posix("enoent")
            del old.children[moved.name]
            moved.name = name
            where.children[name] = moved
            return httpx.Response(201, json={})
        self.write(path, self._body(request))
        return httpx.Response(201)

    def _body(self, request: httpx.Request) -> bytes:
        body = request.read()
        if self.break_uploads_after and self.break_uploads_after[0] < len(body):
            self.break_uploads_after.pop(0)
            raise httpx.WriteError("connection broke")
        return body

    def _content(self, request: httpx.Request, node: Node) -> httpx.Response:
        if request.method == "PUT":
            offset, body = int(request.url.params["offset"]), self._body(request)
            before = node.content.ljust(offset, b"\0")
            node.content = before[:offset] + body + before[offset + len(body) :]
            node.changes += 1
            return httpx.Response(204)
        headers = {"etag": f'"{node.file_id}-{node.changes}"', "content-length": str(len(node.content))}
        if request.method == "HEAD":
            return httpx.Response(200, headers=headers)
        content, status = node.content, 200
        if wanted := request.headers.get("range"):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            content, status = content[start:], 206
            headers["content-range"] = f"bytes {start}-{len(node.content) - 1}/{len(node.content)}"
            headers["content-length"] = str(len(content))
        if self.break_downloads_after:
            cut = self.break_downloads_after.pop(0)
            return httpx.Response(status, headers=headers, stream=BreakingBody(content[:cut]))
        return httpx.Response(status, headers=headers, content=content)

    def _children(self, request: httpx.Request, node: Node) -> httpx.Response:
        if request.method == "POST":
            name = request.url.params["name"]
            if name in (node.children or {}):
                return _posix("eexist")
            made = self._add(node, name, directory=request.url.params.get("type") == "DIR")
            return httpx.Response(201, json={"fileId": made.file_id})
        asked = json.loads(request.read() or b"{}")
        start = asked.get("token") or asked.get("index") or ""
        names = [name for name in sorted(node.children or {}) if name >= start]
        limit = min(asked.get("limit", 1000), self.page_size)
        page, rest = names[:limit], names[limit:]
        children = [_attributes((node.children or {})[name]) for name in page]
        token = rest[0] if rest else "end"
        return httpx.Response(200, json={"children": children, "isLast": not rest, "nextPageToken": token})

    def _data(self, request: httpx.Request, node: Node) -> httpx.Response:
        if request.method == "DELETE":
            parents = [self.root, *self._nodes.values()]
            for parent in parents:
                if parent.children and parent.children.get(node.name) is node:
                    del parent.children[node.name]
            return httpx.Response(204)
        return httpx.Response(200, json=_attributes(node))


def _attributes(node: Node) -> dict[str, object]:
    return {
        "fileId": node.file_id,
        "name": node.name,
        "type": "REG" if node.children is None else "DIR",
        "size": len(node.content),
        "mtime": 1733000000,
        "posixPermissions": "664",
        "ownerUserId": "u1",
        "originProviderId": "p1",
    }


def _posix(errno: str) -> httpx.Response:
    body = {"error": {"id": "posix", "description": f"failed with {errno}", "details": {"errno": errno}}}
    return httpx.Response(400, json=body)
