"""Who a call is made for, inside a provider.

`Identity` is the value domains decide with; it has no wire format in it. `runtime.auth` signs it,
checks it and carries it between processes.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


class Kind(enum.Enum):
    """What kind of caller an identity stands for."""

    USER = 1
    GUEST = 2
    SERVICE = 3
    OPERATOR = 4


class SpacePrivilege(enum.IntEnum):
    """Privileges in a space; the numbers are those of isthmus.common.v1.SpacePrivilege.

    The name in REST is `space_` plus the lower-case name, e.g. `space_read_data`.
    """

    VIEW = 1
    READ_DATA = 2
    WRITE_DATA = 3
    VIEW_TRANSFERS = 4
    VIEW_PRIVILEGES = 5
    ADD_USER = 6
    REMOVE_USER = 7
    ADD_GROUP = 8
    REMOVE_GROUP = 9
    ADD_HARVESTER = 10
    REMOVE_HARVESTER = 11
    REGISTER_FILES = 12
    MANAGE_SHARES = 13
    VIEW_VIEWS = 14
    QUERY_VIEWS = 15
    VIEW_STATISTICS = 16
    VIEW_CHANGES_STREAM = 17
    SCHEDULE_REPLICATION = 18
    VIEW_QOS = 19
    MANAGE_DATASETS = 20
    VIEW_ARCHIVES = 21
    CREATE_ARCHIVES = 22
    MANAGE_ARCHIVES = 23
    VIEW_ATM_WORKFLOW_EXECUTIONS = 24
    SCHEDULE_ATM_WORKFLOW_EXECUTIONS = 25
    UPDATE = 26
    DELETE = 27
    SET_PRIVILEGES = 28
    MANAGE_IN_MARKETPLACE = 29
    ADD_SUPPORT = 30
    REMOVE_SUPPORT = 31
    MANAGE_VIEWS = 32
    CANCEL_REPLICATION = 33
    SCHEDULE_EVICTION = 34
    CANCEL_EVICTION = 35
    MANAGE_QOS = 36
    REMOVE_ARCHIVES = 37
    RECALL_ARCHIVES = 38
    MANAGE_ATM_WORKFLOW_EXECUTIONS = 39

    @property
    def rest_name(self) -> str:
        """The name in REST and in the zone's records."""
        return f"space_{self.name.lower()}"


@dataclass(frozen=True, slots=True)
class SpaceRights:
    """What a user may do in one space. Bit n of `privileges` is SpacePrivilege n."""

    name: str
    privileges: int = 0
    owner: bool = False
    supported: bool = True

    def has(self, privilege: SpacePrivilege) -> bool:
        """Owners have every privilege."""
        return self.owner or bool(self.privileges >> privilege & 1)


@dataclass(frozen=True, slots=True)
class DataCaveats:
    """What a token leaves of the data. Each inner tuple is one caveat; all must hold."""

    readonly: bool = False
    paths: tuple[tuple[str, ...], ...] = ()
    object_ids: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller. `expires_at_ms` bounds how long anybody may believe it."""

    kind: Kind
    subject_id: str = ""
    group_ids: tuple[str, ...] = ()
    spaces: Mapping[str, SpaceRights] = field(default_factory=dict)
    caveats: DataCaveats | None = None
    expires_at_ms: int = 0
    token_id: str = ""

    def rights_in(self, space_id: str) -> SpaceRights | None:
        """Rights in a space, or None for who is no member."""
        return self.spaces.get(space_id)


GUEST = Identity(kind=Kind.GUEST)
