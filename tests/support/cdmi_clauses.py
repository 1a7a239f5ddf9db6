"""The clauses of CDMI as this project keeps them: what is asked, and where we answer it differently, why.

The numbers are those of the project's reference for CDMI 1.1.1. A clause is *kept* when tests bear its number
(`@pytest.mark.cdmi("11.2.order")`); one without tests has to say why here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Clause:
    """One thing the contract asks. `absent`: why it is not there; empty for what tests show."""

    id: str
    asks: str
    absent: str = ""


def _chapter(title: str, *rows: tuple[str, str] | tuple[str, str, str]) -> tuple[str, tuple[Clause, ...]]:
    return title, tuple(Clause(*row) for row in rows)


CHAPTERS = (
    _chapter(
        "URIs",
        ("2.path", "paths name containers with a slash at the end, data objects without"),
        ("2.objectid", "objects by id, and by a path below an id, answer as by path"),
        ("2.decode", "segments are percent-decoded once; `%2F` makes no separator"),
        ("2.dots", "`.` is dropped, a path with `..` does not exist"),
        ("2.symlink", "symbolic links are as if absent, unless they are references"),
        ("2.reserved", "nothing is made at the top level, `cdmi_…` least of all"),
        ("2.1.redirect", "the wrong slash is 302 with the right one, query kept, every method and form"),
        ("2.1.slash-type", "a type that does not fit the slash is 400 `path`"),
    ),
    _chapter(
        "Order of checks",
        ("3.order", "checks come in one order that clients can see"),
        ("3.breaker", "a provider that takes no changes answers 503 `serviceUnavailable`, before all else"),
    ),
    _chapter(
        "Authentication",
        ("4.headers", "three header forms of a token"),
        ("4.401", "no token: 401 without details; a bad one: with `authError`; `WWW-Authenticate`"),
        ("4.capabilities", "capability objects need no token"),
        ("4.caveats", "data caveats of tokens hold; read-only makes every change `eacces`"),
        ("4.shares", "no anonymous access, no access through ids of shares"),
    ),
    _chapter(
        "Version",
        ("5.list", "a list with `1.1.1` or `1.1`, else 400 `badVersion`"),
        ("5.absent", "without the header it is plain HTTP, and CDMI types are errors"),
        ("5.response", "answers name the version"),
    ),
    _chapter(
        "Media types",
        ("6.1.accept", "`Accept` by weight, then by the order offered; else 406"),
        ("6.1.stored-type", "plain: an `Accept` of the stored type passes"),
        ("6.2.handler", "the type of a PUT and the path choose what is done"),
        ("6.2.ignored", "GET and DELETE ignore `Content-Type`"),
        ("6.2.parameters", "parameters and case of a type change nothing"),
        ("6.2.json-suffix", "`+json` is the same type"),
    ),
    _chapter(
        "Query string",
        ("7.fields", "the named fields only; unknown names are ignored"),
        ("7.ranges", "ranges of `value` and `children`, both ends inclusive; else 400 `query string`"),
        ("7.prefix", "`metadata:` is a prefix on reading and a name on writing"),
        ("7.decode", "each field is percent-decoded; a dash in a name is no range"),
    ),
    _chapter(
        "Errors",
        ("8.envelope", "ids, details and descriptions to the letter"),
        ("8.eacces", "a refused permission is 400 `posix`/`eacces`"),
        ("8.empty", "404, 405, 406, 416 and redirects have no body"),
    ),
    _chapter(
        "Object ids",
        ("9.form", "upper-case base16 with CRC; read in either case, CRC not checked"),
        ("9.stable", "an id outlives renames, moves and updates; a copy has its own"),
        ("9.malformed", "400 `badValueIdentifier` with key `file_id`, `copy` or `move`"),
        ("9.fixed", "the fixed ids of capability objects"),
    ),
    _chapter(
        "Capabilities",
        ("10.access", "GET only, version needed, by path or id"),
        ("10.fields", "their fields, selectable"),
        ("10.sets", "the original's sets, exactly, by a setting"),
        ("10.truth", "what is announced works, what works is announced"),
    ),
    _chapter(
        "Containers",
        ("11.1.fields", "fields of a container"),
        ("11.1.top", "the top container: name `/`, no parent"),
        ("11.2.order", "children by the bytes of their names, containers with a slash"),
        ("11.2.range", "`children:A-B`; outside 400 `childrenrange`"),
        ("11.2.limit", "more than 1000 children in one answer: 400 `badValueTooHigh`"),
        ("11.2.rights", "a listing that is refused refuses the whole request"),
        ("11.3.create", "CDMI PUT: 201 with all fields, 204 where it is there"),
        ("11.3.parent", "nothing is made on the way"),
        ("11.4.plain", "plain PUT: 201, body ignored; `eexist`"),
        ("11.5.delete", "recursive, 204; the top and spaces `eperm`"),
    ),
    _chapter(
        "Data objects",
        ("12.1.fields", "fields of a data object, defaults"),
        ("12.2.base64", "base64 of the value"),
        ("12.2.utf8", "text as an escaped JSON string; what is no text in base64, and said so"),
        ("12.2.slice", "parts of a value, cut at the end, `\"\"` behind it"),
        ("12.3.large", "values of any size are streamed with a length known before"),
        ("12.4.create", "201 with all but the value; empty body makes an empty object"),
        ("12.4.update", "204: replace, or metadata only"),
        ("12.4.exclusive", "more than one source: 400 `malformedData`"),
        ("12.4.encoding", "how a value is decoded; bad base64 400 `base64`, nothing made"),
        ("12.4.range", "a part is placed, the rest stays; wrong length 400 `range`"),
        ("12.4.range-create", "a part of an object that is not there yet is placed"),
        ("12.4.bad-body", "malformed JSON, repeated names, deep nesting: 400, nothing changed"),
        ("12.5.flag", "`X-CDMI-Partial` and `completionStatus`"),
        ("12.6.delete", "204; absent 404"),
    ),
    _chapter(
        "Plain HTTP",
        ("13.1.get", "bytes with stored type, length and file name"),
        ("13.2.put", "201 or 204, `Content-Type` and charset kept; a type not told stays"),
        ("13.2.range", "`Content-Range` places a part; bad ones 400 `content-range`"),
        ("13.2.chunked", "bodies of unknown length"),
        ("13.2.large", "1 GiB without a detour"),
        ("14.one", "one range: 206"),
        ("14.many", "several: `multipart/byteranges` in the order asked, with CRLF"),
        ("14.bad", "anything else: 416 before the right to read"),
        ("14.cdmi", "`Range` on a CDMI GET is ignored"),
    ),
    _chapter(
        "Copy and move",
        ("15.sources", "four forms of a source"),
        ("15.copy", "content, metadata, type, encoding, mode and ACL; a new id"),
        ("15.copy-tree", "whole trees"),
        ("15.move", "same id, source gone; across spaces too"),
        ("15.metadata", "`metadata` in the body replaces what was copied"),
        ("15.errors", "errors leave the source untouched and no target"),
        ("15.fields", "`copy: \"SOURCE?field;field\"` takes only these of its source"),
        ("15.progress", "large copies answer 202 and tell how far they are"),
    ),
    _chapter(
        "Metadata",
        ("16.1.system", "items of the system"),
        ("16.2.read", "all, or by prefix"),
        ("16.3.replace", "a body without names replaces all user items"),
        ("16.3.named", "named items are set or removed, others ignored"),
        ("16.3.system", "`cdmi_…` names are dropped silently"),
        ("16.3.documents", "`onedata_json` and `onedata_rdf` are items"),
        ("16.3.whole", "all or nothing"),
        ("16.4.value-hash", "`cdmi_hash` is the digest, by `cdmi_value_hash`, of the value as it is now"),
    ),
    _chapter(
        "ACLs",
        ("17.1.form", "names or hex in, hex out"),
        ("17.2.values", "types, flags, masks, principals"),
        ("17.3.set", "set, removed, refused"),
        ("17.4.evaluation", "one evaluator with REST"),
    ),
    _chapter(
        "CORS and other methods",
        ("18.cors", "any origin; OPTIONS without a token"),
        ("18.head", "HEAD is GET without a body"),
        ("18.methods", "405 with `Allow`; 501 for unknown methods"),
    ),
    _chapter(
        "Beyond",
        ("21.1.accepted", "what takes longer answers 202 with an absolute `Location`"),
        ("21.1.processing", "`Processing` and `percentComplete`, no value or children, before it is whole"),
        ("21.1.error", "a failure is told by a text that begins with `Error`"),
        ("21.1.cancel", "DELETE of the destination gives it up"),
        ("21.refused", "fields and types that are not built are 400, never a silent success"),
        ("21.2.multipart", "`multipart/mixed`: JSON and the value as it is, in one body, with ranges"),
        ("21.3.references", "references: made, listed with `?`, 302 on everything but DELETE, never changed"),
        ("21.4.post", "POST to a container makes a data object under a name of the server's"),
        ("21.4.form", "POST of a form makes a data object under the name its file has"),
        ("21.5.serialize", "objects and trees become JSON, as far as they may be read"),
        ("21.5.deserialize", "new objects and trees are made of it, with metadata and ACL, or nothing is"),
        ("21.5.limits", "what is too large is refused and changes nothing"),
        ("21.8.create", "queues are made by PUT, and by POST to a container, and listed like data objects"),
        ("21.8.fields", "`queueValues`; arrays of `mimetype`, `valuerange`, `value` and encodings"),
        ("21.8.get", "the oldest value, `?values:N`, `?value:A-B`, or the named fields only"),
        ("21.8.enqueue", "POST adds the values of the body, all or none"),
        ("21.8.transfer", "POST copies or moves a data object, or values of another queue"),
        ("21.8.dequeue", "DELETE takes `?value`, `?values:N`, `?values:A-B` from the oldest on"),
        ("21.8.delete", "DELETE without values removes the queue with all it holds"),
        ("21.8.order", "numbers from 0, never given again; one order, whatever instance dies"),
        ("21.8.like-another", "copies have the values, moves keep the id"),
        ("21.8.limits", "what is too large or too much is 400 and says what the limit is"),
        ("21.8.form", "types, slashes, versions and `Accept` have to fit; content of a queue is `enotsup`"),
        ("21.6.snapshots", "snapshots", "come with archives"),
        ("21.9.managed-queues", "query and notification queues", "REST has views and a changes stream"),
        ("21.10.domains", "domains", "spaces and groups take their place"),
        ("21.11.retention", "retention and hold", "come with dataset protection"),
    ),
)  # fmt: skip

CLAUSES = {clause.id: clause for _, clauses in CHAPTERS for clause in clauses}
