"""What a CDMI address names, found once for every method."""

from __future__ import annotations

from dataclasses import dataclass

from isthmus.metadata.v1 import files_pb2

from runtime.errors import NoSuchFile, NotADirectory
from runtime.http.cdmi import check_known, is_reference
from runtime.http.errors import ApiError, posix
from runtime.http.file_ids import FileId
from runtime.http.paths import resolve_space
from runtime.identity import Identity
from services.gateway.api.namespace import listed_spaces, ref, user_root_record
from services.gateway.api.ports import Metadata
from services.gateway.domain.cdmi.addresses import Address, to_url_path
from services.gateway.domain.files import DIRECTORY, HIDDEN_PREFIX, QUEUE, SYMLINK, FileRecord


@dataclass(slots=True)
class Node:
    """A place in the tree: `names` from the root, the space first. `record` is None where nothing is.

    `space_id` is empty for the top container, and for a space that is not there. `is_hidden`: a symbolic link
    is there that is no reference, and so as if absent.
    """

    identity: Identity
    names: tuple[str, ...]
    container: bool
    space_id: str = ""
    record: FileRecord | None = None
    is_hidden: bool = False

    @property
    def is_top(self) -> bool:
        """The container of the user's spaces."""
        return not self.names

    @property
    def file(self) -> FileRecord:
        """The record of what is there."""
        assert self.record is not None  # noqa: S101 - asked by callers that have looked
        return self.record

    @property
    def id(self) -> FileId:
        """The id of what is there."""
        return FileId(self.file.space_id, self.file.file_id)

    @property
    def is_directory(self) -> bool:
        """Whether a directory is there."""
        return self.record is not None and self.record.type == DIRECTORY

    @property
    def is_reference(self) -> bool:
        """Whether a reference is there, which leads to another URI."""
        return self.record is not None and self.record.type == SYMLINK

    @property
    def is_queue(self) -> bool:
        """Whether a queue is there."""
        return self.record is not None and self.record.type == QUEUE

    def parent_ref(self) -> files_pb2.FileRef:
        """The directory in which this place is. Raises NotPermitted's answer where users make nothing."""
        if not self.names or (len(self.names) == 1):
            raise posix("eperm")
        if not self.space_id:
            raise posix("enoent")
        return files_pb2.FileRef(space_id=self.space_id, path=self.names[1:-1])

    def inside_path(self) -> str:
        """The percent-encoded path by which a data port finds this place without doubt."""
        rights = self.identity.spaces[self.space_id]
        return to_url_path((f"{rights.name}@{self.space_id}", *self.names[1:]), container=False)


class Tree:
    """Finds nodes."""

    def __init__(self, metadata: Metadata, *, provider_id: str) -> None:
        self._metadata = metadata
        self._provider_id = provider_id

    async def find(self, identity: Identity, address: Address) -> Node:
        """The node of an address. What is not there, or is a symbolic link but no reference, has no record.

        Raises what is no matter of being there: AccessDenied, a space not supported here, an object id that
        names nothing (ENOENT).
        """
        if address.object_id is not None:
            return await self._by_id(identity, address, address.object_id)
        return await self._by_path(identity, address.names, container=address.container, address=address)

    async def _by_id(self, identity: Identity, address: Address, base: FileId) -> Node:
        names = await self._names_of(identity, base)
        return await self._by_path(
            identity, (*names, *address.names), container=address.container, address=address
        )

    async def _names_of(self, identity: Identity, file: FileId) -> tuple[str, ...]:
        check_known(file, identity, provider_id=self._provider_id)
        if file.is_user_root:
            return ()
        answer = await self._metadata.get_file(files_pb2.GetFileRequest(file=ref(file), with_path=True))
        path = answer.file.path
        if path and path[0].startswith(HIDDEN_PREFIX):
            raise NoSuchFile  # it is on its way to its place, and told of there
        return (shown_space_name(identity, file.space_id), *path)

    async def _by_path(
        self, identity: Identity, names: tuple[str, ...], *, container: bool, address: Address
    ) -> Node:
        node = Node(identity, names, container)
        if address.impossible:
            return node
        if not names:
            node.record = user_root_record(identity, self._provider_id)
            return node
        try:
            node.space_id = resolve_space(identity, names[0], provider_id=self._provider_id)
        except ApiError as error:
            if error.id == "posix":
                return node
            raise
        node.names = (shown_space_name(identity, node.space_id), *names[1:])
        await self._look(node)
        return node

    async def _look(self, node: Node) -> None:
        where = files_pb2.FileRef(space_id=node.space_id, path=node.names[1:])
        node.record, node.is_hidden = None, False
        try:
            file = (await self._metadata.get_file(files_pb2.GetFileRequest(file=where))).file
        except (NoSuchFile, NotADirectory):
            return
        node.is_hidden = file.type == SYMLINK and not is_reference(file.symlink_target)
        node.record = None if node.is_hidden else file

    async def child(self, node: Node, name: str) -> Node:
        """A place for a data object in a container."""
        made = Node(node.identity, (*node.names, name), container=False, space_id=node.space_id)
        made.parent_ref()
        await self._look(made)
        return made

    async def refresh(self, node: Node) -> Node:
        """The node as it is after a change. Raises NoSuchFile when it went away meanwhile."""
        await self._look(node)
        if node.record is None:
            raise NoSuchFile
        return node


def shown_space_name(identity: Identity, space_id: str) -> str:
    """The name under which a space stands in the top container."""
    name = identity.spaces[space_id].name
    bearers = sum(1 for rights in identity.spaces.values() if rights.supported and rights.name == name)
    return name if bearers <= 1 else f"{name}@{space_id}"


def space_entries(identity: Identity) -> list[str]:
    """Children of the top container."""
    return [f"{name}/" for name, _ in listed_spaces(identity)]
