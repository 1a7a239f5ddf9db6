"""The OpenAPI description of routes that FastAPI does not serve itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from services.gateway.api.rest.operations import Operation, Takes
from services.gateway.api.rest.router import FileRoutes, Methods

_DATA = "/api/v3/oneprovider/data/{id}"
_LOOKUP = "/api/v3/oneprovider/lookup-file-id/{path}"

_ERROR = {
    "description": "The error envelope.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}

_ERROR_SCHEMA = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["id", "description"],
            "properties": {
                "id": {"type": "string", "example": "posix"},
                "description": {"type": "string"},
                "details": {"type": "object", "example": {"errno": "enoent"}},
            },
        }
    },
}

_SECURITY_SCHEMES = {
    "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
    "bearer": {"type": "http", "scheme": "bearer"},
}


def add_file_routes(app: FastAPI, routes: FileRoutes) -> None:
    """Makes the application's description tell of these routes, too."""
    described = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = described()
            schema["paths"] = {**schema["paths"], **dict(_paths(routes))}
            components = schema.setdefault("components", {})
            components.setdefault("schemas", {})["Error"] = _ERROR_SCHEMA
            components["securitySchemes"] = _SECURITY_SCHEMES
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI is extended


def _paths(routes: FileRoutes) -> Iterator[tuple[str, dict[str, Any]]]:
    for tail, methods in routes.exact.items():
        path = f"{_DATA}/{tail.decode()}" if tail else _DATA
        yield path, _describe(methods, ("id",))
    yield f"{_DATA}/path/{{path}}", _describe(routes.below_path, ("id", "path"))
    yield f"{_DATA}/hardlinks/{{hid}}", _describe(routes.below_hardlinks, ("id", "hid"))
    yield _LOOKUP, {"post": _operation("Id of the file at a path", ("path",), 200, None)}


def _describe(methods: Methods, parameters: tuple[str, ...]) -> dict[str, Any]:
    return {
        method.lower(): _operation(operation.summary, parameters, operation.status, operation)
        for method, operation in methods.items()
    }


def _operation(
    summary: str, parameters: tuple[str, ...], status: int, operation: Operation | None
) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": "Done." if status == 204 else "As asked."}
    produces = operation.produces if operation else ("application/json",)
    if status != 204:
        answer["content"] = {media: {} for media in produces}
    told: dict[str, Any] = {
        "summary": summary,
        "tags": ["files"],
        "security": [{"token": []}, {"bearer": []}],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in parameters
        ],
        "responses": {str(status): answer, "default": _ERROR},
    }
    if operation is not None and operation.takes is not Takes.NOTHING:
        told["requestBody"] = {
            "description": operation.takes.value,
            "content": {"application/json": {"schema": {"type": "object"}}},
        }
    return told
