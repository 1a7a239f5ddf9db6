"""The metadata service's handlers, before the rules of a test."""

from __future__ import annotations

from services.metadata.api.contents import ContentServicer
from services.metadata.api.files import FileServicer
from services.metadata.domain.rules import Rules


def file_servicer(rules: Rules) -> FileServicer:
    """FileService."""
    return FileServicer(
        rules.files, rules.links, rules.listing, rules.renames, rules.extras, rules.dir_stats, rules.grants
    )


def content_servicer(rules: Rules) -> ContentServicer:
    """ContentService."""
    return ContentServicer(
        rules.uploads,
        rules.commits,
        rules.small_uploads,
        rules.registrations,
        rules.removals,
        rules.leases,
    )
