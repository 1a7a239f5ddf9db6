"""Load with a memory: clients that change and read files, and a model of what they were promised.

Every client works in a directory of its own and sends every request once. What the model knows of a name is
the set of states it may be in: one after an acknowledged change, two after a change whose outcome is not
known. So after any fault it is decided, name by name, whether what is there is what was promised.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from tests.support.account import DATA, Account

#: Longest a request may take whatever is broken.
LONGEST_S = 30.0
#: Bodies up to this size the front door can send again, and answers up to this size leave in one piece.
SIZES = (0, 1, 700, 4096, 4096, 4096, 20_000, 60_000)
FILES_AT_MOST = 25
PAUSE_S = 0.01

#: One possible state of a name: its content, or None where there is no file.
State = bytes | None


@dataclass
class Report:
    """What all clients together saw. `failed`: requests without the answer they should have had.

    `wrong`: answers that say what is not so, or errors that are not told as the API promises.
    """

    requests: int = 0
    acknowledged: int = 0
    failed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    last_failure_s: float = 0.0

    def assert_flawless(self) -> None:
        """Nothing failed, nothing was wrong, and there was load at all."""
        assert not self.wrong, f"{len(self.wrong)} wrong answers: " + "\n".join(self.wrong[:10])
        assert not self.failed, f"{len(self.failed)} of {self.requests} requests failed:\n" + "\n".join(
            self.failed[:10]
        )
        assert self.acknowledged > 0, "no change was made"
        self.assert_no_hang()

    def assert_only_told_failures(self) -> None:
        """Whatever failed was told in the envelope and soon; nothing was wrong."""
        assert not self.wrong, f"{len(self.wrong)} wrong answers: " + "\n".join(self.wrong[:10])
        self.assert_no_hang()

    def assert_no_hang(self) -> None:
        """No request took longer than any may."""
        assert self.slowest[0] < LONGEST_S, f"{self.slowest[1]} took {self.slowest[0]:.1f} s"


class NotAnswered(Exception):
    """A request failed: the outcome of a change is not known."""


@dataclass
class Model:
    """What may be in one client's directory. `ids`: of files that were created, by name."""

    possible: dict[str, set[State]] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    #: Renames of unknown outcome: exactly one of both names exists.
    either: list[tuple[str, str]] = field(default_factory=list)

    def certain(self) -> dict[str, bytes]:
        """Files whose content is known, by name."""
        return {
            name: content
            for name, states in self.possible.items()
            if len(states) == 1 and (content := next(iter(states))) is not None
        }

    def promised(self, name: str, content: State) -> None:
        """A change was acknowledged."""
        self.possible[name] = {content}

    def doubtful(self, name: str, content: State) -> None:
        """A change may have been made or not."""
        self.possible[name] = self.possible.get(name, {None}) | {content}

    def faults(self, found: Mapping[str, bytes]) -> list[str]:
        """How what is there differs from what may be."""
        faults = [f"{name!r} appeared from nowhere" for name in found.keys() - self.possible.keys()]
        for name, states in self.possible.items():
            if found.get(name) not in states:
                faults.append(f"{name!r} is {_shown(found.get(name))}, not {_all_shown(states)}")
        for old, new in self.either:
            if (old in found) == (new in found):
                faults.append(f"of {old!r} and {new!r} both or none exist")
        return faults


class Traffic:
    """Clients that go on until the block ends; then `report` and `validate` tell what came of it.

    async with Traffic(account, "before-dinner") as traffic:
        ...  # something breaks
    traffic.report.assert_flawless()
    assert await traffic.lost() == []
    """

    def __init__(self, account: Account, name: str, *, clients: int = 8) -> None:
        self.report = Report()
        self._account = account
        name += f"-{secrets.token_hex(3)}"
        self._workers = [
            Worker(account, f"{name}-{number}", number, self.report) for number in range(clients)
        ]
        self._tasks: list[asyncio.Task[None]] = []
        self._over = asyncio.Event()

    async def __aenter__(self) -> Traffic:
        for worker in self._workers:
            await worker.prepare()
        self._tasks = [asyncio.create_task(worker.run(self._over)) for worker in self._workers]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._over.set()
        outcomes = await asyncio.gather(*self._tasks, return_exceptions=True)
        for worker in self._workers:
            await worker.close()
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def more(self, requests: int, *, for_s: float = 0.0, timeout_s: float = 30.0) -> None:
        """Returns once so many further requests were answered well and the time is over."""
        goal, end = self._done + requests, time.monotonic() + for_s
        await until(
            lambda: self._done >= goal and time.monotonic() >= end, timeout_s, f"{requests} further answers"
        )

    async def each_goes_on(self, *, timeout_s: float) -> None:
        """Returns once every single client has had further answers: none hangs any more."""
        goals = [(worker, worker.requests + 3) for worker in self._workers]
        deadline = time.monotonic() + timeout_s
        while waiting := [worker.under_way for worker, goal in goals if worker.requests < goal]:
            assert time.monotonic() < deadline, f"no answer after {timeout_s:g} s: {waiting}"
            await asyncio.sleep(0.05)

    async def calm(self, quiet_s: float = 1.0, timeout_s: float = 30.0) -> None:
        """Returns once no request has failed for a while and some have been answered."""
        await until(
            lambda: time.monotonic() - self.report.last_failure_s > quiet_s, timeout_s, "an end of failures"
        )
        await self.more(30, timeout_s=timeout_s)

    @property
    def _done(self) -> int:
        return self.report.requests - len(self.report.failed)

    async def lost(self) -> list[str]:
        """What is not as it was promised. Ask when all is well again."""
        found = [await worker.validate() for worker in self._workers]
        return list(itertools.chain.from_iterable(found))


class Worker:
    """One client and its directory."""

    def __init__(self, account: Account, folder: str, seed: int, report: Report) -> None:
        self._account = account
        self._folder = folder
        self._report = report
        self._random = random.Random(seed)
        self._client = account.client()
        self._model = Model()
        self._numbers = itertools.count()
        self._directory_id = ""
        #: How many were answered, or failed.
        self.requests = 0
        self.under_way = ""
        self._actions: tuple[tuple[int, Callable[[], Awaitable[None]]], ...] = (
            (4, self._create),
            (2, self._create_by_cdmi),
            (2, self._put_by_cdmi),
            (4, self._overwrite),
            (2, self._patch),
            (6, self._read),
            (3, self._read_by_cdmi),
            (2, self._list),
            (2, self._attributes),
            (3, self._rename),
            (3, self._delete),
        )

    async def prepare(self) -> None:
        """Makes the directory, before anything is broken."""
        answer = await self._client.post(
            f"{DATA}/{self._account.root_id}/children", params={"name": self._folder, "type": "DIR"}
        )
        assert answer.status_code == 201, answer.text
        self._directory_id = answer.json()["fileId"]

    async def close(self) -> None:
        await self._client.aclose()

    async def run(self, over: asyncio.Event) -> None:
        """One request after the other until `over`."""
        weights, actions = zip(*self._actions, strict=True)
        while not over.is_set():
            [action] = self._random.choices(actions, weights)
            if len(self._model.certain()) > FILES_AT_MOST:
                action = self._delete
            with contextlib.suppress(NotAnswered):
                await action()
            await asyncio.sleep(PAUSE_S)

    # -- changes -----------------------------------------------------------------------------------------

    async def _create(self) -> None:
        name, content = self._new_name(), self._content()
        with self._doubt(name, content):
            answer = await self._send(
                "POST", f"{DATA}/{self._directory_id}/children", 201, params={"name": name}, content=content
            )
        self._model.ids[name] = answer.json()["fileId"]

    async def _create_by_cdmi(self) -> None:
        name, content = self._new_name(), self._content()
        with self._doubt(name, content):
            await self._send("PUT", self._cdmi(name), 201, content=content)

    async def _put_by_cdmi(self) -> None:
        """In CDMI's own form, through the gateway."""
        name, content = self._new_name(), self._content()
        body = {"value": base64.b64encode(content).decode(), "valuetransferencoding": "base64"}
        with self._doubt(name, content):
            await self._send("PUT", self._cdmi(name), 201, headers=_CDMI_OBJECT, content=json.dumps(body))

    async def _overwrite(self) -> None:
        name, content = self._some_file(with_id=True), self._content()
        if name is None:
            return
        with self._doubt(name, content):
            await self._send("PUT", f"{DATA}/{self._model.ids[name]}/content", 204, content=content)

    async def _patch(self) -> None:
        name = self._some_file(with_id=True)
        if name is None:
            return
        old = self._model.certain()[name]
        offset, piece = self._random.randint(0, len(old)), self._random.randbytes(100)
        new = old[:offset] + piece + old[offset + len(piece) :]
        with self._doubt(name, new):
            path = f"{DATA}/{self._model.ids[name]}/content"
            await self._send("PUT", path, 204, params={"offset": offset}, content=piece)

    async def _rename(self) -> None:
        old, new = self._some_file(), self._new_name()
        if old is None:
            return
        content = self._model.certain()[old]
        body = json.dumps({"move": f"{self._account.space}/{self._folder}/{old}"})
        try:
            await self._send("PUT", self._cdmi(new), 201, headers=_CDMI_OBJECT, content=body)
        except NotAnswered:
            self._model.doubtful(old, None)
            self._model.doubtful(new, content)
            self._model.either.append((old, new))
            raise
        self._acknowledge(old, None)
        self._model.promised(new, content)
        if old in self._model.ids:
            self._model.ids[new] = self._model.ids.pop(old)

    async def _delete(self) -> None:
        name = self._some_file()
        if name is None:
            return
        path = self._cdmi(name)
        if name in self._model.ids and self._random.random() < 0.7:
            path = f"{DATA}/{self._model.ids[name]}"
        with self._doubt(name, None):
            await self._send("DELETE", path, 204)

    # -- reading -----------------------------------------------------------------------------------------

    async def _read(self) -> None:
        name = self._some_file()
        if name is None:
            return
        wanted = self._model.certain()[name]
        path = f"{DATA}/{self._directory_id}/path/{quote(name)}"
        if len(wanted) > 1 and self._random.random() < 0.3:
            first = self._random.randrange(len(wanted))
            last = self._random.randrange(first, len(wanted))
            answer = await self._send("GET", path, 206, headers={"range": f"bytes={first}-{last}"})
            wanted = wanted[first : last + 1]
        else:
            answer = await self._send("GET", path, 200)
        self._compare(f"GET {path}", answer.content, wanted)

    async def _read_by_cdmi(self) -> None:
        name = self._some_file()
        if name is None:
            return
        path = self._cdmi(name)
        if self._random.random() < 0.5:
            got = (await self._send("GET", path, 200)).content
        else:
            answer = await self._send("GET", path, 200, headers=_CDMI)
            told = answer.json()
            is_base64 = told["valuetransferencoding"] == "base64"
            got = base64.b64decode(told["value"]) if is_base64 else told["value"].encode()
        self._compare(f"GET {path}", got, self._model.certain()[name])

    async def _list(self) -> None:
        before = set(self._model.certain())
        maybe = set(self._model.possible)
        names = set(await self._names())
        if not before <= names or not names <= maybe:
            odd = sorted((before - names) | (names - maybe))[:5]
            self._report.wrong.append(f"the listing of {self._folder} is wrong about {odd}")

    async def _attributes(self) -> None:
        name = self._some_file(with_id=True)
        if name is None:
            return
        answer = await self._send("GET", f"{DATA}/{self._model.ids[name]}", 200)
        got, wanted = answer.json(), (name, len(self._model.certain()[name]))
        if (got["name"], got["size"]) != wanted:
            self._report.wrong.append(f"attributes say {got['name'], got['size']}, not {wanted}")

    async def _names(self) -> list[str]:
        path = f"{DATA}/{self._directory_id}/children"
        answer = await self._send("GET", path, 200, params={"limit": 1000})
        return [child["name"] for child in answer.json()["children"]]

    async def validate(self) -> list[str]:
        """What of the directory is not as promised; each file is read whole."""
        async with self._account.client() as client:
            self._client = client
            try:
                found = {}
                for name in await self._names():
                    path = f"{DATA}/{self._directory_id}/path/{quote(name)}"
                    found[name] = (await self._send("GET", path, 200)).content
            except NotAnswered as error:
                return [f"{self._folder} cannot be read: {error}"]
        return [f"{self._folder}: {fault}" for fault in self._model.faults(found)]

    # -- the small print ---------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _doubt(self, name: str, after: State) -> Any:
        """The change of one name: promised when the block ends well, doubtful when it was not answered."""
        try:
            yield
        except NotAnswered:
            self._model.doubtful(name, after)
            raise
        self._acknowledge(name, after)

    def _acknowledge(self, name: str, content: State) -> None:
        self._model.promised(name, content)
        self._report.acknowledged += 1
        if content is None:
            # Names are never used again, so a deleted one must stay away for good.
            self._model.ids.pop(name, None) if name not in self._model.certain() else None

    async def _send(self, method: str, path: str, wanted: int, **more: Any) -> httpx.Response:
        """One request, sent once. NotAnswered when it failed; then it is in the report."""
        what = self.under_way = f"{method} {path}"
        begun = time.monotonic()
        try:
            answer = await self._client.request(method, path, **more)
        except httpx.HTTPError as error:
            raise self._failed(f"{what}: {error!r}", begun) from None
        finally:
            took = time.monotonic() - begun
            self.requests += 1
            self._report.requests += 1
            self._report.slowest = max(self._report.slowest, (took, what))
        if answer.status_code == wanted:
            return answer
        told = f"{what} -> {answer.status_code} {answer.text[:300]} ({answer.headers.get('x-request-id')})"
        if not is_envelope(answer):
            self._report.wrong.append(told)
        raise self._failed(told, begun)

    def _failed(self, what: str, begun: float) -> NotAnswered:
        now = time.monotonic()
        self._report.last_failure_s = now
        self._report.failed.append(f"{what} after {now - begun:.2f} s")
        return NotAnswered(what)

    def _compare(self, what: str, got: bytes, wanted: bytes) -> None:
        if got != wanted:
            self._report.wrong.append(f"{what}: {_shown(got)}, not {_shown(wanted)}")

    def _new_name(self) -> str:
        return f"file {next(self._numbers)}"

    def _content(self) -> bytes:
        return self._random.randbytes(self._random.choice(SIZES))

    def _some_file(self, *, with_id: bool = False) -> str | None:
        names = [name for name in self._model.certain() if not with_id or name in self._model.ids]
        return self._random.choice(names) if names else None

    def _cdmi(self, name: str) -> str:
        return f"/cdmi/{quote(self._account.space)}/{quote(self._folder)}/{quote(name)}"


_CDMI = {"x-cdmi-specification-version": "1.1.1", "accept": "application/cdmi-object"}
_CDMI_OBJECT = {**_CDMI, "content-type": "application/cdmi-object"}


def is_envelope(answer: httpx.Response) -> bool:
    """Whether a refusal is told as the API promises."""
    try:
        error = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        return False
    return isinstance(error.get("id"), str) and isinstance(error.get("description"), str)


async def until(
    condition: Callable[[], bool | Awaitable[bool]], timeout_s: float, what: str, poll_s: float = 0.05
) -> None:
    """Returns once the condition holds; AssertionError when that takes too long."""
    deadline = time.monotonic() + timeout_s
    while True:
        holds = condition()
        if not isinstance(holds, bool):
            holds = await holds
        if holds:
            return
        assert time.monotonic() < deadline, f"no {what} within {timeout_s:g} s"
        await asyncio.sleep(poll_s)


def _shown(content: State) -> str:
    if content is None:
        return "missing"
    return f"{len(content)} bytes {content[:8].hex()}…"


def _all_shown(states: set[State]) -> str:
    return " or ".join(sorted(map(_shown, states)))
