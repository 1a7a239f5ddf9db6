"""Small whole content, whose bytes came with the request: asked for and published in one step.

The bytes are on a storage before anybody was asked whether they may be. That is for whoever wrote them to
mend when the answer is no, and worth it where the answer is nearly always yes.
"""

from __future__ import annotations

from collections.abc import Mapping

from runtime.identity import Identity

from . import names
from .commits import Commit, Commits
from .locations import Upload
from .records import File
from .uploads import Target, UploadRequest, Uploads


class SmallUploads:
    """`Uploads.begin` and `Commits.commit` at once."""

    def __init__(self, uploads: Uploads, commits: Commits) -> None:
        self._uploads = uploads
        self._commits = commits

    async def publish(
        self, identity: Identity, request: UploadRequest, fields: Mapping[str, str]
    ) -> tuple[File, bool]:
        """Makes the content visible; True when this, or an earlier try of it, made the file.

        Raises what `begin` and `commit` raise. Repeating it is safe.
        """
        if request.mode is not None:
            names.check_mode(request.mode)
        target = await self._uploads.target(identity, request)
        return await self._commits.publish(identity, target, _commit(request, target, fields))


def _commit(request: UploadRequest, target: Target, fields: Mapping[str, str]) -> Commit:
    found = target.found
    upload = Upload(
        op_id=request.request_id,
        replaces=True,
        storage_id=request.storage_id,
        storage_file_id=request.storage_file_id,
        offset=0,
        size_bytes=request.size_bytes or 0,
    )
    return Commit(
        space_id=found.file.space_id,
        file_id=target.file_id,
        parent_id=found.file.file_id if target.is_new else "",
        name=request.ref.path[-1] if target.is_new else "",
        create=target.is_new,
        upload=upload,
        mode=request.mode,
        set_existing_mode=request.set_existing_mode,
        fields=fields,
        follow_symlink=request.ref.follow_last_symlink,
        recorded=False,
    )
