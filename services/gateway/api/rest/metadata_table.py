"""Routes of custom metadata."""

from __future__ import annotations

from services.gateway.api.rest import (
    documents,
    shapes,
    xattrs,
)
from services.gateway.api.rest.described import GONE, Told
from services.gateway.api.rest.documents import DocumentRoutes
from services.gateway.api.rest.operations import (
    Call,
    Handler,
    Methods,
    Operation,
    Takes,
)
from services.gateway.api.rest.xattrs import XattrRoutes

_DOCUMENT_ERRORS = ("notFound", "posix/eacces", "posix/eperm")


def xattrs_methods(attributes: XattrRoutes) -> Methods:
    """`/data/{id}/metadata/xattrs`."""
    follow = xattrs.RESOLVE_SYMLINK
    errors = (*GONE, "posix/eperm")
    return {
        "GET": Operation(
            attributes.get,
            "Extended attributes",
            shared=True,
            params=(xattrs.ATTRIBUTE, xattrs.INHERITED, xattrs.SHOW_INTERNAL, follow),
            told=Told((shapes.XATTRS,), (*errors, "posix/enodata"), tag="metadata"),
        ),
        "PUT": Operation(
            attributes.put,
            "Merge extended attributes",
            Takes.VALUE,
            status=204,
            params=(follow,),
            told=Told(
                errors=(*errors, "posix/einval", "posix/enametoolong", "posix/e2big", "badValueJSON"),
                body=(shapes.XATTRS,),
                tag="metadata",
                notes="Merged key by key. `cdmi_acl` sets the ACL, `[]` removes it.",
            ),
        ),
        "DELETE": Operation(
            attributes.delete,
            "Remove extended attributes",
            Takes.PARAMS,
            status=204,
            params=(follow, xattrs.KEYS),
            told=Told(errors=errors, tag="metadata"),
        ),
    }


def json_methods(routes: DocumentRoutes) -> Methods:
    """`/data/{id}/metadata/json`."""
    follow = xattrs.RESOLVE_SYMLINK
    place = (documents.FILTER, documents.FILTER_TYPE)
    return {
        "GET": Operation(
            routes.get_json,
            "The JSON document",
            shared=True,
            params=(follow, *place, documents.INHERITED),
            told=Told((shapes.JSON,), (*_DOCUMENT_ERRORS, "posix/enodata", "posix/e2big"), tag="metadata"),
        ),
        "PUT": Operation(
            routes.put_json,
            "Set the JSON document, or one place in it",
            Takes.VALUE,
            status=204,
            params=(follow, *place),
            told=Told(
                errors=(*_DOCUMENT_ERRORS, "posix/enodata", "posix/e2big", "posix/einval", "badValueJSON"),
                body=(shapes.JSON,),
                tag="metadata",
            ),
        ),
        "DELETE": _removes("Remove the JSON document", routes.delete_json),
    }


def rdf_methods(routes: DocumentRoutes) -> Methods:
    """`/data/{id}/metadata/rdf`."""
    follow = xattrs.RESOLVE_SYMLINK
    return {
        "GET": Operation(
            routes.get_rdf,
            "The RDF document",
            produces=(documents.RDF_TYPE,),
            shared=True,
            params=(follow,),
            told=Told((shapes.RDF,), (*_DOCUMENT_ERRORS, "posix/enodata"), tag="metadata"),
        ),
        "PUT": Operation(
            routes.put_rdf,
            "Set the RDF document",
            Takes.BYTES,
            status=204,
            params=(follow,),
            consumes=documents.RDF_TYPE,
            told=Told(errors=(*_DOCUMENT_ERRORS, "posix/e2big"), body=(shapes.RDF,), tag="metadata"),
        ),
        "DELETE": _removes("Remove the RDF document", routes.delete_rdf),
    }


def _removes(summary: str, handler: Handler[Call]) -> Operation[Call]:
    return Operation(
        handler,
        summary,
        status=204,
        params=(xattrs.RESOLVE_SYMLINK,),
        told=Told(errors=_DOCUMENT_ERRORS, notes="Fine also where there is none.", tag="metadata"),
    )
