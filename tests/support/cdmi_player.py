"""Random CDMI operations beside a plain model of what they should do: every answer is compared.

Each operation says what the model answers and changes it; `Player` asks the server the same and compares.
"""

from __future__ import annotations

import base64
import copy
import random
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from tests.support.cdmi_asking import Asking
from tests.support.cdmi_model import BASE64, UTF8, Entry, Model, Path, Refused, forget_ids, refused
from tests.support.folder import CONTAINER, OBJECT, Folder, V

NAMES = ("a", "b", "c d", "żółw", "e%2F", "f;g:h")
KEYS = ("colour", "size", "żą", "my-key")
TYPES = ("text/plain", "a/b", "application/x-y")
MAX_DEPTH = 3
#: Sizes around those at which parts of the server change their ways.
SIZES = (0, 1, 2, 3, 5, 100, 4096, 70_000)


class Player:
    """Plays random operations in one folder. `played` counts them by name."""

    def __init__(self, folder: Folder, seed: int) -> None:
        self.model = Model()
        self.model.root.id = folder.id
        self.played: dict[str, int] = {}
        self._folder = folder
        self._asking = Asking(folder, self.model)
        self._seed = seed
        self._random = random.Random(seed)
        self._operations: tuple[Callable[[], Any], ...] = (
            self._put_object, self._put_object, self._put_part, self._put_metadata, self._put_plain,
            self._put_plain_part, self._make_container, self._make_container_plainly, self._delete,
            self._copy, self._move, self._move, self._read, self._read, self._read_part, self._read_plain,
            self._list, self._read_by_id,
        )  # fmt: skip

    async def play(self, operations: int) -> None:
        """So many operations. AssertionError with all that is known when an answer is another one."""
        for number in range(1, operations + 1):
            operation = self._random.choice(self._operations)
            self.played[operation.__name__] = self.played.get(operation.__name__, 0) + 1
            try:
                await operation()
            except Exception as error:
                error.add_note(f"operation {number} of seed {self._seed}: {operation.__name__}")
                raise

    async def compare(self) -> None:
        """Reads everything and compares."""
        for path, entry in self.model.all_entries():
            if path:
                await self._asking.compare_entry(path, entry)

    # -- choices ---------------------------------------------------------------------------------------

    def _path(self) -> Path:
        known = [path for path, _ in self.model.all_entries() if path]
        if known and self._random.random() < 0.6:
            return self._random.choice(known)
        return tuple(self._random.choices(NAMES, k=self._random.randint(1, MAX_DEPTH)))

    def _content(self) -> bytes:
        size = self._random.choice(SIZES)
        if self._random.random() < 0.5:
            return "".join(self._random.choices('ab"\\\n\0ż😀', k=size)).encode()[:size]
        return self._random.randbytes(size)

    def _items(self) -> dict[str, Any]:
        keys = self._random.sample(KEYS, self._random.randint(0, len(KEYS)))
        return {key: self._random.choice(["v", 1, None, {"a": [1, "ż"]}, True, ""]) for key in keys}

    def _range(self, content: bytes) -> tuple[int, int]:
        first = self._random.randint(0, len(content) + 5)
        return first, first + self._random.randint(0, 40)

    def _source(self, path: Path) -> str:
        entry = self.model.find(path)
        below = "/".join(path)
        forms = [
            f"{self._folder.space}/{self._folder.name}/{below}",
            f"/cdmi_objectid/{self._folder.id}/{below}",
        ]
        if entry is not None and entry.id:
            forms.append(f"cdmi_objectid/{entry.id}")
        return self._random.choice(forms)

    # -- writing ---------------------------------------------------------------------------------------

    async def _put_object(self) -> None:
        path, content = self._path(), self._content()
        body: dict[str, Any] = {}
        if self._random.random() < 0.5:
            body["mimetype"] = self._random.choice(TYPES)
        if self._random.random() < 0.5:
            body["metadata"] = self._items()
        try:
            body["value"] = content.decode()
            if self._random.random() < 0.5:
                body["valuetransferencoding"] = UTF8
        except UnicodeDecodeError:
            body |= {"value": base64.b64encode(content).decode(), "valuetransferencoding": BASE64}

        def effect() -> int:
            entry = self.model.shaped(path, container=False)
            status = 204
            if entry is None:
                self.model.put(path, entry := Entry(encoding=UTF8))
                status = 201
            entry.content = content
            entry.mimetype = body.get("mimetype", entry.mimetype)
            entry.encoding = body.get("valuetransferencoding", entry.encoding)
            entry.items = copy.deepcopy(body.get("metadata", entry.items))
            return status

        self._asking.learn_id(
            path, await self._asking.ask("PUT", self._asking.url(path), effect, json=body, headers=OBJECT)
        )

    async def _put_part(self) -> None:
        path = self._path()
        entry = self.model.find(path)
        first, last = self._range(entry.content if entry else b"")
        part = self._random.randbytes(last - first + 1)

        def effect() -> int:
            return self._place(path, Entry(encoding=UTF8), first, part)

        body = {"value": base64.b64encode(part).decode()}
        url = f"{self._asking.url(path)}?value:{first}-{last}"
        self._asking.learn_id(path, await self._asking.ask("PUT", url, effect, json=body, headers=OBJECT))

    def _place(self, path: Path, new: Entry, first: int, part: bytes) -> int:
        """Writes a part, into `new` where there is nothing yet; the status of that."""
        entry = self.model.shaped(path, container=False)
        status = 204
        if entry is None:
            self.model.put(path, entry := new)
            status = 201
        before = entry.content.ljust(first, b"\0")
        entry.content = before[:first] + part + before[first + len(part) :]
        return status

    async def _put_metadata(self) -> None:
        path, items = self._path(), self._items()
        named = self._random.sample(KEYS, self._random.randint(1, 3)) if self._random.random() < 0.6 else []
        entry = self.model.find(path)
        if entry is None:
            return
        container = entry.children is not None

        def effect() -> int:
            if not named:
                entry.items = items
                return 204
            for name in named:
                entry.items.pop(name, None)
                if name in items:
                    entry.items[name] = items[name]
            return 204

        query = ";".join(f"metadata:{quote(name)}" for name in named)
        url = self._asking.url(path, container=container) + (f"?{query}" if query else "")
        headers = CONTAINER if container else OBJECT
        await self._asking.ask("PUT", url, effect, json={"metadata": items}, headers=headers)

    async def _put_plain(self) -> None:
        path, content = self._path(), self._content()
        kind = self._random.choice([None, *TYPES])
        charset = kind is not None and self._random.random() < 0.3

        def effect() -> int:
            entry = self.model.shaped(path, container=False)
            status = 204
            if entry is None:
                self.model.put(path, entry := Entry())
                status = 201
            entry.content, entry.mimetype = content, kind or entry.mimetype
            entry.encoding = UTF8 if charset else entry.encoding
            return status

        headers = {"content-type": f"{kind}; charset=utf-8" if charset else kind} if kind else {}
        await self._asking.ask("PUT", self._asking.url(path), effect, content=content, headers=headers)

    async def _put_plain_part(self) -> None:
        path = self._path()
        entry = self.model.find(path)
        first, last = self._range(entry.content if entry else b"")
        part = self._random.randbytes(last - first + 1)

        def effect() -> int:
            return self._place(path, Entry(), first, part)

        headers = {"content-range": f"bytes {first}-{last}/*"}
        await self._asking.ask("PUT", self._asking.url(path), effect, content=part, headers=headers)

    async def _make_container(self) -> None:
        path, items = self._path(), self._items()

        def effect() -> int:
            entry = self.model.shaped(path, container=True)
            if entry is None:
                self.model.put(path, Entry(children={}, items=items))
                return 201
            entry.items = items
            return 204

        url = self._asking.url(path, container=True)
        answer = await self._asking.ask("PUT", url, effect, json={"metadata": items}, headers=CONTAINER)
        self._asking.learn_id(path, answer)

    async def _make_container_plainly(self) -> None:
        path = self._path()

        def effect() -> int:
            if self.model.shaped(path, container=True) is not None:
                raise Refused(refused("eexist"))
            self.model.put(path, Entry(children={}))
            return 201

        await self._asking.ask("PUT", self._asking.url(path, container=True), effect, content=b"ignored")

    async def _delete(self) -> None:
        path, container = self._path(), self._random.random() < 0.4

        def effect() -> int:
            if self.model.shaped(path, container=container) is None:
                return 404
            self.model.remove(path)
            return 204

        headers = self._random.choice([V, {}])
        await self._asking.ask("DELETE", self._asking.url(path, container=container), effect, headers=headers)

    async def _copy(self) -> None:
        source, target, container = self._path(), self._path(), self._random.random() < 0.4
        items = self._items() if self._random.random() < 0.3 else None

        def effect() -> int:
            found = self._found_source(source, target, container=container)
            if self.model.find(target) is not None:
                raise Refused(refused("eexist"))
            self._refuse_into_itself(source, target)
            made = copy.deepcopy(found)
            forget_ids(made)
            if items is not None:
                made.items = items
            self.model.put(target, made)
            return 201

        await self._relocate("copy", source, target, items, effect, container=container)

    async def _move(self) -> None:
        source, target, container = self._path(), self._path(), self._random.random() < 0.4
        items = self._items() if self._random.random() < 0.3 else None

        def effect() -> int:
            found = self._found_source(source, target, container=container)
            there = self.model.find(target)
            if there is not None and there is not found:
                if container:
                    raise Refused(refused("eexist"))
                if found.children is not None:
                    # Over a data object in itself both are true.
                    inside = target[: len(source)] == source
                    raise Refused(refused("enotdir", "einval") if inside else refused("enotdir"))
            if there is not found:
                self._refuse_into_itself(source, target)
                self.model.parent(target)
                self.model.remove(source)
                self.model.put(target, found)
            if items is not None:
                found.items = items
            return 201 if there is None else 200

        await self._relocate("move", source, target, items, effect, container=container)

    def _found_source(self, source: Path, target: Path, *, container: bool) -> Entry:
        self.model.shaped(target, container=container)
        found = self.model.find(source)
        if found is None:
            raise Refused(refused("enoent"))
        if container and found.children is None:
            raise Refused(refused("enotdir"))
        return found

    def _refuse_into_itself(self, source: Path, target: Path) -> None:
        if target[: len(source)] == source and target != source:
            found = self.model.find(source)
            # Something below a data object: it is no container, and the target would be inside the source.
            raise Refused(refused("einval", "enoent", "enotdir") if found else refused("enoent"))

    async def _relocate(
        self,
        key: str,
        source: Path,
        target: Path,
        items: dict[str, Any] | None,
        effect: Callable[[], int],
        *,
        container: bool,
    ) -> None:
        body: dict[str, Any] = {key: self._source(source)}
        if items is not None:
            body["metadata"] = items
        headers = CONTAINER if container else OBJECT
        url = self._asking.url(target, container=container)
        self._asking.learn_id(target, await self._asking.ask("PUT", url, effect, json=body, headers=headers))

    # -- reading ---------------------------------------------------------------------------------------

    async def _read(self) -> None:
        path, container = self._path(), self._random.random() < 0.3
        url = self._asking.url(path, container=container)
        answer = await self._asking.ask(
            "GET", url, lambda: self._status(path, container=container), headers=V
        )
        entry = self.model.find(path)
        if answer is not None and entry is not None:
            self._asking.compare_told(path, entry, answer.json())
            self._asking.learn_id(path, answer)

    def _status(self, path: Path, *, container: bool) -> int:
        return 404 if self.model.shaped(path, container=container) is None else 200

    async def _read_part(self) -> None:
        path = self._path()
        entry = self.model.find(path)
        part = self._range(entry.content if entry else b"")
        url = f"{self._asking.url(path)}?value:{part[0]}-{part[1]};valuetransferencoding"
        answer = await self._asking.ask("GET", url, lambda: self._status(path, container=False), headers=V)
        if answer is not None and entry is not None:
            told = answer.json()
            assert (told["valuetransferencoding"], told["value"]) == self._asking.told(entry, part), (
                path,
                part,
            )

    async def _read_plain(self) -> None:
        path = self._path()
        answer = await self._asking.ask(
            "GET", self._asking.url(path), lambda: self._status(path, container=False)
        )
        entry = self.model.find(path)
        if answer is not None and entry is not None:
            assert answer.content == entry.content, path
            assert answer.headers["content-type"] == entry.mimetype, path

    async def _list(self) -> None:
        path = self._path()
        url = self._asking.url(path, container=True) + "?children;childrenrange"
        answer = await self._asking.ask("GET", url, lambda: self._status(path, container=True), headers=V)
        entry = self.model.find(path)
        if answer is not None and entry is not None:
            names = self._asking.children(entry)
            expected = {"childrenrange": f"0-{len(names) - 1}" if names else "", "children": names}
            assert answer.json() == expected, path

    async def _read_by_id(self) -> None:
        known = [(path, entry) for path, entry in self.model.all_entries() if path and entry.id]
        if not known:
            return
        path, entry = self._random.choice(known)
        slash = "/" if entry.children is not None else ""
        answer = await self._folder.http.get(f"/cdmi/cdmi_objectid/{entry.id}{slash}", headers=V)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:300])
        self._asking.compare_told(path, entry, answer.json())
