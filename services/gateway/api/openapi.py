"""The OpenAPI document, made from what the routes declare of themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runtime.http.declared import Param
from services.gateway.api.error_answers import ERROR_SCHEMA, error_responses
from services.gateway.api.rest.described import JSON_TYPE, Header, Reply, Shape, Told
from services.gateway.api.rest.operations import Operation, Takes
from services.gateway.api.rest.router import PREFIX, RestRoutes

Json = dict[str, Any]

_SECURITY_SCHEMES = {
    "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token", "description": "What clients send."},
    "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer <token>`."},
    "macaroon": {"type": "apiKey", "in": "header", "name": "Macaroon", "description": "Deprecated."},
}
_ANY_TOKEN: list[Json] = [{"token": []}, {"bearer": []}, {"macaroon": []}]

#: In the order in which they are shown.
_TAGS = {
    "files": "Content, attributes, directories, links.",
    "metadata": "What users write down about files.",
    "shares": "Files that anybody may read.",
    "spaces": "Spaces of the user.",
    "monitoring": "Changes, statistics and figures.",
    "provider": "Who this provider is, and how it is. Public.",
    "cdmi": "CDMI 1.1.1: files by path or object id. Without the version header, plain HTTP.",
}

_PATH_SEGMENTS = {
    "id": "A file id, or the id of a space for its directory.",
    "hid": "A file id.",
    "path": "Names separated by `/`, each percent-encoded by itself.",
}

_DESCRIPTION = """\
One namespace over islands of storage.

Parameters of most routes may stand in the query or, as keys of an object, in a JSON body, whatever the \
method; the query wins. Unknown ones are ignored and `null` counts as absent.

Errors have one form, `{"error": {"id", "description", "details"}}`. POSIX errors are all 400, with the id \
`posix` and the name of the error in `details.errno`.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation of the document.

    `body_params`: parameters are shown as keys of a JSON body. `about_file`: it can answer what every route
    below `/data/{id}` can. `shared`: guests may use it with share ids.
    """

    path: str
    method: str
    summary: str
    told: Told
    status: int = 200
    params: tuple[Param[Any], ...] = ()
    body_params: bool = False
    about_file: bool = False
    shared: bool = False


def rest_entries(routes: RestRoutes) -> Iterator[Entry]:
    """Everything below the prefix of the REST API but the public pages."""
    for tail, methods in routes.files.items():
        yield from _entries(f"/data/{{id}}/{tail.decode()}".rstrip("/"), methods, about_file=True)
    yield from _entries("/data/{id}/path/{path}", routes.below_path, about_file=True)
    yield from _entries("/data/{id}/hardlinks/{hid}", routes.below_hardlinks, about_file=True)
    for path, plain_methods in routes.plain.items():
        yield from _entries(f"/{path.strip('/')}", plain_methods)
    yield from _entries("/lookup-file-id/{path}", routes.lookup)


def _entries(
    path: str, methods: Mapping[str, Operation[Any]], *, about_file: bool = False
) -> Iterator[Entry]:
    for method, operation in methods.items():
        yield Entry(
            PREFIX.decode() + path,
            method,
            operation.summary,
            operation.told,
            operation.status,
            operation.params,
            body_params=operation.takes is Takes.PARAMS and method in ("PUT", "POST", "PATCH"),
            about_file=about_file,
            shared=operation.shared,
        )


def document(entries: Iterable[Entry], version: str) -> Json:
    """The whole document."""
    paths: dict[str, Json] = {}
    schemas: dict[str, Any] = {"Error": ERROR_SCHEMA}
    for entry in entries:
        item = paths.setdefault(entry.path, _path_item(entry.path))
        item[entry.method.lower()] = _operation(entry)
        schemas |= {shape.name: shape.schema for shape in _shapes(entry.told) if shape.name}
    used = {
        operation["tags"][0] for item in paths.values() for operation in item.values() if "tags" in operation
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Isthmus provider", "version": version, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": about} for name, about in _TAGS.items() if name in used],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": _SECURITY_SCHEMES},
    }


def _path_item(path: str) -> Json:
    names = re.findall(r"{(\w+)}", path)
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PATH_SEGMENTS.get(name, "An id."),
            "schema": {"type": "string"},
        }
        for name in names
    ]
    return {"parameters": parameters} if parameters else {}


def _operation(entry: Entry) -> Json:
    told = entry.told
    operation: Json = {
        "operationId": _operation_id(entry),
        "summary": entry.summary,
        "tags": [told.tag],
        "security": _security(entry),
        "responses": _responses(entry),
    }
    if told.notes:
        operation["description"] = told.notes
    parameters = [*_query_parameters(entry), *_header_parameters(told)]
    if parameters:
        operation["parameters"] = parameters
    body = _request_body(entry)
    if body is not None:
        operation["requestBody"] = body
    return operation


def _operation_id(entry: Entry) -> str:
    words = re.findall(r"[A-Za-z0-9]+", entry.path.removeprefix(PREFIX.decode()))
    if entry.path.endswith("}/"):
        words.append("container")
    return entry.method.lower() + "".join(word[0].upper() + word[1:] for word in words)


def _security(entry: Entry) -> list[Json]:
    if entry.told.public:
        return []
    return [{}, *_ANY_TOKEN] if entry.shared else _ANY_TOKEN


def _query_parameters(entry: Entry) -> list[Json]:
    return [
        {
            "name": param.name,
            "in": "query",
            "required": param.required,
            "description": param.about,
            "schema": dict(param.schema),
        }
        for param in entry.params
        if not (entry.body_params or param.in_body)
    ]


def _header_parameters(told: Told) -> list[Json]:
    return [
        {
            "name": header.name,
            "in": "header",
            "required": header.required,
            "description": header.about,
            "schema": _header_schema(header),
        }
        for header in told.request_headers
    ]


def _header_schema(header: Header) -> Json:
    schema: Json = {"type": "string"}
    if header.example:
        schema["examples"] = [header.example]
    if header.pattern:
        schema["pattern"] = header.pattern
    return schema


def _request_body(entry: Entry) -> Json | None:
    in_body = [param for param in entry.params if entry.body_params or param.in_body]
    if in_body:
        properties = {param.name: {**param.schema, "description": param.about} for param in in_body}
        required = [param.name for param in in_body if param.required]
        schema: Json = {"type": "object", "properties": properties}
        if required:
            schema["required"] = required
        return {"required": bool(required), "content": {JSON_TYPE: {"schema": schema}}}
    if not entry.told.body:
        return None
    return {"required": False, "content": _content(entry.told.body)}


def _responses(entry: Entry) -> Json:
    usual = Reply(
        entry.status,
        "Done." if entry.status == 204 else "As asked.",
        entry.told.answers,
        entry.told.answer_headers,
    )
    responses = {str(reply.status): _reply(reply) for reply in (usual, *entry.told.replies)}
    for status, response in error_responses(
        entry.told,
        entry.params,
        about_file=entry.about_file,
        shared=entry.shared,
        has_body=_request_body(entry) is not None,
    ).items():
        responses.setdefault(status, response)
    return dict(sorted(responses.items()))


def _reply(reply: Reply) -> Json:
    told: Json = {"description": reply.about}
    if reply.shapes:
        told["content"] = _content(reply.shapes)
    if reply.headers:
        told["headers"] = {
            name: {"description": about, "schema": {"type": "string"}}
            for name, about in reply.headers.items()
        }
    return told


def _content(shapes: Iterable[Shape]) -> Json:
    return {shape.media: _media(shape) for shape in shapes}


def _media(shape: Shape) -> Json:
    schema = {"$ref": f"#/components/schemas/{shape.name}"} if shape.name else shape.schema
    return {"schema": schema} if shape.example is None else {"schema": schema, "example": shape.example}


def _shapes(told: Told) -> Iterator[Shape]:
    yield from told.answers
    yield from told.body
    for reply in told.replies:
        yield from reply.shapes
