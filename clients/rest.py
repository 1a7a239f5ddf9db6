"""A small Python client of a provider: its REST API, and CDMI where REST has no such request.

    with ProviderClient("https://localhost:9443", token, ca_file=Path(".run/ca.pem")) as provider:
        provider.upload("space/dir/report.pdf", Path("report.pdf").read_bytes())
        for entry in provider.children(provider.lookup("space/dir")):
            print(entry.name, entry.size_bytes)

Remote paths are `SPACE/dir/file`. Nothing here holds a whole file in memory unless the caller does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import httpx

from clients.http_api import ClientError, Content, HttpApi, RefusedError, json_object

API = "/api/v3/oneprovider"
PAGE_SIZE = 1000
CDMI_HEADERS = {"x-cdmi-specification-version": "1.1.1"}
#: What is asked of each file: enough for listings, transfers and `stat`.
ATTRIBUTES = (
    "fileId", "name", "type", "size", "mtime", "posixPermissions", "ownerUserId", "originProviderId",
)  # fmt: skip

FileType = Literal["REG", "DIR", "SYMLNK"]


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A file, directory or symbolic link. `mtime_s`: seconds since the epoch; `mode`: octal digits."""

    file_id: str
    name: str
    type: FileType
    size_bytes: int
    mtime_s: int
    mode: str
    owner_id: str
    provider_id: str

    @property
    def is_directory(self) -> bool:
        """Whether it has children."""
        return self.type == "DIR"


@dataclass(frozen=True, slots=True)
class RemoteVersion:
    """What tells one content of a file from the next: its size and its entity tag or time of change."""

    size_bytes: int
    tag: str


@dataclass(frozen=True, slots=True)
class Download:
    """A body that is being received. `offset` is where it begins: 0 when a range was not honoured."""

    version: RemoteVersion
    offset: int
    pieces: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class ProviderInfo:
    """What a provider says of itself to anybody."""

    provider_id: str
    name: str
    domain: str
    version: str


class ProviderClient:
    """One provider, as one user. Safe to share between threads. Methods raise what `HttpApi` raises."""

    def __init__(
        self,
        url: str,
        token: str | None,
        *,
        ca_file: Path | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        #: For requests that have no method here.
        self.http = HttpApi(url, token=token, ca_file=ca_file, transport=transport)

    def close(self) -> None:
        """Closes the connections."""
        self.http.close()

    def __enter__(self) -> ProviderClient:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def configuration(self) -> ProviderInfo:
        """Public facts of the provider."""
        got = json_object(self.http.request("GET", f"{API}/configuration"))
        return ProviderInfo(str(got["providerId"]), str(got["name"]), str(got["domain"]), str(got["version"]))

    def lookup(self, path: str) -> str:
        """The id of a path. RefusedError with `missing` when there is nothing."""
        return str(
            json_object(self.http.request("POST", f"{API}/lookup-file-id/{encode_path(path)}"))["fileId"]
        )

    def stat(self, file_id: str) -> FileInfo:
        """Attributes of one file. Symbolic links are not followed."""
        answer = self.http.request("GET", f"{API}/data/{file_id}", body={"attributes": list(ATTRIBUTES)})
        return _file_info(json_object(answer))

    def children(self, file_id: str) -> Iterator[FileInfo]:
        """What is in a directory, by name, fetched page by page."""
        token: str | None = None
        while True:
            body: dict[str, object] = {"limit": PAGE_SIZE, "attributes": list(ATTRIBUTES)}
            if token:
                body["token"] = token
            page = json_object(self.http.request("GET", f"{API}/data/{file_id}/children", body=body))
            for entry in page["children"]:
                yield _file_info(entry)
            token = page.get("nextPageToken")
            if page["isLast"] or not token:
                return

    def make_directory(self, parent_id: str, name: str, *, exist_ok: bool = False) -> str:
        """Makes a directory and gives its id. With `exist_ok` a directory of that name is as good."""
        try:
            answer = self.http.request(
                "POST",
                f"{API}/data/{parent_id}/children",
                params={"name": name, "type": "DIR"},
                headers={"content-type": "application/octet-stream"},
            )
            return str(json_object(answer)["fileId"])
        except RefusedError as error:
            if not (exist_ok and error.errno == "eexist"):
                raise
        found = self._find_child(parent_id, name)
        if found is None or not found.is_directory:
            raise RefusedError(400, "posix", f"{name} exists and is no directory (enotdir)", _ENOTDIR)
        return found.file_id

    def _find_child(self, parent_id: str, name: str) -> FileInfo | None:
        body: dict[str, object] = {"limit": 1, "index": name, "attributes": list(ATTRIBUTES)}
        page = json_object(self.http.request("GET", f"{API}/data/{parent_id}/children", body=body))
        entries = [_file_info(entry) for entry in page["children"]]
        return entries[0] if entries and entries[0].name == name else None

    def make_directories(self, path: str) -> str:
        """Makes a directory and what is missing above it; gives its id. The space must exist."""
        names = split_path(path)
        file_id = self.lookup(names[0])
        for name in names[1:]:
            file_id = self.make_directory(file_id, name, exist_ok=True)
        return file_id

    def upload(
        self, path: str, content: Content, *, size_bytes: int | None = None, mimetype: str = ""
    ) -> None:
        """Creates a file or replaces its whole content. The parent must exist.

        All or nothing: until the last byte is stored, readers see the old content or no file. Without
        `size_bytes` pieces are sent in chunks.
        """
        headers = {"content-type": mimetype or "application/octet-stream"}
        if size_bytes is not None:
            headers["content-length"] = str(size_bytes)
        self.http.request("PUT", f"/cdmi/{encode_path(path)}", headers=headers, content=content)

    def create(self, parent_id: str, name: str) -> str:
        """Makes an empty file and gives its id. RefusedError with errno `eexist` when the name is taken."""
        answer = self.http.request(
            "POST",
            f"{API}/data/{parent_id}/children",
            params={"name": name},
            headers={"content-type": "application/octet-stream"},
        )
        return str(json_object(answer)["fileId"])

    def create_at(self, directory_id: str, path: str, content: Content, *, size_bytes: int) -> str:
        """Makes a file at a path below a directory, with the directories on the way; gives its id.

        RefusedError with errno `eexist` when there is one already.
        """
        answer = self.http.request(
            "PUT",
            f"{API}/data/{directory_id}/path/{encode_path(path)}",
            params={"create_parents": "true"},
            headers={"content-type": "application/octet-stream", "content-length": str(size_bytes)},
            content=content,
        )
        return str(json_object(answer)["fileId"])

    def read_range(self, file_id: str, offset: int, size_bytes: int) -> bytes:
        """A part of a file; it is shorter where the file ends."""
        headers = {"range": f"bytes={offset}-{offset + size_bytes - 1}", "accept-encoding": "identity"}
        return self.http.request("GET", f"{API}/data/{file_id}/content", headers=headers).content

    def write_at(self, file_id: str, offset: int, content: Content, *, size_bytes: int) -> None:
        """Overwrites from `offset` on and leaves the rest as it was."""
        self.http.request(
            "PUT",
            f"{API}/data/{file_id}/content",
            params={"offset": offset},
            headers={"content-type": "application/octet-stream", "content-length": str(size_bytes)},
            content=content,
        )

    @contextmanager
    def download(
        self,
        file_id: str,
        *,
        offset: int = 0,
        version: RemoteVersion | None = None,
        piece_bytes: int = 1 << 20,
    ) -> Iterator[Download]:
        """The content from `offset` on. It begins at 0 instead when it is no more that of `version`."""
        headers = {"accept-encoding": "identity"}
        if offset:
            headers["range"] = f"bytes={offset}-"
            if version and version.tag.startswith('"'):
                headers["if-range"] = version.tag
        with self.http.stream("GET", f"{API}/data/{file_id}/content", headers=headers) as answer:
            yield Download(
                version=_version(answer),
                offset=offset if answer.status_code == httpx.codes.PARTIAL_CONTENT else 0,
                pieces=self.http.pieces(answer, piece_bytes),
            )

    def version(self, file_id: str) -> RemoteVersion:
        """The present version of a file's content, without the content."""
        headers = {"accept-encoding": "identity"}
        return _version(self.http.request("HEAD", f"{API}/data/{file_id}/content", headers=headers))

    def delete(self, file_id: str) -> None:
        """Removes a file, or a directory with all that is in it."""
        self.http.request("DELETE", f"{API}/data/{file_id}")

    def move(self, source: str, target: str, *, directory: bool) -> None:
        """Gives a file or directory another path; a file already there is replaced. Ids stay."""
        kind = "container" if directory else "object"
        self.http.request(
            "PUT",
            f"/cdmi/{encode_path(target)}" + ("/" if directory else ""),
            headers={**CDMI_HEADERS, "content-type": f"application/cdmi-{kind}"},
            content=_move_body(source, directory),
        )


_ENOTDIR = {"errno": "enotdir"}


def split_path(path: str) -> list[str]:
    """The names in `SPACE/dir/file`. Empty ones are dropped; ClientError when none is left or one is `..`."""
    names = [name for name in path.split("/") if name not in ("", ".")]
    if not names:
        raise ClientError("the remote path is empty: write SPACE/dir/file")
    if ".." in names:
        raise ClientError(f"'..' has no meaning in a remote path: {path}")
    return names


def encode_path(path: str) -> str:
    """A remote path as it stands in a URL."""
    return "/".join(quote(name, safe="") for name in split_path(path))


def _move_body(source: str, directory: bool) -> bytes:
    names = "/".join(split_path(source)) + ("/" if directory else "")
    return httpx.Request("PUT", "http://x", json={"move": names}).read()


def _file_info(got: dict[str, Any]) -> FileInfo:
    return FileInfo(
        file_id=str(got["fileId"]),
        name=str(got["name"]),
        type=got["type"],
        size_bytes=int(got.get("size") or 0),
        mtime_s=int(got.get("mtime") or 0),
        mode=str(got.get("posixPermissions") or ""),
        owner_id=str(got.get("ownerUserId") or ""),
        provider_id=str(got.get("originProviderId") or ""),
    )


_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


def _version(answer: httpx.Response) -> RemoteVersion:
    """From the headers of a whole answer, of one with a range, or of a HEAD."""
    ranged = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
    size = int(ranged[3]) if ranged else int(answer.headers.get("content-length", 0))
    return RemoteVersion(size, answer.headers.get("etag") or answer.headers.get("last-modified", ""))
