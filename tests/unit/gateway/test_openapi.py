"""The document of the API is whole and true: held against the contract, the routes and the answers."""

from __future__ import annotations

import re
from typing import Any

import jsonschema_rs
import pytest

from runtime.http.file_ids import encode
from services.gateway.api.rest.shapes import ATTRIBUTE_SCHEMAS
from services.gateway.domain import attributes
from tests.support.gateway import GatewayTwin

API = "/api/v3/oneprovider"
SPACE = encode("home1", "space_home1")
Json = dict[str, Any]

_SELECTION = "attributes attribute"
_CREATION = "type mode offset target_file_id target_file_path update_existing"

#: The core routes of the contract, each with all its parameters, in the query or as keys of a JSON body.
CORE = {
    # A: basic file operations
    "GET /data/{id}": _SELECTION,
    "PUT /data/{id}": "mode",
    "DELETE /data/{id}": "",
    "GET /data/{id}/children": "limit token index offset inclusive tuneForLargeContinuousListing "
    f"tune_for_large_continuous_listing {_SELECTION}",
    "POST /data/{id}/children": f"name {_CREATION}",
    "GET /data/{id}/files": f"limit token start_after prefix include_directories {_SELECTION}",
    "GET /data/{id}/content": "follow_symlinks",
    "PUT /data/{id}/content": "offset",
    "GET /data/{id}/path/{path}": "follow_symlinks",
    "PUT /data/{id}/path/{path}": f"create_parents {_CREATION}",
    "DELETE /data/{id}/path/{path}": "",
    "GET /data/{id}/hardlinks": "limit",
    "GET /data/{id}/hardlinks/{hid}": "",
    "GET /data/{id}/symlink_value": "",
    # B: custom metadata
    "GET /data/{id}/metadata/xattrs": "resolve_symlink attribute inherited show_internal",
    "PUT /data/{id}/metadata/xattrs": "resolve_symlink",
    "DELETE /data/{id}/metadata/xattrs": "resolve_symlink keys",
    "GET /data/{id}/metadata/json": "resolve_symlink filter_type filter inherited",
    "PUT /data/{id}/metadata/json": "resolve_symlink filter_type filter",
    "DELETE /data/{id}/metadata/json": "resolve_symlink",
    "GET /data/{id}/metadata/rdf": "resolve_symlink",
    "PUT /data/{id}/metadata/rdf": "resolve_symlink",
    "DELETE /data/{id}/metadata/rdf": "resolve_symlink",
    # C: distribution and locations; D: paths
    "GET /data/{id}/distribution": "",
    "GET /data/{id}/storage_locations": "",
    "POST /lookup-file-id/{path}": "",
    # E: registration and statistics of directories
    "POST /data/register": "spaceId storageId storageFileId destinationPath autoDetectAttributes size mode "
    "atime mtime ctime uid gid xattrs json rdf",
    "GET /data/{id}/dir_size_stats": "mode layout startTimestamp stopTimestamp windowLimit extendedInfo",
    # F: shares; G: spaces
    "POST /shares": "name rootFileId fileId description",
    "GET /shares/{shid}": "",
    "PATCH /shares/{shid}": "name description",
    "DELETE /shares/{shid}": "",
    "GET /spaces": "",
    "GET /spaces/{sid}": "",
    # K: monitoring
    "POST /changes/metadata/{sid}": "timeout last_seq",
    "GET /metrics/space/{sid}": "metric step",
    "GET /metrics/space/{sid}/user/{uid}": "metric step",
    # L: provider
    "GET /configuration": "",
    "GET /health": "",
    "GET /test_image": "",
}

#: Core routes that are still to be built. None of them may be in the document.
NOT_YET: set[str] = set()

#: What data ports serve with a ticket or a code, and what else needs no token.
_DIRECT = ("/ticket/", "/download/")
_PUBLIC = (*_DIRECT, "/cdmi/cdmi_capabilities/")
_METHODS = ("get", "head", "put", "post", "patch", "delete")


@pytest.fixture
async def described(gateway: GatewayTwin) -> Json:
    """The document."""
    document: Json = (await gateway.http.get("/openapi.json")).json()
    return document


def operations(document: Json) -> dict[str, Json]:
    """All operations, by method and path as in the contract."""
    return {
        f"{method.upper()} {path.removeprefix(API)}": item[method]
        for path, item in document["paths"].items()
        for method in _METHODS
        if method in item
    }


def served_by_the_gateway(document: Json) -> list[str]:
    """Operations that reach the gateway even where no front door divides them."""
    return [name for name in operations(document) if not name.split(" ")[1].startswith(_DIRECT)]


def parameters(operation: Json) -> set[str]:
    """Names of an operation's parameters, wherever they are shown."""
    named = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"}
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return named | set(schema.get("properties", ()))


def test_the_document_has_every_core_route_with_its_parameters(described: Json) -> None:
    found = operations(described)
    for route in CORE.keys() - NOT_YET:
        missing = set(CORE[route].split()) - parameters(found[route])
        assert not missing, f"{route} lacks {missing}"


def test_what_is_built_is_not_called_missing(described: Json) -> None:
    assert CORE.keys() >= NOT_YET
    assert not operations(described).keys() & NOT_YET


async def test_every_operation_of_the_document_is_served(gateway: GatewayTwin, described: Json) -> None:
    for operation in served_by_the_gateway(described):
        method, path = operation.split(" ")
        path = path if path in described["paths"] else API + path
        answer = await gateway.http.request(method, path.replace("{id}", SPACE))
        # Some things can be done only with some of what a path may name.
        answers = operations(described)[operation]["responses"]
        assert answer.status_code != 405 or "405" in answers, operation
        assert answer.status_code != 404 or answer.content or path.startswith("/cdmi"), operation


async def test_other_methods_of_its_paths_are_refused(gateway: GatewayTwin, described: Json) -> None:
    for path, item in described["paths"].items():
        for method in () if path.startswith(_DIRECT) else _METHODS:
            if method not in item and method != "head":
                answer = await gateway.http.request(method.upper(), path.replace("{id}", SPACE))
                assert answer.status_code == 405, (method, path)


def test_operations_have_ids_of_their_own(described: Json) -> None:
    ids = [operation["operationId"] for operation in operations(described).values()]
    assert len(ids) == len(set(ids))


def test_every_attribute_has_a_schema() -> None:
    assert ATTRIBUTE_SCHEMAS.keys() == set(attributes.names_of("attributes"))


def _media_types(described: Json) -> list[tuple[str, Json]]:
    found = []
    for name, operation in operations(described).items():
        for each in (operation.get("requestBody", {}), *operation["responses"].values()):
            found += [(name, media) for media in each.get("content", {}).values()]
    return found


def test_examples_are_examples_of_their_schemas(described: Json) -> None:
    checked = 0
    for name, media in _media_types(described):
        validator = jsonschema_rs.validator_for({**media["schema"], "components": described["components"]})
        examples = [each["value"] for each in media.get("examples", {}).values()]
        for example in [*examples, *([media["example"]] if "example" in media else [])]:
            assert validator.is_valid(example), (name, example)
            checked += 1
    assert checked > 100


def test_parameters_have_schemas_that_allow_their_defaults(described: Json) -> None:
    for name, operation in operations(described).items():
        for each in operation.get("parameters", ()):
            schema = each["schema"]
            assert each["description"], name
            if "default" in schema:
                assert jsonschema_rs.validator_for(schema).is_valid(schema["default"]), (name, each)


def test_private_operations_tell_of_tokens_and_refusals(described: Json) -> None:
    schemes = set(described["components"]["securitySchemes"])
    assert schemes == {"token", "bearer", "macaroon"}
    for name, operation in operations(described).items():
        if not operation["security"]:
            assert operation["tags"] == ["provider"] or name.split(" ")[1].startswith(_PUBLIC)
        else:
            assert {"401", "503"} <= operation["responses"].keys(), name
            assert {scheme for each in operation["security"] for scheme in each} == schemes


async def test_the_page_needs_no_other_host(gateway: GatewayTwin) -> None:
    page = (await gateway.http.get("/docs")).text
    loaded = re.findall(r"(?:src|href)=\"([^\"]+)\"", page) + re.findall(r"url: '([^']+)'", page)
    assert "/openapi.json" in loaded
    for link in loaded:
        answer = await gateway.http.get(link)
        assert answer.status_code == 200, link
        assert len(answer.content) > 500
