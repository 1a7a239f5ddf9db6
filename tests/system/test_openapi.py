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

#: Requests of each kind, good and bad, to each operation.
EXAMPLES = 10
schemathesis.serializer.alias(["application/cdmi-object", "application/cdmi-container"], "application/json")
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
BOUNDED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
Described = APIOperation[Any, Any, Any, Any]
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

    def _make(self, parent: str, path: str, content: bytes = b"", **query: str) -> str:
        headers = {"content-type": "application/octet-stream"}
        answer = self.http.put(f"/data/{parent}/path/{path}", params=query, content=content, headers=headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["fileId"])

    def close(self) -> None:
        """Nothing is left of it."""
        self.http.delete(f"/data/{self.stack.space_id}/path/{self.name}")
        self.http.close()

    def segments(self, operation: Described) -> st.SearchStrategy[dict[str, str]]:
        """What the variable segments of a path may stand for."""
        known = [*self.ids.values(), *NONSENSE]
        if operation.method == "get":
            known.append(self.stack.space_id)
        paths = [
            "f.txt",
            "link",
            "d",
            "d/e/f.txt",
            "new",
            "nothing/new",
            "f.txt/new",
            "%C5%BC",
            "%FF",
            "a%2Fb",
        ]
        if operation.path.startswith(("/cdmi/", f"{API}/lookup")):
            paths = [
                self.stack.space,
                *(f"{self.stack.space}/{self.name}/{path}" for path in paths),
                "nowhere",
            ]
        # A stream of changes does not end.
        spaces = [] if "/changes/" in operation.path else [self.stack.space_id]
        choices = {"path": paths, "sid": [*spaces, *NONSENSE]}
        names = [each["name"] for each in DOCUMENT["paths"][operation.path].get("parameters", ())]
        return st.fixed_dictionaries({name: st.sampled_from(choices.get(name, known)) for name in names})


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
    with Session() as session:
        _try_out(OPERATIONS[label], GenerationMode.POSITIVE, world, session)
        # Nothing bad can be said to an operation that takes anything, or nothing.
        with contextlib.suppress(Unsatisfiable):
            _try_out(OPERATIONS[label], GenerationMode.NEGATIVE, world, session)


def _is_plain_put(operation: Described) -> bool:
    return operation.method == "put" and operation.path.startswith("/cdmi/")


def _try_out(operation: Described, mode: GenerationMode, world: World, session: Session) -> None:
    @BOUNDED
    @given(operation.as_strategy(mode), world.segments(operation))
    def check(case: Case, segments: dict[str, str]) -> None:
        case.path_parameters = dict(segments)
        case.call_and_validate(
            base_url=world.stack.url,
            session=session,
            headers={"X-Auth-Token": world.stack.token},
            checks=CHECKS,
            # In plain HTTP a creation is answered without the body that its CDMI form has.
            excluded_checks=[checks.content_type_conformance] if _is_plain_put(operation) else [],
            verify=str(world.stack.ca_file),
            timeout=60,
        )

    check()
