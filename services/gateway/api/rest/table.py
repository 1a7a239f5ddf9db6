"""The table of REST routes, for dispatch and for the API's description alike.

A new route is one entry: its handler, what it takes, the parameters it reads (constants beside the handler),
and what is told of it. Routes about a file go below `/data/{id}`; those with content stand in
`content_table`, those of custom metadata in `metadata_table`, and all others in `plain_table`.
"""

from __future__ import annotations

from collections.abc import Mapping

from runtime.http import content_params
from services.gateway.api.ports import Metadata
from services.gateway.api.rest import (
    content_table,
    data,
    dir_stats,
    listing,
    metadata_table,
    monitoring_shapes,
    shapes,
    subtrees,
    tickets,
    trash,
)
from services.gateway.api.rest.data import DataRoutes
from services.gateway.api.rest.described import GONE, Told
from services.gateway.api.rest.dir_stats import DirStatsRoutes
from services.gateway.api.rest.distribution import DistributionRoutes
from services.gateway.api.rest.documents import DocumentRoutes
from services.gateway.api.rest.listing import ListingRoutes
from services.gateway.api.rest.lookup import LookupRoutes
from services.gateway.api.rest.operations import (
    JSON_TYPE,
    OCTETS,
    Methods,
    Operation,
    PlainMethods,
    Takes,
)
from services.gateway.api.rest.router import RestRoutes
from services.gateway.api.rest.selection import DEPRECATED
from services.gateway.api.rest.subtrees import SubtreeRoutes
from services.gateway.api.rest.tickets import TicketRoutes
from services.gateway.api.rest.trash import TrashRoutes
from services.gateway.api.rest.xattrs import XattrRoutes
from services.gateway.domain.acls import PrincipalNames


def rest_routes(
    metadata: Metadata,
    files: DataRoutes,
    listings: ListingRoutes,
    ticket_routes: TicketRoutes,
    distribution: DistributionRoutes,
    dir_stats_routes: DirStatsRoutes,
    principals: PrincipalNames,
    plain: Mapping[str, PlainMethods],
) -> RestRoutes:
    """All routes below `/api/v3/oneprovider`, those of the data port among them."""
    return RestRoutes(
        files={
            b"": _file(files),
            b"children": _children(listings),
            b"files": _files(SubtreeRoutes(metadata)),
            b"content": content_table.content_methods(),
            b"hardlinks": _hard_links(files),
            b"symlink_value": _symlink_value(files),
            b"metadata/xattrs": metadata_table.xattrs_methods(XattrRoutes(metadata, principals)),
            b"metadata/json": metadata_table.json_methods(DocumentRoutes(metadata)),
            b"metadata/rdf": metadata_table.rdf_methods(DocumentRoutes(metadata)),
            b"distribution": _distribution(distribution),
            b"dir_size_stats": _dir_size_stats(dir_stats_routes),
            b"storage_locations": _storage_locations(distribution),
            b"ticket": _ticket(ticket_routes),
            b"trash": _trash(TrashRoutes(metadata)),
            b"restore": _restore(TrashRoutes(metadata)),
        },
        below_path=content_table.below_path_methods(files),
        below_hardlinks=_below_hard_links(files),
        plain=plain,
        lookup=_lookup(LookupRoutes(metadata, files.memory)),
    )


def _file(files: DataRoutes) -> Methods:
    return {
        "GET": Operation(
            files.get_attributes,
            "Attributes of a file",
            Takes.PARAMS,
            shared=True,
            params=(data.ATTRIBUTES, DEPRECATED),
            memory=files.memory,
            told=Told((shapes.ATTRIBUTES,), GONE, "A symbolic link is told of itself; it is not followed."),
        ),
        "PUT": Operation(
            files.set_mode,
            "Change the mode",
            Takes.PARAMS,
            status=204,
            params=(data.NEW_MODE,),
            told=Told(errors=(*GONE, "posix/eperm"), notes="Only the owner may. Other keys are ignored."),
        ),
        "DELETE": Operation(
            files.delete,
            "Remove a file or a directory with all in it",
            status=204,
            told=Told(
                errors=(*GONE, "posix/eperm"),
                notes="A directory disappears at once and is cleaned up in the background.",
            ),
        ),
    }


def _children(listings: ListingRoutes) -> Methods:
    hints = (listing.TUNE, listing.TUNE_DEPRECATED)
    positions = (listing.TOKEN, listing.INDEX, listing.OFFSET, listing.INCLUSIVE)
    return {
        "GET": Operation(
            listings.list_children,
            "List a directory",
            Takes.PARAMS,
            shared=True,
            params=(listing.LIMIT, *positions, *hints, listing.ATTRIBUTES, DEPRECATED),
            told=Told(
                (shapes.CHILDREN,),
                (*GONE, "posix/einval"),
                "In the order of the bytes of the names. A page may have fewer entries than `limit` "
                "before the end. A file lists as itself; the user's root lists spaces.",
            ),
        ),
        "POST": content_table.creates(
            "Create an entry in a directory", (content_params.CHILD_NAME, *content_params.CREATION)
        ),
    }


def _files(routes: SubtreeRoutes) -> Methods:
    narrowing = (subtrees.START_AFTER, subtrees.PREFIX, subtrees.INCLUDE_DIRECTORIES)
    return {
        "GET": Operation(
            routes.list_files,
            "List everything below a directory",
            Takes.PARAMS,
            params=(subtrees.LIMIT, subtrees.TOKEN, *narrowing, subtrees.ATTRIBUTES, DEPRECATED),
            told=Told(
                (shapes.SUBTREE,),
                (*GONE, "posix/einval", "posix/enametoolong", "badValueFilePath"),
                "Depth first, in the order of the bytes of the names. Links are listed, not followed. A page "
                "may have fewer entries than `limit`, or none, before the end.",
            ),
        )
    }


def _hard_links(files: DataRoutes) -> Methods:
    return {
        "GET": Operation(
            files.list_hardlinks,
            "Ids of all names of a file",
            produces=(OCTETS, JSON_TYPE),
            params=(data.MAX_LINKS,),
            told=Told(shapes.HARD_LINKS, (*GONE, "posix/eisdir")),
        )
    }


def _below_hard_links(files: DataRoutes) -> Methods:
    return {
        "GET": Operation(
            files.compare_hardlink,
            "Whether two ids are names of one file",
            status=204,
            told=Told(
                errors=(*GONE, "posix/eisdir", "notFound"), notes="204 when they are, 404 when they are not."
            ),
        )
    }


def _symlink_value(files: DataRoutes) -> Methods:
    return {
        "GET": Operation(
            files.get_symlink_value,
            "Text of a symbolic link",
            produces=(OCTETS,),
            shared=True,
            told=Told((shapes.LINK_TEXT,), (*GONE, "posix/einval")),
        )
    }


def _distribution(routes: DistributionRoutes) -> Methods:
    return {
        "GET": Operation(
            routes.get,
            "Which provider holds what of a file",
            told=Told(
                (monitoring_shapes.DISTRIBUTION,),
                ("notFound", "posix/eacces", "notSupported"),
                "A provider that cannot be asked has an error for each of its storages. Of a directory only "
                "sizes are told, of a symbolic link that there is nothing.",
            ),
        )
    }


def _dir_size_stats(routes: DirStatsRoutes) -> Methods:
    return {
        "GET": Operation(
            routes.get,
            "How what lies below a directory went",
            Takes.PARAMS,
            params=(
                dir_stats.MODE, dir_stats.LAYOUT, dir_stats.START, dir_stats.STOP, dir_stats.LIMIT,
                dir_stats.EXTENDED,
            ),
            told=Told(
                (monitoring_shapes.DIR_SIZE_STATS,),
                (
                    "notFound", "posix/enotdir", "posix/eacces", "notSupported", "dirStatsDisabledForSpace",
                    "dirStatsNotReady", "timeSeriesCollectionMissingLayout",
                ),
                "Windows are told newest first; those without a change are left out. The value is the last.",
                tag="monitoring",
            ),
        )
    }  # fmt: skip


def _storage_locations(routes: DistributionRoutes) -> Methods:
    return {
        "GET": Operation(
            routes.get_locations,
            "Where a regular file lies on the storages",
            told=Told((monitoring_shapes.STORAGE_LOCATIONS,), ("notFound", "posix/eacces", "notSupported")),
        )
    }


def _ticket(routes: TicketRoutes) -> Methods:
    return {
        "POST": Operation(
            routes.create,
            "A URL of the direct road, for a short time",
            Takes.PARAMS,
            params=(tickets.METHOD,),
            told=Told(
                (shapes.TICKET,),
                (*GONE, "posix/eisdir", "posix/einval"),
                "With the URL a client reads or writes the content at a data port itself, where the site "
                "allows it, without a token. Beyond the original.",
            ),
        )
    }


def _lookup(routes: LookupRoutes) -> PlainMethods:
    return {
        "POST": Operation(
            routes.lookup_file_id,
            "Id of the file at a path",
            memory=routes.memory,
            told=Told(
                (shapes.CREATED,),
                (*GONE, "posix/enotdir", "posix/einval", "posix/enametoolong", "badValueFilePath"),
                "The path begins with the name of a space or `name@spaceId`; empty is the user's root.",
            ),
        )
    }


def _trash(routes: TrashRoutes) -> Methods:
    return {
        "GET": Operation(
            routes.list,
            "Deleted directories of a space that can be restored",
            Takes.PARAMS,
            params=(trash.LIMIT, trash.TOKEN),
            told=Told(
                (shapes.TRASH,),
                ("posix/eacces", "posix/einval", "notSupported"),
                "Those that the caller deleted or owns; all of them for owners of the space. Single files "
                "are not kept. Beyond the original.",
                tag="trash",
            ),
        ),
        "DELETE": Operation(
            routes.purge,
            "Remove a deleted directory for good, now",
            status=204,
            told=Told(errors=(*GONE, "posix/eperm"), notes="Beyond the original.", tag="trash"),
        ),
    }


def _restore(routes: TrashRoutes) -> Methods:
    return {
        "POST": Operation(
            routes.restore,
            "Restore a deleted directory with all in it",
            Takes.PARAMS,
            params=(trash.TARGET_PARENT, trash.NAME),
            told=Told(
                (shapes.CREATED,),
                (
                    *GONE, "posix/eexist", "posix/enotdir", "posix/einval", "posix/enametoolong",
                    "posix/eperm", "posix/exdev", "posix/eagain", "badValueIdentifier",
                ),
                "All ids stay. `enoent`: it is not in the trash (any more), or the directory it was in is "
                "gone, then say another one. `eexist`: its name is taken there, then say another one. Beyond "
                "the original.",
                tag="trash",
            ),
        )
    }  # fmt: skip
