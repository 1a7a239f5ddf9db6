"""The API answers as its own document says, whatever is asked: schemathesis at the front door.

Requests are made from the document, good ones and bad ones, about files of every type, about what is gone and
about nonsense. Each answer has a status, a content type and a body of the document, and none is a 5xx.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
import schemathesis.checks
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from requests import Session
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.specs.openapi import checks

from tests.support.folder import API, CLIENT
from tests.support.gateway import GatewayTwin
from tests.support.stack import RunningStack

#: Good requests to each operation for each thing they may be about, and bad ones in all.
GOOD, BAD = 1, 6
schemathesis.serializer.alias(
    ["application/cdmi-object", "application/cdmi-container", "application/cdmi-queue"], "application/json"
)
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
BOUNDED = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
Described = APIOperation[Any, Any, Any, Any]
PATHS = ["f.txt", "link", "d", "d/e/f.txt", "new", "nothing/new", "f.txt/new", "%C5%BC", "%FF", "a%2Fb"]
NONSENSE = ("NOT_AN_ID", "%00", "00", "a b", "ż")

DOCUMENT: dict[str, Any] = GatewayTwin().pages.openapi_schema or {}
OPERATIONS: dict[str, Described] = {
    each.ok().label: each.ok() for each in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations()
}


class World:
    """A directory with something of everything in it, for one operation to play with."""

    def __init__(self, stack: RunningStack) -> None:
        self.stack = stack
        self.http = httpx.Client(
            base_url=f"{stack.url}{API}",
            headers={"x-auth-token": stack.token, **CLIENT},
            verify=stack.tls(),
            timeout=60,
        )
        self.name = f"world-{secrets.token_hex(6)}"
        self.id = self._make(stack.space_id, self.name, type="DIR")
        self.ids = {"directory": self.id}
        self.ids["file"] = self._make(self.id, "f.txt", content=b"0123456789")
        self.ids["empty"] = self._make(self.id, "empty")
        self.ids["deep"] = self._make(self.id, "d/e/f.txt", create_parents="true")
        self.ids["link"] = self._make(self.id, "link", type="SYMLNK", target_file_path="f.txt")
        self.ids["dangling"] = self._make(self.id, "dangling", type="SYMLNK", target_file_path="nothing")
        self.ids["gone"] = self._make(self.id, "gone")
        self.http.delete(f"/data/{self.ids['gone']}").raise_for_status()
        self.share = self._share(self.id)
        shown = self.http.get(f"/shares/{self.share}").json()["rootFileId"]
        self.ids["shared"] = str(shown)

    def _make(self, parent: str, path: str, content: bytes = b"", **query: str) -> str:
        headers = {"content-type": "application/octet-stream"}
        answer = self.http.put(f"/data/{parent}/path/{path}", params=query, content=content, headers=headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["fileId"])

    def _share(self, id: str) -> str:
        answer = self.http.post("/shares", json={"name": "world", "fileId": id})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["shareId"])

    def close(self) -> None:
        """Nothing is left of it."""
        for id in self.ids.values():
            told = self.http.get(f"/data/{id}", params={"attributes": "directShareIds"}).json()
            for share in told.get("directShareIds", ()):
                self.http.delete(f"/shares/{share}")
        self.http.delete(f"/data/{self.stack.space_id}/path/{self.name}")
        self.http.close()

    def segments(self, operation: Described) -> list[dict[str, str]]:
        """What the variable segments of a path may stand for, so that each meets everything."""
        choices = {
            "path": self._paths(operation),
            "sid": [self.stack.space_id, *NONSENSE],
            "shid": [self.share, *NONSENSE],
        }
        files = [*self.ids.values(), *NONSENSE]
        if operation.method in ("get", "head"):
            files.append(self.stack.space_id)
        names = [each["name"] for each in DOCUMENT["paths"][operation.path].get("parameters", ())]
        columns = [choices.get(name, files) for name in names]
        rows = range(max(map(len, columns), default=1))
        return [
            {name: column[row % len(column)] for name, column in zip(names, columns, strict=True)}
            for row in rows
        ]

    def _paths(self, operation: Described) -> list[str]:
        if not operation.path.startswith(("/cdmi/", f"{API}/lookup")):
            return PATHS
        below = [f"{self.stack.space}/{self.name}/{path}" for path in PATHS]
        # What is posted gets a name of the server's: only below the world it goes with the world.
        return below if operation.method == "post" else [self.stack.space, *below, "nowhere"]


@pytest.fixture
def world(stack: RunningStack) -> Iterator[World]:
    made = World(stack)
    yield made
    made.close()


def test_the_front_door_serves_this_document(stack: RunningStack) -> None:
    served = httpx.get(f"{stack.url}/openapi.json", verify=stack.tls()).json()
    assert served == DOCUMENT


@pytest.mark.parametrize("label", OPERATIONS)
def test_answers_are_those_of_the_document(world: World, label: str) -> None:
    operation = OPERATIONS[label]
    rows = world.segments(operation)
    with Session() as session:
        ask = Asker(operation, world.stack, session)
        ask.all(GenerationMode.POSITIVE, rows, GOOD * len(rows))
        # Nothing bad can be said to an operation that takes anything, or nothing.
        with contextlib.suppress(Unsatisfiable):
            ask.all(GenerationMode.NEGATIVE, rows, BAD)


class Asker:
    """Sends requests of one operation, and holds the answers against the document."""

    def __init__(self, operation: Described, stack: RunningStack, session: Session) -> None:
        self._operation = operation
        self._stack = stack
        self._session = session
        # In plain HTTP a creation is answered without the body that its CDMI form has.
        makes_plainly = operation.method in ("put", "post") and operation.path.startswith("/cdmi/")
        self._excluded = [checks.content_type_conformance] if makes_plainly else []
        # A stream would go on, and is a document by line and not as a whole.
        self._is_stream = "/changes/" in operation.path
        if self._is_stream:
            self._excluded.append(checks.response_schema_conformance)

    def all(self, mode: GenerationMode, rows: list[dict[str, str]], count: int) -> None:
        """As many requests of a kind, about what is in these segments."""

        @settings(BOUNDED, max_examples=count)
        @given(self._operation.as_strategy(mode), st.sampled_from(rows))
        def check(case: Case, row: dict[str, str]) -> None:
            case.path_parameters = dict(row)
            if self._is_stream:
                case.query = {**(case.query or {}), "timeout": "50"}
            self._ask(case)

        check()

    def _ask(self, case: Case) -> None:
        case.call_and_validate(
            base_url=self._stack.url,
            session=self._session,
            headers={"X-Auth-Token": self._stack.token},
            checks=CHECKS,
            excluded_checks=self._excluded,
            verify=str(self._stack.ca_file),
            allow_redirects=False,
            timeout=60,
        )
