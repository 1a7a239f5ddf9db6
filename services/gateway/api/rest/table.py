"""The table of file routes, for dispatch and for the OpenAPI description alike."""

from __future__ import annotations

from runtime.http.errors import ApiError
from services.gateway.api.gate import Gate
from services.gateway.api.http import Answer
from services.gateway.api.ports import Metadata
from services.gateway.api.rest.data import DataRoutes
from services.gateway.api.rest.listing import ListingRoutes
from services.gateway.api.rest.operations import JSON_TYPE, OCTETS, Call, Operation, Takes
from services.gateway.api.rest.router import FileRoutes
from services.gateway.api.rest.tickets import TicketRoutes
from services.gateway.api.rest.xattrs import XattrRoutes


def file_routes(metadata: Metadata, gate: Gate, tickets: TicketRoutes) -> FileRoutes:
    """All routes under `/data/{id}` that the gateway serves."""
    data = DataRoutes(metadata, gate)
    listing = ListingRoutes(metadata)
    xattrs = XattrRoutes(metadata)
    return FileRoutes(
        exact={
            b"": {
                "GET": Operation(data.get_attributes, "Attributes of a file", Takes.PARAMS, shared=True),
                "PUT": Operation(data.set_mode, "Change the mode", Takes.PARAMS, status=204),
                "DELETE": Operation(data.delete, "Remove a file or a directory with all in it", status=204),
            },
            b"children": {
                "GET": Operation(listing.list_children, "List a directory", Takes.PARAMS, shared=True),
                "POST": _at_data_port("Create a child", JSON_TYPE, status=201),
            },
            b"content": {
                "GET": _at_data_port("Download", OCTETS, shared=True),
                "PUT": _at_data_port("Upload", OCTETS, status=204),
            },
            b"hardlinks": {
                "GET": Operation(
                    data.list_hardlinks, "Ids of all names of a file", produces=(OCTETS, JSON_TYPE)
                ),
            },
            b"symlink_value": {
                "GET": Operation(
                    data.get_symlink_value, "Text of a symbolic link", produces=(OCTETS,), shared=True
                ),
            },
            b"metadata/xattrs": {
                "GET": Operation(xattrs.get, "Extended attributes", shared=True),
                "PUT": Operation(xattrs.put, "Merge extended attributes", Takes.VALUE, status=204),
                "DELETE": Operation(xattrs.delete, "Remove extended attributes", Takes.PARAMS, status=204),
            },
            b"ticket": {
                "POST": Operation(tickets.create, "A URL of the direct road, for a short time", Takes.PARAMS),
            },
        },
        below_path={
            "GET": _at_data_port("Download by path", OCTETS),
            "PUT": _at_data_port("Create by path", JSON_TYPE, status=201),
            "DELETE": Operation(data.delete_by_path, "Remove by path", status=204),
        },
        below_hardlinks={
            "GET": Operation(data.compare_hardlink, "Whether two ids are names of one file", status=204),
        },
    )


def _at_data_port(summary: str, produces: str, *, status: int = 200, shared: bool = False) -> Operation:
    """A content route. The front door sends it to a data port; reaching us means that none is in rotation."""
    return Operation(_no_data_port, summary, produces=(produces,), shared=shared, status=status)


async def _no_data_port(_: Call) -> Answer:
    raise ApiError("serviceUnavailable")
