"""The table of REST routes that are about no file: shares, spaces and the like. See `table`."""

from __future__ import annotations

from collections.abc import Mapping

from services.gateway.api.rest import (
    bulk,
    changes,
    monitoring_shapes,
    registrations,
    shapes,
    shares,
    statistics,
)
from services.gateway.api.rest.bulk import BulkRoutes
from services.gateway.api.rest.changes import ChangeRoutes
from services.gateway.api.rest.described import Told
from services.gateway.api.rest.operations import Operation, PlainMethods, Takes
from services.gateway.api.rest.registrations import RegistrationRoutes
from services.gateway.api.rest.selection import DEPRECATED
from services.gateway.api.rest.shares import ShareRoutes
from services.gateway.api.rest.spaces import SpaceRoutes
from services.gateway.api.rest.statistics import StatisticsRoutes

_STATISTICS = Told(
    (monitoring_shapes.STATISTICS,),
    ("forbidden", "spaceNotSupportedBy"),
    "One element for each provider of the space; the empty text stands for a provider without numbers.",
    tag="monitoring",
)


def plain_routes(
    share_routes: ShareRoutes,
    space_routes: SpaceRoutes,
    change_routes: ChangeRoutes,
    bulk_routes: BulkRoutes,
    statistics_routes: StatisticsRoutes,
    registration_routes: RegistrationRoutes,
) -> Mapping[str, PlainMethods]:
    """By their path below the prefix."""
    return {
        "/data/bulk": _bulk(bulk_routes),
        "/data/register": _register(registration_routes),
        "/shares": _shares(share_routes),
        "/shares/{shid}": _share(share_routes),
        "/changes/metadata/{sid}": _changes(change_routes),
        "/metrics/space/{sid}": {
            "GET": Operation(
                statistics_routes.of_space,
                "How a space is used",
                params=(statistics.METRIC, statistics.STEP),
                told=_STATISTICS,
            )
        },
        "/metrics/space/{sid}/user/{uid}": {
            "GET": Operation(
                statistics_routes.of_user,
                "How a user uses a space",
                params=(statistics.USER_METRIC, statistics.STEP),
                told=_STATISTICS,
            )
        },
        "/spaces": {
            "GET": Operation(
                space_routes.list,
                "Spaces of the caller",
                told=Told((shapes.SPACES,), notes="Also those this provider does not support.", tag="spaces"),
            )
        },
        "/spaces/{sid}": {
            "GET": Operation(
                space_routes.get,
                "One space",
                told=Told((shapes.SPACE,), ("forbidden", "spaceNotSupportedBy"), tag="spaces"),
            )
        },
    }


def _bulk(routes: BulkRoutes) -> PlainMethods:
    return {
        "POST": Operation(
            routes.run,
            "Many operations on files in one request",
            Takes.PARAMS,
            params=(bulk.OPERATIONS, bulk.ATOMIC, bulk.ATTRIBUTES, DEPRECATED),
            told=Told(
                (shapes.BULK,),
                ("badData",),
                "The answer is 200 whatever became of the operations: a refused one has its error in its "
                "place. They run side by side, so none may count on what another one does.",
            ),
        )
    }


def _register(routes: RegistrationRoutes) -> PlainMethods:
    return {
        "POST": Operation(
            routes.register,
            "Register a file that lies on an imported storage",
            Takes.PARAMS,
            status=201,
            params=registrations.PARAMS,
            told=Told(
                (shapes.CREATED,),
                (
                    "forbidden", "spaceNotSupportedBy", "notALocalStorageSupportingSpace",
                    "requiresImportedStorage", "statOperationNotSupported", "missingRequiredValue",
                    "posix/enoent", "posix/enotdir", "posix/eexist", "posix/eacces", "posix/eperm",
                    "posix/einval", "posix/enametoolong", "posix/e2big", "posix/enospc", "posix/eio",
                    "posix/einprogress",
                ),
                "The bytes stay where they are. Registering again brings the file up to date; where the name "
                "belongs to a file that was not registered, or was written since, it is `eexist`.",
                answer_headers=shapes.LOCATION,
            ),
        )
    }  # fmt: skip


def _shares(routes: ShareRoutes) -> PlainMethods:
    return {
        "POST": Operation(
            routes.create,
            "Share a file or directory",
            Takes.PARAMS,
            status=201,
            params=(shares.NAME, shares.ROOT, shares.OLDER_ROOT, shares.DESCRIPTION),
            told=Told(
                (shapes.SHARE_ID,),
                (
                    "forbidden", "spaceNotSupportedBy", "notFound", "posix/eperm", "posix/einval",
                    "posix/eacces", "posix/eagain",
                ),
                "From now on anybody may read it by the ids that the share shows. A file may have several.",
                answer_headers=shapes.LOCATION,
                tag="shares",
            ),
        )
    }  # fmt: skip


def _share(routes: ShareRoutes) -> PlainMethods:
    errors = ("notFound", "forbidden", "spaceNotSupportedBy")
    return {
        "GET": Operation(
            routes.get, "What there is to know of a share", told=Told((shapes.SHARE,), errors, tag="shares")
        ),
        "PATCH": Operation(
            routes.update,
            "Rename or describe a share",
            Takes.PARAMS,
            status=204,
            params=(shares.NEW_NAME, shares.NEW_DESCRIPTION),
            told=Told(errors=(*errors, "missingAtLeastOneValue"), tag="shares"),
        ),
        "DELETE": Operation(
            routes.delete,
            "End a share",
            status=204,
            told=Told(
                errors=(*errors, "posix/eperm"), notes="Its ids lead to nothing from now on.", tag="shares"
            ),
        ),
    }


def _changes(routes: ChangeRoutes) -> PlainMethods:
    return {
        "POST": Operation(
            routes.follow,
            "Follow what changes in a space",
            Takes.BYTES,
            params=(changes.TIMEOUT, changes.LAST_SEQ),
            check=changes.check_reader,
            told=Told(
                (monitoring_shapes.CHANGE,),
                (
                    "forbidden", "spaceNotSupportedBy", "badValueJSON", "badValueEmpty", "badData",
                    "badValueListOfStrings", "badValueNotAllowed", "badValueBoolean",
                ),
                "One JSON object a line, each as soon as something changes; nothing in between. Only the "
                "newest change of each document is told of. To go on after a break, send the `seq` of the "
                "last line as `last_seq`.",
                body=(monitoring_shapes.CHANGES_WANTED,),
                tag="monitoring",
            ),
        )
    }  # fmt: skip
