"""Files that lay on a storage before us: which of them may be registered in a space, and how they are."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.errors import AccessDenied, FailedPrecondition, PermissionDenied
from runtime.identity import Identity, SpacePrivilege
from services.storage_router.domain.catalog import Catalog, OpenStorage
from services.storage_router.domain.drivers import OWN_FOLDER, StorageFile, check_storage_file_id
from services.storage_router.domain.storage_users import StorageUserStore


class NotALocalStorage(FailedPrecondition):
    """No storage of this provider with this id supports the space."""

    reason = "NOT_A_LOCAL_STORAGE_SUPPORTING_SPACE"


class NotImported(FailedPrecondition):
    """Only files on an imported storage can be registered."""

    reason = "REQUIRES_IMPORTED_STORAGE"


class CannotStat(FailedPrecondition):
    """The storage cannot tell what its files are like."""

    reason = "STAT_OPERATION_NOT_SUPPORTED"


@dataclass(frozen=True, slots=True)
class Owner:
    """A numeric owner, and the user of ours that is; empty when none is known."""

    uid: int
    user_id: str


@dataclass(frozen=True, slots=True)
class Inspected:
    """A file that may be registered. `owner`: None where no number is known."""

    file: StorageFile
    owner: Owner | None = None


class Imports:
    """Looks at files about to be registered. The path is the user's word: the driver trusts none of it."""

    def __init__(self, catalog: Catalog, users: StorageUserStore, provider_id: str) -> None:
        self._catalog = catalog
        self._users = users
        self._provider_id = provider_id

    async def inspect(
        self,
        identity: Identity,
        space_id: str,
        storage_id: str,
        storage_file_id: str,
        *,
        stat: bool,
        uid: int | None = None,
    ) -> Inspected:
        """The file, of which nothing but its id is told without `stat`. `uid`: counts before what it has.

        NotALocalStorage, NotImported, CannotStat; NoSuchFile, InputOutputError for what is no regular file,
        InvalidName, NameTooLong, AccessDenied for what is ours, StorageUnreachable.
        """
        rights = identity.rights_in(space_id)
        if rights is None or not rights.has(SpacePrivilege.REGISTER_FILES):
            raise PermissionDenied("registering files in the space is not allowed", space_id=space_id)
        opened = await self._storage(space_id, storage_id)
        storage_file_id = "/" + "/".join(name for name in storage_file_id.split("/") if name)
        first = check_storage_file_id(storage_file_id)[0]
        if first in (OWN_FOLDER, space_id):
            # There lies the content of other files, whose permissions do not end here.
            raise AccessDenied("the folder is not the owner's", storage_file_id=storage_file_id)
        shown = StorageFile(storage_file_id, 0, 0)
        if stat:
            shown = await self._stat(opened, storage_file_id)
        if uid is None:
            uid = shown.uid
        if uid is None:
            return Inspected(shown)
        return Inspected(shown, Owner(uid, await self._users.find(storage_id, uid)))

    async def _stat(self, opened: OpenStorage, storage_file_id: str) -> StorageFile:
        if not opened.driver.capabilities.stat:
            raise CannotStat(storage_id=opened.storage.storage_id)
        opened.check_readable()
        return await opened.driver.stat(storage_file_id)

    async def _storage(self, space_id: str, storage_id: str) -> OpenStorage:
        await self._catalog.learn(space_id=space_id)
        support = self._catalog.supports.get(space_id)
        if support is None or support.storage_id != storage_id:
            raise NotALocalStorage(provider_id=self._provider_id, storage_id=storage_id, space_id=space_id)
        opened = self._catalog.storage(storage_id)
        if not opened.storage.imported:
            raise NotImported(storage_id=storage_id)
        return opened
