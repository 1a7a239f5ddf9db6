"""What the API's description tells of the roads without a token: tickets and codes, taken by data ports."""

from __future__ import annotations

from collections.abc import Iterator

from services.gateway.api.openapi import Entry
from services.gateway.api.rest import shapes
from services.gateway.api.rest.described import BINARY, Reply, Shape, Told

_TICKET = "/ticket/{ticket}"
_ARCHIVE = Shape({**BINARY, "description": "A tar archive."}, media="application/x-tar")
_CONTENT = Shape({**BINARY, "description": "The content, of the type it was stored with."}, media="*/*")
_REFUSED = ("unauthorized", "posix/enoent", "posix/eacces")


def direct_entries() -> Iterator[Entry]:
    """`/ticket` and `/download`."""
    download = Told(
        (_CONTENT,),
        _REFUSED,
        "With a ticket for GET. Content that was replaced since is `enoent`: ask for a new ticket.",
        replies=shapes.DOWNLOAD_REPLIES,
        request_headers=(shapes.RANGE, *shapes.CONDITIONS),
        public=True,
    )
    yield Entry(_TICKET, "GET", "Download with a ticket", download)
    yield Entry(_TICKET, "HEAD", "Size and type, with a ticket", download)
    upload = Told(
        errors=(*_REFUSED, "posix/enospc", "posix/eisdir", "posix/eperm"),
        notes="With a ticket for PUT. Permission is checked now.",
        body=(shapes.CONTENT,),
        public=True,
    )
    yield Entry(_TICKET, "PUT", "Upload with a ticket", upload, status=204)
    yield Entry(
        "/download/{code}",
        "GET",
        "A directory as a tar archive",
        Told(
            (_ARCHIVE,),
            ("badValueIdNotFound", *_REFUSED),
            "The address that a directory's content leads to. A code is good once; what broke off goes on "
            "with `Range: bytes=N-`.",
            replies=(
                Reply(206, "The rest of it.", (_ARCHIVE,), {"content-range": "Which bytes of how many."}),
                Reply(416, "Not so much was sent yet, or it has changed. No body."),
            ),
            request_headers=(shapes.RANGE,),
            public=True,
        ),
    )
