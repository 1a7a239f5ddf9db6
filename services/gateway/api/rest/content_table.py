"""Routes that carry content. The front door sends them to a data port; here they are only described."""

from __future__ import annotations

from typing import Any

from runtime.http import content_params
from runtime.http.declared import Param
from runtime.http.errors import ApiError
from services.gateway.api.http import Answer
from services.gateway.api.rest import (
    shapes,
)
from services.gateway.api.rest.data import DataRoutes
from services.gateway.api.rest.described import GONE, Told
from services.gateway.api.rest.operations import (
    JSON_TYPE,
    OCTETS,
    Call,
    Methods,
    Operation,
)

_WRITE_ERRORS = (*GONE, "posix/eisdir", "posix/enospc", "posix/efbig", "posix/eagain")
_CREATE_ERRORS = (
    *GONE, "posix/eexist", "posix/enotdir", "posix/eisdir", "posix/einval", "posix/enametoolong",
    "posix/enospc", "posix/efbig", "posix/eperm", "posix/emlink", "posix/exdev", "posix/eagain",
    "badValueFilePath", "badValueIdentifier", "missingRequiredValue",
)  # fmt: skip


def content_methods() -> Methods:
    """`/data/{id}/content`."""
    download = _downloads("Download the content", shared=True)
    return {
        "GET": download,
        "HEAD": download,
        "PUT": _at_data_port(
            "Upload content",
            OCTETS,
            JSON_TYPE,
            status=204,
            params=(content_params.UPLOAD_OFFSET,),
            told=Told(errors=_WRITE_ERRORS, body=(shapes.CONTENT,)),
        ),
    }


def below_path_methods(files: DataRoutes) -> Methods:
    """`/data/{id}/path/{path}`."""
    download = _downloads("Download by path", errors=("posix/enotdir", "badValueFilePath"))
    return {
        "GET": download,
        "HEAD": download,
        "PUT": creates("Create by path", (content_params.CREATE_PARENTS, *content_params.CREATION)),
        "DELETE": Operation(
            files.delete_by_path,
            "Remove by path",
            status=204,
            told=Told(errors=(*GONE, "posix/enotdir", "posix/einval", "posix/eperm", "badValueFilePath")),
        ),
    }


def _downloads(summary: str, *, errors: tuple[str, ...] = (), shared: bool = False) -> Operation[Call]:
    return _at_data_port(
        summary,
        OCTETS,
        shared=shared,
        params=(content_params.FOLLOW_SYMLINKS,),
        told=Told(
            (shapes.CONTENT,),
            (*GONE, "posix/eisdir", *errors),
            replies=shapes.DOWNLOAD_REPLIES,
            request_headers=(shapes.RANGE, *shapes.CONDITIONS),
        ),
    )


def creates(summary: str, params: tuple[Param[Any], ...]) -> Operation[Call]:
    """A route that makes a file, directory or link, with what a body holds."""
    return _at_data_port(
        summary,
        JSON_TYPE,
        status=201,
        params=params,
        told=Told(
            (shapes.CREATED,),
            _CREATE_ERRORS,
            body=(shapes.CONTENT,),
            answer_headers=shapes.LOCATION,
        ),
    )


def _at_data_port(
    summary: str,
    *produces: str,
    params: tuple[Param[Any], ...],
    told: Told,
    status: int = 200,
    shared: bool = False,
) -> Operation[Call]:
    """A content route. The front door sends it to a data port; reaching us means that none is in rotation."""
    return Operation(
        _no_data_port,
        summary,
        produces=produces,
        shared=shared,
        status=status,
        params=params,
        consumes=OCTETS,
        told=told,
    )


async def _no_data_port(_: Call) -> Answer:
    raise ApiError("serviceUnavailable")
